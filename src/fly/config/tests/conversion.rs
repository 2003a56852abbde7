//! Each row of the conversion, for new machines.

use super::*;

#[test]
fn a_usual_file_becomes_a_usual_machine() {
    let text = r#"
        app = "web"
        primary_region = "fra"
        kill_signal = "SIGTERM"
        kill_timeout = 30
        swap_size_mb = 512

        [env]
        PORT = 8080
        RATE = 1.5
        DEBUG = true

        [http_service]
        internal_port = 8080
        force_https = true
        auto_stop_machines = "stop"
        auto_start_machines = true
        min_machines_running = 0
        concurrency = { type = "requests", soft_limit = 20, hard_limit = 25 }

        [[http_service.checks]]
        interval = "1m30s"
        timeout = "5s"
        grace_period = "500ms"
        method = "get"
        path = "/health"
        headers = { X-Probe = "yes" }

        [checks.alive]
        type = "tcp"
        interval = 15000
        timeout = 2000

        [[vm]]
        size = "shared-cpu-2x"
        memory = "1gb"

        [[restart]]
        policy = "never"
    "#;
    assert_eq!(
        machine(text, "app"),
        json!({
            "image": "registry.fly.io/web@sha256:00",
            "env": {
                "PORT": "8080", "RATE": "1.5", "DEBUG": "true",
                "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "fra",
            },
            "init": {"swap_size_mb": 512},
            "services": [{
                "protocol": "tcp", "internal_port": 8080, "autostop": true, "autostart": true,
                "min_machines_running": 0,
                "ports": [
                    {"port": 80, "handlers": ["http"], "force_https": true},
                    {"port": 443, "handlers": ["http", "tls"]},
                ],
                "concurrency": {"type": "requests", "soft_limit": 20, "hard_limit": 25},
                "checks": [{
                    "type": "http", "interval": "1m30s", "timeout": "5s", "grace_period": "500ms",
                    "method": "get", "path": "/health",
                    "headers": [{"name": "X-Probe", "values": ["yes"]}],
                }],
                "force_instance_key": null,
            }],
            "checks": {"alive": {"port": 8080, "type": "tcp", "interval": "15s", "timeout": "2s"}},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 1024},
            "restart": {"policy": "no"},
            "stop_config": {"timeout": "30s", "signal": "SIGTERM"},
        })
    );
}

#[test]
fn an_empty_file_makes_the_smallest_machine() {
    assert_eq!(
        machine("", "app"),
        json!({
            "image": "registry.fly.io/web@sha256:00",
            "env": {"FLY_PROCESS_GROUP": "app"},
            "init": {},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
        })
    );
}

#[test]
fn what_names_no_group_belongs_to_the_default_group_and_sizes_to_all() {
    let text = r#"
        [processes]
        web = "serve --name 'a b'"
        worker = ""
        [[services]]
        internal_port = "8080"
        processes = ["worker"]
        ports = [{ port = "443", handlers = ["tls"] }]
        tcp_checks = [{ interval = 10000, timeout = "2s" }]
        [checks.c]
        type = "http"
        port = 80
        method = "get"
        [[metrics]]
        port = 9091
        https = true
        [[restart]]
        policy = "always"
        [mounts]
        source = "data"
        destination = "/data"
        [[vm]]
        memory_mb = 512
        [[vm]]
        size = "performance-1x"
        processes = ["worker"]
        [[files]]
        guest_path = "/a"
        raw_value = "x"
        processes = ["worker"]
        [[statics]]
        guest_path = "/public"
        url_prefix = "/"
    "#;
    let config = config(text);
    assert_eq!(config.groups(), ["web", "worker"]);
    assert_eq!(config.default_group(), "web");
    let everywhere = [
        ("/files", json!([{"guest_path": "/a", "raw_value": "eA=="}])),
        (
            "/statics",
            json!([{
                "guest_path": "/public", "url_prefix": "/", "tigris_bucket": "",
                "index_document": "",
            }]),
        ),
    ];
    parts(text, "web", &everywhere);
    parts(text, "worker", &everywhere);
    parts(
        text,
        "web",
        &[
            ("/init/cmd", json!(["serve", "--name", "a b"])),
            ("/checks/c/method", json!("GET")),
            ("/metrics", json!({"port": 9091, "https": true})),
            ("/restart", json!({"policy": "always"})),
            ("/mounts", json!([{"name": "data", "path": "/data"}])),
            ("/guest/memory_mb", json!(512)),
            ("/services", Value::Null),
        ],
    );
    parts(
        text,
        "worker",
        &[
            ("/init", json!({})),
            ("/checks", Value::Null),
            ("/metrics", Value::Null),
            ("/restart", Value::Null),
            ("/mounts", Value::Null),
            ("/guest", json!({"cpu_kind": "performance", "cpus": 1, "memory_mb": 2048})),
            ("/services/0/checks", json!([{"type": "tcp", "interval": "10s", "timeout": "2s"}])),
        ],
    );
}

#[test]
fn the_group_app_is_the_default_wherever_it_stands() {
    assert_eq!(config("[processes]\naaa = ''\napp = ''\n").default_group(), "app");
    assert_eq!(config("[processes]\nb = ''\na = ''\n").default_group(), "a");
}

#[test]
fn commands_come_from_the_group_or_else_from_experimental() {
    let experimental = "[experimental]\ncmd = 'x y'\nentrypoint = ['e']\nexec = ['f']\n";
    for (processes, cmd) in [
        ("", json!(["x y"])),
        ("[processes]\napp = ''\n", json!(["x y"])),
        ("[processes]\napp = 'a b'\n", json!(["a", "b"])),
        ("[processes]\napp = '# nothing'\n", Value::Null),
    ] {
        let text = format!("{experimental}{processes}");
        parts(
            &text,
            "app",
            &[("/init/cmd", cmd), ("/init/entrypoint", json!(["e"])), ("/init/exec", json!(["f"]))],
        );
    }
}

#[test]
fn mounts_say_how_volumes_grow_and_are_made() {
    let text = "
        [[mounts]]
        source = 'data'
        destination = '/data'
        initial_size = '20gb'
        snapshot_retention = 14
        scheduled_snapshots = false
        auto_extend_size_threshold = 80
        auto_extend_size_increment = '1GB'
        auto_extend_size_limit = '5'
    ";
    parts(
        text,
        "app",
        &[(
            "/mounts",
            json!([{
                "name": "data", "path": "/data", "extend_threshold_percent": 80,
                "add_size_gb": 1, "size_gb_limit": 5,
            }]),
        )],
    );
    let volume = config(text).volume("app").unwrap();
    assert_eq!(
        volume,
        VolumeRequest {
            name: "data".into(),
            initial_size_gb: Some(20),
            snapshot_retention: Some(14),
            scheduled_snapshots: Some(false),
        }
    );
}

#[test]
fn signals_and_timeouts_are_there_only_if_they_are_set() {
    for (text, stop) in [
        ("", Value::Null),
        ("kill_signal = 'SIGTERM'", json!({"signal": "SIGTERM"})),
        ("kill_timeout = '2m'", json!({"timeout": "2m0s"})),
        ("[experimental]\nkill_timeout = 7", json!({"timeout": "7s"})),
    ] {
        parts(text, "app", &[("/stop_config", stop)]);
    }
}

#[test]
fn the_last_restart_policy_and_the_first_metrics_of_a_group_count() {
    let text = "
        [[restart]]
        policy = 'always'
        [[restart]]
        policy = 'on-failure'
        retries = 3
        [[metrics]]
        port = 1
        path = '/a'
        [[metrics]]
        port = 2
    ";
    parts(
        text,
        "app",
        &[
            ("/restart", json!({"policy": "on-failure", "max_retries": 3})),
            ("/metrics", json!({"port": 1, "path": "/a"})),
        ],
    );
}

#[test]
fn files_hold_texts_secrets_and_what_lies_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("motd"), b"hello\n").unwrap();
    let text = "
        [[files]]
        guest_path = '/etc/motd'
        local_path = 'motd'
        [[files]]
        guest_path = '/etc/secret'
        secret_name = 'TOKEN'
        [[files]]
        guest_path = '/etc/text'
        raw_value = 'plain'
        [[files]]
        guest_path = '/etc/secret'
        raw_value = 'later'
    ";
    let path = folder.path().join("fly.toml");
    let mut config = AppConfig::parse(text, &path).unwrap().0;
    config.add_file("/etc/motd", &FileContent::Secret("MOTD".into())).unwrap();
    config.add_file("/etc/more", &FileContent::Text("x".into())).unwrap();
    config.add_file("/etc/local", &FileContent::Local(folder.path().join("motd"))).unwrap();
    let machine = config.machine_config("app", "i", None).unwrap();
    assert_eq!(
        serde_json::to_value(machine.files).unwrap(),
        json!([
            {"guest_path": "/etc/motd", "secret_name": "MOTD"},
            {"guest_path": "/etc/secret", "raw_value": "bGF0ZXI="},
            {"guest_path": "/etc/text", "raw_value": "cGxhaW4="},
            {"guest_path": "/etc/more", "raw_value": "eA=="},
            {"guest_path": "/etc/local", "raw_value": "aGVsbG8K"},
        ])
    );
    let absent = folder.path().join("absent");
    let error = config.add_file("/a", &FileContent::Local(absent)).unwrap_err();
    assert!(error.to_string().starts_with("the command line: `--file-local`: cannot read"));
}
