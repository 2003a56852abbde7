//! Whole files, and what machines become of them.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::error::{Explain as _, render};
use crate::fly::wire::MachineConfig;

fn parse(text: &str) -> (AppConfig, Vec<Warning>) {
    AppConfig::parse(text, Path::new("fly.toml")).unwrap()
}

fn refused(text: &str) -> Error {
    AppConfig::parse(text, Path::new("fly.toml")).unwrap_err()
}

fn machine(text: &str, group: &str) -> Value {
    let config =
        parse(text).0.machine_config(group, "registry.fly.io/web@sha256:00", None).unwrap();
    serde_json::to_value(config).unwrap()
}

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
        concurrency = "20,25"

        [[http_service.checks]]
        interval = "1m30s"
        timeout = "5s"
        grace_period = "500ms"
        method = "GET"
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
                    "method": "GET", "path": "/health",
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
fn what_names_no_group_belongs_to_the_default_group_and_sizes_to_all() {
    let text = r#"
        app = "web"
        [processes]
        web = "serve --name 'a b'"
        worker = ""
        [[services]]
        internal_port = "8080"
        protocol = "tcp"
        processes = ["worker"]
        ports = [{ port = "443", handlers = ["tls"] }]
        tcp_checks = [{ interval = 10000, timeout = "2s" }]
        [checks.c]
        type = "http"
        port = 80
        method = "get"
        [[metrics]]
        port = 9091
        path = "/metrics"
        [[vm]]
        memory_mb = 512
        [[vm]]
        size = "performance-1x"
        processes = ["worker"]
    "#;
    let (config, _) = parse(text);
    assert_eq!(config.groups(), ["web", "worker"]);
    assert_eq!(config.default_group(), "web");
    let (web, worker) = (machine(text, "web"), machine(text, "worker"));
    assert_eq!(web["init"]["cmd"], json!(["serve", "--name", "a b"]));
    assert_eq!(web["checks"]["c"]["method"], "GET");
    assert_eq!(web["metrics"]["port"], 9091);
    assert_eq!(web["guest"]["memory_mb"], 512);
    assert_eq!(web["services"], Value::Null);
    assert_eq!(worker["init"], json!({}));
    assert_eq!(worker["checks"], Value::Null);
    assert_eq!(worker["metrics"], Value::Null);
    assert_eq!(worker["guest"]["cpus"], 1);
    assert_eq!(worker["guest"]["memory_mb"], 2048);
    assert_eq!(
        worker["services"][0]["checks"],
        json!([{"type": "tcp", "interval": "10s", "timeout": "2s"}])
    );
}

#[test]
fn an_update_keeps_what_the_file_does_not_manage_and_removes_what_it_does() {
    let existing: MachineConfig = serde_json::from_value(json!({
        "image": "old", "env": {"OLD": "1"}, "schedule": "daily", "auto_destroy": false,
        "init": {"cmd": ["old"], "tty": true}, "restart": {"policy": "always"},
        "checks": {"old": {"type": "tcp"}}, "guest": {"cpus": 4, "memory_mb": 4096},
        "metadata": {"mine": "kept", "fly_process_group": "app"},
        "mounts": [{"volume": "vol_1", "name": "data", "path": "/old", "size_gb": 3}],
    }))
    .unwrap();
    let (config, _) = parse(
        "[[mounts]]\nsource = 'data'\ndestination = '/data'\nauto_extend_size_increment = '2GB'\n",
    );
    let config = config.machine_config("app", "new", Some(&existing)).unwrap();
    assert_eq!(
        serde_json::to_value(config).unwrap(),
        json!({
            "image": "new", "env": {"FLY_PROCESS_GROUP": "app"}, "schedule": "daily",
            "auto_destroy": false, "init": {"tty": true}, "guest": {"cpus": 4, "memory_mb": 4096},
            "metadata": {
                "mine": "kept", "fly_process_group": "app", "fly_platform_version": "v2",
            },
            "mounts": [{
                "volume": "vol_1", "name": "data", "path": "/data", "size_gb": 3, "add_size_gb": 2,
            }],
        })
    );
}

#[test]
fn a_machine_and_the_file_must_agree_on_its_volume() {
    let with = parse("[mounts]\nsource = 'data'\ndestination = '/data'\n").0;
    let without = parse("").0;
    let existing: MachineConfig = serde_json::from_value(
        json!({"mounts": [{"volume": "vol_1", "name": "other", "path": "/data"}]}),
    )
    .unwrap();
    for (config, existing) in [(&with, None), (&with, Some(&existing)), (&without, Some(&existing))]
    {
        let error = config.machine_config("app", "new", existing).unwrap_err();
        assert_eq!(error.code(), "config.volume");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_bare_number_that_counts_nanoseconds_is_warned_of() {
    let text = "[http_service]\ninternal_port = 1\n[[http_service.checks]]\ninterval = 10\n";
    let (config, warnings) = parse(text);
    let machine = config.machine_config("app", "i", None).unwrap();
    assert_eq!(machine.services[0].checks[0].interval.as_deref(), Some("10ns"));
    assert_eq!(warnings[0].code, "config.nanoseconds");
    assert_eq!(
        warnings[0].message,
        "`fly.toml` line 4: `http_service.checks[0].interval`: 10 is 10 nanoseconds here; write \
         \"10s\""
    );
}

#[test]
fn keys_without_effect_are_warned_of_each_with_its_path() {
    let (_, warnings) = parse(
        "color = 'green'\n[build]\ndockerfile = 'Dockerfile'\n[[services]]\ninternal_port = 1\n\
         ports = [{port = 80, handler = ['http']}]\n",
    );
    let lines: Vec<_> = warnings.iter().map(|w| format!("{} {}", w.code, w.message)).collect();
    assert_eq!(
        lines,
        [
            "config.key-without-effect `fly.toml` line 3: `build.dockerfile` has no effect: the \
             image is built by Nix",
            "config.unknown-key `fly.toml` line 1: `color` is not known to fly.toml and has no \
             effect",
            "config.unknown-key `fly.toml` line 6: `services[0].ports[0].handler` is not known \
             to fly.toml and has no effect",
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, code, place) in [
        ("app = 'Web'", "config.invalid", "line 1: `app`"),
        ("[deploy]\nstrategy = 'fast'", "config.invalid", "line 2: `deploy.strategy`"),
        ("\n[[vm]]\nsize = 'shared-cpu-3x'", "config.invalid", "line 3: `vm.size`"),
        ("[checks.a]\ntype = 'udp'", "config.invalid", "line 2: `checks.a.type`"),
        ("[checks.a]\ntype = 'tcp'", "config.invalid", "line 1: `checks.a`"),
        ("[processes]\nweb = \"it's\"", "config.invalid", "line 2: `processes.web`"),
        (
            "[processes]\nweb = ''\n[http_service]\ninternal_port = 1",
            "config.invalid",
            "line 3: `http_service`",
        ),
        (
            "[[services]]\nprocesses = ['x']\ninternal_port = 1",
            "config.invalid",
            "line 2: `services[0].processes`",
        ),
        ("[[restart]]\npolicy = 'no'", "config.invalid", "line 2: `restart[0].policy`"),
        ("[deploy]\nrelease_command = 'migrate'", "config.unsupported", "line 2"),
        ("[[files]]\nguest_path = '/a'\nlocal_path = 'a'", "config.unsupported", "line 3"),
        ("app = 'web'\nswap_size_mb = 'much'", "config.malformed", "line 2"),
        ("[http_service]\n[[http_service.checks]]\ninterval = '10'", "config.malformed", "line 3"),
        ("app = ", "config.malformed", "line 1"),
    ] {
        let error = refused(text);
        assert_eq!(error.code(), code, "{text}");
        assert!(render(&error).contains(place), "{text}: {}", render(&error));
    }
    let other = AppConfig::parse("{}", Path::new("fly.json")).unwrap_err();
    assert_eq!(other.code(), "config.format");
}

#[test]
fn flags_beat_the_file_and_are_recorded() {
    let (mut config, _) = parse("app = 'web'\n[env]\nA = '1'\n[http_service]\ninternal_port = 1\n");
    config.set_env("B", "2");
    config.set_primary_region("ams");
    assert_eq!(config.definition()["env"], json!({"A": "1", "B": "2"}));
    assert_eq!(config.definition()["primary_region"], "ams");
    assert_eq!(config.strategy(), Strategy::Rolling);
    let app = config.app().unwrap().clone();
    assert_eq!(config.url(&app).as_deref(), Some("https://web.fly.dev/"));
    assert_eq!(config.max_unavailable().of(10), 4);
    assert_eq!(MaxUnavailable::from_number(2.0), Some(MaxUnavailable::Count(2)));
}
