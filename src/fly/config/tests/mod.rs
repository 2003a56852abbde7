//! Whole files, and what machines become of them.

use std::path::Path;

use proptest::prelude::{prop, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::*;
use crate::error::{Account, Explain as _};
use crate::fly::wire::MachineConfig;

mod conversion;
mod errors;
mod guests;
mod one_off;
mod overlays;
mod services;
mod updates;

fn parse(text: &str) -> (AppConfig, Vec<Warning>) {
    AppConfig::parse(text, Path::new("fly.toml"))
        .unwrap_or_else(|error| panic!("{}\n{text}", Account::of(&error)))
}

fn config(text: &str) -> AppConfig {
    parse(text).0
}

fn refused(text: &str) -> Error {
    AppConfig::parse(text, Path::new("fly.toml")).expect_err(text)
}

/// What is said of a file that is refused, each problem by key and reason.
fn problems(text: &str) -> Vec<String> {
    match refused(text) {
        Error::Invalid { problems, .. } => {
            problems.iter().map(|p| format!("{}: {}", p.key, p.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// A new machine of a group.
fn machine(text: &str, group: &str) -> Value {
    let config = config(text).machine_config(group, "registry.fly.io/web@sha256:00", None);
    serde_json::to_value(config.unwrap()).unwrap()
}

/// Compares parts of a machine, each by its path, with what they are to be.
#[track_caller]
fn parts(text: &str, group: &str, expected: &[(&str, Value)]) {
    let machine = machine(text, group);
    for (path, wanted) in expected {
        assert_eq!(machine.pointer(path).unwrap_or(&Value::Null), wanted, "{path}\n{text}");
    }
}

fn codes(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn the_same_file_in_each_language_makes_the_same_machines() {
    let toml = "
        app = 'web'
        kill_timeout = 5
        [env]
        PORT = 8080
        [[services]]
        internal_port = 8080
        concurrency = '20,25'
        tcp_checks = [{ interval = 15000 }]
        ports = [{ port = '80', handlers = ['http'] }]
        [mounts]
        source = 'data'
        destination = '/data'
        initial_size = 3
        [[vm]]
        memory = 512
    ";
    let yaml = "
        app: web
        kill_timeout: 5
        env: {PORT: 8080}
        services:
        - internal_port: 8080
          concurrency: 20,25
          tcp_checks: [{interval: 15000}]
          ports: [{port: '80', handlers: [http]}]
        mounts: {source: data, destination: /data, initial_size: 3}
        vm: [{memory: 512}]
    ";
    let json = r#"{
        "app": "web", "kill_timeout": 5, "env": {"PORT": 8080}, "checks": null,
        "services": [{"internal_port": 8080, "concurrency": "20,25",
            "tcp_checks": [{"interval": 15000}], "ports": [{"port": "80", "handlers": ["http"]}]}],
        "mounts": {"source": "data", "destination": "/data", "initial_size": 3},
        "vm": [{"memory": 512}]
    }"#;
    let [toml, yaml, json] = [("fly.toml", toml), ("fly.yml", yaml), ("fly.json", json)]
        .map(|(path, text)| AppConfig::parse(text, Path::new(path)).unwrap().0);
    for other in [&yaml, &json] {
        assert_eq!(other.definition(), toml.definition());
        assert_eq!(
            other.machine_config("app", "i", None).unwrap(),
            toml.machine_config("app", "i", None).unwrap()
        );
    }
    assert_eq!(toml.definition()["env"], json!({"PORT": "8080"}));
}

#[test]
fn a_release_records_flyctls_own_form_and_is_read_again() {
    let text = r#"
        app = "web"
        kill_timeout = 90
        swap_size_mb = 0
        [experimental]
        cmd = "serve"
        [build]
        build_target = "x"
        [deploy]
        strategy = "canary"
        release_command_timeout = "none"
        wait_timeout = "10m"
        [http_service]
        internal_port = 8080
        force_https = false
        auto_stop_machines = "stop"
        auto_start_machines = false
        [[http_service.checks]]
        interval = "15s"
        [[statics]]
        guest_path = "/public"
        url_prefix = "/"
        [compute]
        memory = 512
    "#;
    let config = config(text);
    assert_eq!(
        *config.definition(),
        json!({
            "app": "web",
            "kill_timeout": "1m30s",
            "swap_size_mb": 0,
            "experimental": {"cmd": ["serve"], "attached": {"secrets": {}}},
            "build": {"build-target": "x"},
            "deploy": {
                "strategy": "canary", "release_command_timeout": "0s", "wait_timeout": "10m0s",
            },
            "http_service": {
                "internal_port": 8080, "auto_stop_machines": true, "auto_start_machines": false,
                "checks": [{"interval": "15s"}],
            },
            "statics": [{"guest_path": "/public", "url_prefix": "/", "tigris_bucket": ""}],
            "vm": [{"memory": "512"}],
        })
    );
    let again = AppConfig::from_definition(config.definition()).unwrap();
    assert_eq!(again.definition(), config.definition());
    let of = |config: &AppConfig| config.machine_config("app", "i", None).unwrap();
    assert_eq!(of(&again), of(&config));
    assert_eq!(again.strategy(), Strategy::Canary);
}

#[test]
fn a_release_does_not_hold_files() {
    let definition = json!({"files": [{"guest_path": "/a", "local_path": "a.txt"}]});
    let error = AppConfig::from_definition(&definition).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the last release: `files[0].local_path`: the file `a.txt` is not part of a release: \
         name the fly.toml beside which it is"
    );
}

#[test]
fn flags_beat_the_file_and_are_recorded() {
    let mut config = config("app = 'web'\n[env]\nA = '1'\n[deploy]\nstrategy = 'canary'\n");
    config.set_env("A", "2");
    config.set_env("B", "3");
    config.set_primary_region("ams");
    config.set_strategy(Strategy::Immediate);
    config.set_max_unavailable(MaxUnavailable::Count(2));
    assert_eq!(
        *config.definition(),
        json!({
            "app": "web", "env": {"A": "2", "B": "3"}, "primary_region": "ams",
            "deploy": {"strategy": "immediate", "max_unavailable": 2.0},
        })
    );
    assert_eq!(config.strategy(), Strategy::Immediate);
    assert_eq!(config.max_unavailable(), MaxUnavailable::Count(2));
    assert_eq!(config.primary_region(), Some("ams"));
    assert_eq!(config.app().unwrap().as_str(), "web");
}

#[test]
fn where_nothing_is_set_the_defaults_are_those_of_flyctl() {
    let config = config("");
    assert_eq!(config.strategy(), Strategy::Rolling);
    assert_eq!(config.max_unavailable().of(10), 4);
    assert_eq!((config.app(), config.primary_region(), config.image()), (None, None, None));
    assert_eq!(config.wait_timeout(), None);
    assert_eq!(config.groups(), ["app"]);
    assert_eq!(config.release_command(), None);
    assert_eq!(config.machine_checks("app"), []);
    assert_eq!(config.volume("app"), None);
    assert!(!config.has_services("app"));
    assert_eq!(*config.definition(), json!({}));
}

#[test]
fn the_address_is_that_of_the_first_http_service() {
    for (text, url) in [
        ("", None),
        ("[http_service]\ninternal_port = 1", Some("https://web.fly.dev/")),
        ("[http_service]", None),
        (
            "[[services]]\nports = [{port = 443, handlers = ['tls', 'http']}]",
            Some("https://web.fly.dev/"),
        ),
        ("[[services]]\nports = [{port = 80, handlers = ['http']}]", Some("http://web.fly.dev/")),
        (
            "[[services]]\nports = [{port = 9443, handlers = ['http', 'tls']}, \
             {port = 8443, handlers = ['http', 'tls']}]",
            Some("https://web.fly.dev:8443/"),
        ),
        (
            "[[services]]\nports = [{port = 8080, handlers = ['http']}]",
            Some("http://web.fly.dev:8080/"),
        ),
        ("[[services]]\nports = [{port = 5432, handlers = ['pg_tls']}]", None),
    ] {
        assert_eq!(config(text).url(&"web".parse().unwrap()).as_deref(), url, "{text}");
    }
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        lines in prop::collection::vec(
            "(\\[{1,2}(vm|env|services|checks\\.a|mounts|deploy|experimental|processes)\\]{1,2}\
             |(size|interval|port|processes|memory|source|a|strategy|cmd|type) = \
             (1|-1|1\\.5|'x'|''|\\[\\]|\\['a'\\]|\\{\\}|true|'2gb'|nan))",
            0..12,
        ),
    ) {
        let text = lines.join("\n");
        let read = AppConfig::inspect(&text, Path::new("fly.toml")).0;
        if let Ok(config) = read {
            let again = AppConfig::from_definition(config.definition()).unwrap();
            // A service of unknown keys alone is none when it is read again.
            let twice = AppConfig::from_definition(again.definition()).unwrap();
            prop_assert_eq!(twice.definition(), again.definition());
            for group in config.groups() {
                let _machine = config.machine_config(&group, "i", None);
            }
        }
    }
}
