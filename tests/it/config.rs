//! `snowbird config`, as a user runs it: without token and network.

use serde_json::{Value, json};

use crate::support::World;
use crate::support::world::Outcome;

const TOML: &str = r#"app = "web"
primary_region = "fra"

[env]
PORT = 8080

[processes]
web = "serve --port 8080"
worker = "work"

[http_service]
internal_port = 8080
processes = ["web"]

[[http_service.checks]]
interval = "15s"
path = "/"

[[vm]]
size = "shared-cpu-2x"
"#;

fn shown(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).expect("stdout is JSON")
}

#[test]
fn the_machines_of_every_group_are_shown() {
    let world = World::new();
    world.file("fly.toml", TOML);
    let outcome = world.run(&["config", "show"]).ok();
    assert_eq!(outcome.stderr, "");
    insta::assert_snapshot!(outcome.stdout);
}

#[test]
fn one_group_can_be_shown_with_an_image_on_one_line() {
    let world = World::new();
    world.file("fly.toml", TOML);
    let typed = ["config", "show", "--group", "worker", "--image", "ghcr.io/a/b:c", "--json"];
    let outcome = world.run(&typed).ok();
    assert_eq!(
        serde_json::from_str::<Value>(outcome.line()).unwrap(),
        json!({"worker": {
            "image": "ghcr.io/a/b:c",
            "env": {"PORT": "8080", "FLY_PROCESS_GROUP": "worker", "PRIMARY_REGION": "fra"},
            "init": {"cmd": ["work"]},
            "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512},
            "metadata": {"fly_platform_version": "v2", "fly_process_group": "worker"},
        }})
    );
    let failed = world.run(&["config", "show", "--group", "cron", "--json"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(10), ""));
    let (code, told) = failed.error();
    assert_eq!(code, "config.invalid");
    assert!(told.contains("there is no process group `cron`, only: web, worker"), "{told}");
}

#[test]
fn each_language_is_found_in_its_folder_and_says_the_same() {
    let world = World::new();
    for (name, text) in [
        ("a/fly.toml", "app = 'web'\nkill_timeout = 5\n[env]\nA = 1\n"),
        ("b/fly.json", r#"{"app": "web", "kill_timeout": 5, "env": {"A": 1}, "checks": null}"#),
        ("c/fly.yaml", "app: web\nkill_timeout: 5\nenv: {A: 1}\n"),
        ("d/fly.yml", "app: web\nkill_timeout: 5\nenv: {A: 1}\n"),
    ] {
        world.file(name, text);
        let folder = name.split('/').next().unwrap();
        let outcome = world.run(&["config", "show", "--config", folder]).ok();
        assert_eq!(
            shown(&outcome)["app"],
            json!({
                "image": "registry.fly.io/web", "env": {"A": "1", "FLY_PROCESS_GROUP": "app"},
                "init": {}, "stop_config": {"timeout": "5s"},
                "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256},
                "metadata": {"fly_platform_version": "v2", "fly_process_group": "app"},
            }),
            "{name}"
        );
    }
}

#[test]
fn files_lie_beside_the_configuration_wherever_it_is() {
    let world = World::new();
    world.file("deep/motd", "hello");
    world.file("deep/fly.toml", "[[files]]\nguest_path = '/etc/motd'\nlocal_path = 'motd'\n");
    let outcome = world.run(&["config", "show", "--config", "deep/fly.toml"]).ok();
    let files = &shown(&outcome)["app"]["files"];
    assert_eq!(*files, json!([{"guest_path": "/etc/motd", "raw_value": "aGVsbG8="}]));
}

#[test]
fn a_fine_file_is_valid_and_what_is_hardly_meant_is_warned_of() {
    let world = World::new();
    world.file("fly.toml", format!("colour = 'blue'\n{TOML}"));
    let outcome = world.run(&["config", "validate"]).ok();
    assert_eq!(outcome.line(), "`fly.toml` is valid");
    assert_eq!(
        outcome.stderr,
        "warning: `fly.toml` line 1, column 1: `colour`: is not known and has no effect\n"
    );
    let outcome = world.run(&["config", "validate", "--json"]).ok();
    let result: Value = serde_json::from_str(outcome.line()).unwrap();
    assert_eq!(result, json!({"config": "fly.toml", "valid": true, "warnings": 1}));
    let failed = world.run(&["config", "validate", "--strict"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(10), ""));
    insta::assert_snapshot!(failed.stderr, @r"
    error: `fly.toml` line 1, column 1: `colour`: is not known and has no effect
      |
    1 | colour = 'blue'
      | ^^^^^^

    hint: keys that are not known have no effect: correct them or take them out
    ");
}

#[test]
fn all_that_is_wrong_is_told_and_ends_it_with_ten() {
    let world = World::new();
    world.file(
        "fly.toml",
        "[deploy]\nstrategy = 'canary'\nwait_timeout = 300\n\n[mounts]\nsource = 'data'\n\
         destination = '/data'\ninitial_size = '10mb'\n\n[checks.alive]\ntype = 'tcp'\n",
    );
    let failed = world.run(&["config", "validate"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(10), ""));
    insta::assert_snapshot!(failed.stderr, @r#"
    warning: `fly.toml` line 3, column 16: `deploy.wait_timeout`: 300 is 300 nanoseconds here; write "300s"
    error: `fly.toml` has 2 errors
    line 8, column 16: `mounts.initial_size`: `10mb` is less than 1 GB
      |
    8 | initial_size = '10mb'
      |                ^^^^^^
    line 10, column 9: `checks.alive`: it has no `port`, and process group `app` has no `http_service` to take it from
       |
    10 | [checks.alive]
       |         ^^^^^
    "#);
}

#[test]
fn what_the_groups_rule_out_together_is_told_too() {
    let world = World::new();
    let mounts = "[mounts]\nsource = 'data'\ndestination = '/data'\n";
    world.file("fly.toml", format!("[deploy]\nstrategy = 'canary'\n{mounts}"));
    let failed = world.run(&["config", "validate", "--json"]);
    assert_eq!(failed.code, Some(10));
    let (code, told) = failed.error();
    assert_eq!(code, "config.invalid");
    assert!(told.contains("`canary` is not possible for process group `app`"), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_drawn_in_every_language() {
    let world = World::new();
    for (name, text, drawn) in [
        ("fly.toml", "app = 'web'\n[env\n", "2 | [env\n  |     ^"),
        ("fly.json", "{\n  \"app\": web\n}\n", "2 |   \"app\": web\n  |          ^"),
        ("fly.yaml", "app: web\n env: {}\n", "2 |  env: {}\n  |     ^"),
    ] {
        world.file(name, text);
        let failed = world.run(&["config", "validate", "--config", name]);
        assert_eq!(failed.code, Some(10), "{failed}");
        assert!(failed.stderr.contains(&format!("error: `{name}` line 2, column ")), "{failed}");
        assert!(failed.stderr.contains(drawn), "{failed}");
    }
}

#[test]
fn without_a_file_it_is_told_how_to_name_one() {
    let world = World::new();
    for command in ["show", "validate"] {
        let failed = world.run(&["config", command, "--json"]);
        assert_eq!(failed.code, Some(10));
        let (code, told) = failed.error();
        assert_eq!(code, "config.unusable");
        assert!(told.contains("there is no fly.toml here"), "{told}");
    }
}
