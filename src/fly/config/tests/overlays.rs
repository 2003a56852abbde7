//! Settings that are given as JSON, containers, compose files.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with files, among which a fly.toml is read.
struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    fn read(&self, text: &str) -> (Result<AppConfig, Error>, Vec<Warning>) {
        AppConfig::inspect(text, &self.0.path().join("fly.toml"))
    }

    fn machine(&self, text: &str) -> Value {
        let config = self.read(text).0.unwrap_or_else(|error| panic!("{error}"));
        serde_json::to_value(config.machine_config("app", "deployed", None).unwrap()).unwrap()
    }

    fn told(&self, text: &str) -> String {
        self.read(text).0.unwrap_err().to_string()
    }
}

#[test]
fn settings_in_json_lie_below_those_of_the_file() {
    let text = r#"
        machine_config = '''{
            "schedule": "daily", "guest": {"cpus": 2, "memory_mb": 512},
            "init": {"tty": true, "exec": ["x"]},
            "metadata": {"mine": "1"}, "dns": {"skip_registration": true}, "env": {"A": "1"}
        }'''
        [env]
        B = "2"
    "#;
    let (config, warnings) = parse(text);
    let machine = serde_json::to_value(config.machine_config("app", "i", None).unwrap()).unwrap();
    assert_eq!(
        machine,
        json!({
            "image": "i", "schedule": "daily", "guest": {"cpus": 2, "memory_mb": 512},
            "init": {"tty": true}, "dns": {"skip_registration": true},
            "env": {"B": "2", "FLY_PROCESS_GROUP": "app"},
            "metadata": {
                "mine": "1", "fly_platform_version": "v2", "fly_process_group": "app",
            },
        })
    );
    assert_eq!(codes(&warnings), ["config.key-without-effect"; 2]);
    assert!(warnings[0].message.contains("its `env` has no effect"), "{}", warnings[0]);
    assert!(warnings[1].message.contains("its `init.exec` has no effect"), "{}", warnings[1]);
}

#[test]
fn settings_in_json_are_merged_with_what_a_machine_has() {
    let existing: MachineConfig = serde_json::from_value(json!({
        "schedule": "daily", "guest": {"cpus": 8, "memory_mb": 8192},
        "dns": {"nameservers": ["a", "b"], "hostname": "h"},
        "mounts": [{"volume": "v", "name": "data", "path": "/data"}],
    }))
    .unwrap();
    let text = r#"
        machine_config = """
            {"schedule": null, "guest": {"cpus": 2}, "dns": {"nameservers": ["c"]}, "mounts": []}
        """
        [mounts]
        source = "data"
        destination = "/data"
    "#;
    let config = config(text).machine_config("app", "i", Some(&existing)).unwrap();
    let config = serde_json::to_value(config).unwrap();
    assert_eq!(config["schedule"], Value::Null);
    assert_eq!(config["guest"], json!({"cpus": 2, "memory_mb": 8192}));
    assert_eq!(config["dns"], json!({"nameservers": ["c"], "hostname": "h"}));
    assert_eq!(config["mounts"][0]["volume"], "v");
}

#[test]
fn the_experimental_settings_win_and_a_file_may_hold_them() {
    let folder = Folder::with(&[("machine.json", r#"{"schedule": "weekly"}"#)]);
    let text = "
        machine_config = '{\"schedule\": \"daily\"}'
        [experimental]
        machine_config = 'machine.json'
    ";
    assert_eq!(folder.machine(text)["schedule"], "weekly");
    assert_eq!(codes(&folder.read(text).1), ["config.key-without-effect"]);
    for (text, told) in [
        ("machine_config = 'absent.json'", "cannot read"),
        ("machine_config = 'machine.yaml'", "it is neither JSON, which begins with `{`, nor"),
        ("machine_config = '{\"a\": }'", "it is no JSON: expected value at line 1 column 7"),
        ("machine_config = '{\"guest\": 5}'", "it is no machine's configuration"),
    ] {
        assert!(folder.told(text).contains(told), "{}", folder.told(text));
    }
}

#[test]
fn the_chosen_container_gets_the_deployed_image() {
    let folder = Folder::with(&[("nginx.conf", "server {}")]);
    let containers = |container: &str, containers: &str| {
        format!("{container}\nmachine_config = '''{{\"containers\": {containers}}}'''\n")
    };
    let images = |text: &str| -> Vec<_> {
        let machine = folder.machine(text);
        let containers = machine["containers"].as_array().unwrap().clone();
        containers.into_iter().map(|container| container["image"].clone()).collect()
    };
    let two = r#"[{"name": "a", "image": "x"}, {"name": "app", "image": "y"}]"#;
    assert_eq!(images(&containers("", two)), ["x", "deployed"]);
    assert_eq!(images(&containers("container = 'a'", two)), ["deployed", "y"]);
    let unnamed = r#"[{"name": "b"}, {"name": "c", "image": "z"}]"#;
    assert_eq!(images(&containers("", unnamed)), ["deployed", "z"]);
    for (text, told) in [
        (containers("container = 'c'", two), "`container`: there is no container `c`"),
        (
            containers("", r#"[{"name": "app"}, {"name": "b"}]"#),
            "`machine_config`: its `containers[1]` has no `image`",
        ),
    ] {
        assert!(folder.told(&text).contains(told), "{}", folder.told(&text));
    }
    let files = r#"[{"name": "app", "files": [
        {"guest_path": "/a", "local_path": "nginx.conf"}, {"guest_path": "/b", "raw_value": "eA=="}
    ]}]"#;
    assert_eq!(
        folder.machine(&containers("", files))["containers"][0]["files"],
        json!([
            {"guest_path": "/a", "raw_value": "c2VydmVyIHt9"},
            {"guest_path": "/b", "raw_value": "eA=="},
        ])
    );
    let absent = containers("", &files.replace("nginx.conf", "absent"));
    assert!(folder.told(&absent).contains("cannot read"));
    assert_eq!(
        codes(&folder.read("container = 'a'").1),
        ["config.key-without-effect"],
        "a container without containers"
    );
}

#[test]
fn a_compose_file_becomes_containers() {
    let compose = r#"
version: "3"
services:
  web:
    build: .
    environment: [A=1, B=two=2]
    command: serve --name 'a b'
    ports: ["80:80"]
    depends_on: [redis]
    volumes:
      - ./nginx.conf:/etc/nginx.conf:ro
      - data:/data
    healthcheck:
      test: ["CMD", "curl", "localhost"]
      interval: 1m30s
      timeout: 5s
      retries: 3
      start_period: 500ms
  redis:
    image: redis:7
    user: 1000
    environment: {A: 1, B: true}
    entrypoint: ["redis", "x"]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: redis-cli ping}
    restart: always
  db:
    image: db
    depends_on: {redis: {condition: service_completed_successfully}}
"#;
    let folder = Folder::with(&[("docker-compose.yml", compose), ("nginx.conf", "x")]);
    let machine = folder.machine("[build.compose]\n");
    assert_eq!(machine["image"], "deployed");
    assert_eq!(
        machine["containers"],
        json!([
            {
                "name": "db", "image": "db",
                "depends_on": [{"name": "redis", "condition": "exited_successfully"}],
            },
            {
                "name": "redis", "image": "redis:7", "user": "1000",
                "env": {"A": "1", "B": "true"}, "entrypoint": ["redis", "x"],
                "depends_on": [{"name": "db", "condition": "healthy"}],
                "healthchecks": [{
                    "name": "healthcheck",
                    "exec": {"command": ["/bin/sh", "-c", "redis-cli ping"]},
                }],
            },
            {
                "name": "web", "image": "deployed", "env": {"A": "1", "B": "two=2"},
                "cmd": ["serve", "--name", "a b"],
                "files": [{"guest_path": "/etc/nginx.conf", "raw_value": "eA==", "mode": 0o444}],
                "depends_on": [{"name": "redis", "condition": "started"}],
                "healthchecks": [{
                    "name": "healthcheck", "interval": 90, "timeout": 5, "grace_period": 1,
                    "failure_threshold": 3, "exec": {"command": ["curl", "localhost"]},
                }],
            },
        ])
    );
    let warnings = folder.read("[build.compose]\n").1;
    let told: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(codes(&warnings), ["config.compose-without-effect"; 2]);
    assert!(
        told[0].contains("`services.redis.restart` of `docker-compose.yml` has no"),
        "{told:?}"
    );
    assert!(told[1].contains("names `data:/data`, which has no effect"), "{told:?}");
}

#[test]
fn a_compose_file_that_cannot_be_used_is_told_with_its_line() {
    let folder = Folder::with(&[
        ("wrong.yml", "services:\n  web:\n    build: .\n    volumes: 5\n"),
        ("broken.yml", "services: [\n"),
        ("two.yml", "services: {a: {build: .}, b: {build: .}}"),
        ("none.yml", "services: {}"),
        ("bare.yml", "services: {a: {}}"),
        ("absent.yml", "services: {a: {build: ., volumes: [./absent:/a]}}"),
        ("cond.yml", "services: {a: {build: ., depends_on: {b: {condition: soon}}}}"),
        ("fine.yml", "services: {a: {image: x, env: '${A}'}}"),
    ]);
    for (name, told) in [
        ("wrong.yml", "`wrong.yml` line 4, column 14: `services.web.volumes`: it must be a list"),
        ("broken.yml", "`broken.yml` line"),
        ("two.yml", "`two.yml` has several services with `build`"),
        ("none.yml", "`none.yml` has no `services`"),
        ("bare.yml", "`bare.yml`: `services.a`: it has no `image` and no `build`"),
        ("absent.yml", "`absent.yml`: `services.a`: cannot read"),
        ("cond.yml", "`cond.yml`: `services.a`: `soon` is no condition of `depends_on`"),
        ("gone.yml", "cannot read"),
    ] {
        let text = format!("[build.compose]\nfile = '{name}'\n");
        let said = folder.told(&text);
        assert!(said.contains(told) && said.contains("line 1"), "{said}");
    }
    assert!(folder.told("[build.compose]\n").contains("there is no compose file: none of"));
    let warnings = folder.read("[build.compose]\nfile = 'fine.yml'\n").1;
    assert_eq!(codes(&warnings), ["config.compose-without-effect"; 3]);
}
