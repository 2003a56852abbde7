//! `snowbird doctor`

use std::net::TcpListener;

use serde_json::Value;

use crate::support::world::Outcome;
use crate::support::{Fly, World};

/// A Nix that builds for Fly's machines.
const NIX: &str = r#"case "$*" in
*--version) echo 'nix (Nix) 2.31.2' ;;
*config*) echo '{"system":{"value":"x86_64-linux"},"max-jobs":{"value":4}}' ;;
esac"#;

fn world(fly: &Fly) -> World {
    let mut world = fly.world();
    world.file("fly.toml", "app = 'web'\n");
    world.script("nix", NIX);
    let path = world.work();
    world.set("PATH", path);
    world
}

/// Returns name, status and code of each check.
fn findings(checked: &Outcome) -> Vec<(String, String, String)> {
    let lines = checked.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|line| (text(&line["check"]), text(&line["status"]), text(&line["code"]))).collect()
}

fn finding(check: &str, status: &str, code: &str) -> (String, String, String) {
    (check.to_owned(), status.to_owned(), code.to_owned())
}

#[test]
fn what_is_well_is_told_in_a_line_each() {
    let fly = Fly::start();
    let checked = world(&fly).run(&["doctor"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let expected = format!(
        "ok       nix: Nix 2.31.2 builds x86_64-linux here\n\
         ok       token: a user token from `FLY_API_TOKEN` of sandbox@tokens.fly.io, for \
         organization `personal`\n\
         ok       app: `web` of organization `personal` is pending, with 0 machines\n\
         ok       registry: `{}` accepts the token\n",
        fly.address()
    );
    assert_eq!(checked.stdout, expected);
}

#[test]
fn the_first_failure_decides_and_the_others_are_told_too() {
    let fly = Fly::start();
    let mut world = world(&fly);
    world.set("FLY_API_TOKEN", "fo1_wrong");
    let checked = world.run(&["doctor", "--json"]);
    assert_eq!(checked.code, Some(13), "{checked}");
    assert_eq!(
        findings(&checked),
        [
            finding("nix", "ok", ""),
            finding("token", "ok", ""),
            finding("app", "failed", "fly.unauthorized"),
            finding("registry", "failed", "registry.unauthorized"),
        ]
    );
    let (code, message) = checked.error();
    assert_eq!(code, "fly.unauthorized");
    assert!(message.contains("something is wrong: app, registry"), "{message}");
    assert!(!checked.to_string().contains("fo1_wrong"), "{checked}");
}

#[test]
fn without_nix_and_token_both_are_told() {
    let mut world = World::new();
    let nowhere = world.work();
    world.set("PATH", nowhere);
    let checked = world.run(&["doctor", "--app", "web", "--json"]);
    assert_eq!(checked.code, Some(11), "{checked}");
    let expected =
        [finding("nix", "failed", "nix.not-found"), finding("token", "failed", "config.unusable")];
    assert_eq!(findings(&checked), expected);
}

#[test]
fn an_app_that_is_not_there_and_a_registry_that_is_down_are_told() {
    let fly = Fly::start();
    let mut world = world(&fly);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.set("FLY_REGISTRY_HOST", nobody.to_string());
    let checked = world.run(&["doctor", "--app", "other"]);
    assert_eq!(checked.code, Some(13), "{checked}");
    for words in [
        "failed   app: there is no app `other`",
        "snowbird apps create other",
        "failed   registry: cannot reach",
    ] {
        assert!(checked.stdout.contains(words), "`{words}` is missing:\n{checked}");
    }
}

#[test]
fn the_nix_of_this_machine_is_understood() {
    let fly = Fly::start();
    let checked = fly.world().with_nix().run(&["doctor", "--app", "web", "--json"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let first: Value = serde_json::from_str(checked.stdout.lines().next().unwrap()).unwrap();
    assert!(first["message"].as_str().unwrap().starts_with("Nix 2."), "{checked}");
}
