//! No token is seen anywhere: not in what is printed, not in a command line.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::docker_registry::{PASSWORD, USER};
use crate::support::world::{Outcome, Running};
use crate::support::{Archive, DockerRegistry, Fly, Kind, World};

/// A token that no other text holds by accident.
const TOKEN: &str = "fo1_Lindwurm-9d3c";

/// How a token is given: by a flag and a file, a variable and a file, a variable, a login.
const WAYS: [&str; 6] = [
    "--token-file",
    "SNOWBIRD_TOKEN_FILE",
    "FLY_ACCESS_TOKEN",
    "FLY_API_TOKEN",
    "FLY_AUTH_TOKEN",
    "config.yml",
];

/// Gives the token to `world`, and returns the flags that go with it.
fn give(world: &mut World, way: &str) -> Vec<String> {
    let file = world.file("token", TOKEN);
    match way {
        "--token-file" => return vec![format!("--token-file={}", file.display())],
        "SNOWBIRD_TOKEN_FILE" => {
            world.set(way, file);
        }
        "config.yml" => {
            world.file("../home/.fly/config.yml", format!("access_token: {TOKEN}\n"));
        }
        variable => {
            world.set(variable, TOKEN);
        }
    }
    Vec::new()
}

/// Watches the command lines of a run until it ends.
fn watched(mut run: Running) -> (Outcome, BTreeSet<String>) {
    let mut lines = BTreeSet::new();
    while !run.has_ended() {
        lines.extend(run.command_lines());
        thread::sleep(Duration::from_millis(2));
    }
    (run.wait(), lines)
}

/// Runs, and searches all that can be seen for the secret in each of its forms.
#[track_caller]
fn keeps(world: &World, arguments: &[String], secret: &str, user: &str) -> Outcome {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (outcome, lines) = watched(world.start(&arguments));
    assert!(lines.iter().any(|line| line.contains("snowbird")), "{lines:?}");
    let pair = STANDARD.encode(format!("{user}:{secret}"));
    for form in [secret, &STANDARD.encode(secret), &pair] {
        let seen = lines.iter().any(|line| line.contains(form));
        assert!(!seen, "a command line shows the secret: {lines:?}");
        let printed = [&outcome.stdout, &outcome.stderr].iter().any(|text| text.contains(form));
        assert!(!printed, "the output shows the secret: {outcome}");
    }
    outcome
}

/// Pushes and deploys with a token given in `way` to a Fly that accepts it, or does not.
fn push_and_deploy(way: &str, accepted: &str) {
    let fly = Fly::start_with(accepted);
    let mut world = fly.world();
    world.unset("FLY_API_TOKEN").set("SNOWBIRD_LOG", "trace");
    let flags = give(&mut world, way);
    world.file("fly.toml", "app = 'web'\n");
    // A stream: a process of ours that could have been given too much.
    let script = Archive::small("hello").write(&world, Kind::Script);
    let good = accepted == TOKEN;
    for (command, refused) in [("push", 12), ("deploy", 13)] {
        for json in [false, true] {
            let mut arguments = vec![command.to_owned(), script.display().to_string()];
            arguments.extend(flags.clone());
            arguments.extend(json.then(|| "--json".to_owned()));
            let outcome = keeps(&world, &arguments, TOKEN, "x");
            let expected = if good { 0 } else { refused };
            assert_eq!(outcome.code, Some(expected), "{way}: {outcome}");
            assert!(outcome.stderr.contains("DEBUG"), "the log is on: {outcome}");
        }
    }
}

#[test]
fn a_token_that_is_accepted_is_seen_nowhere_however_it_was_given() {
    for way in WAYS {
        push_and_deploy(way, TOKEN);
    }
}

#[test]
fn a_token_that_is_refused_is_seen_nowhere_however_it_was_given() {
    for way in WAYS {
        push_and_deploy(way, "fo1_another");
    }
}

#[test]
fn a_token_that_cannot_be_one_is_not_shown_in_the_error() {
    let fly = Fly::start();
    let mut world = fly.world();
    world.set("SNOWBIRD_LOG", "trace");
    world.file("fly.toml", "app = 'web'\n");
    let path = Archive::small("hello").write(&world, Kind::Plain).display().to_string();
    let secret = "Lind\u{7}wurm 9d3c";
    world.set("FLY_API_TOKEN", secret);
    let outcome = keeps(&world, &["push".to_owned(), path.clone()], "wurm 9d3c", "x");
    assert_ne!(outcome.code, Some(0), "{outcome}");

    world.unset("FLY_API_TOKEN");
    world.file("../home/.fly/config.yml", "access_token: [Lindwurm-9d3c\n");
    let outcome = keeps(&world, &["push".to_owned(), path], "Lindwurm-9d3c", "x");
    assert_eq!(outcome.code, Some(10), "{outcome}");
}

#[test]
fn the_password_of_a_registry_is_seen_nowhere() {
    let (registry, mut world) = (DockerRegistry::start_with_accounts(), World::new());
    world.set("SNOWBIRD_LOG", "trace");
    let path = Archive::small("hello").write(&world, Kind::Script).display().to_string();
    let to = format!("{}/web", registry.address());
    for (password, code) in [(PASSWORD, 0), ("closed sesame", 12)] {
        let file = world.file("password", password).display().to_string();
        let arguments = ["push", &path, "--to", &to, "--username", USER, "--password-file", &file];
        let arguments = arguments.map(str::to_owned);
        let outcome = keeps(&world, &arguments, password, USER);
        assert_eq!(outcome.code, Some(code), "{outcome}");
    }
}

#[test]
fn a_stream_script_is_not_given_the_token() {
    let fly = Fly::start_with(TOKEN);
    for way in ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN"] {
        let mut world = fly.world();
        world.unset("FLY_API_TOKEN");
        give(&mut world, way);
        let archive = Archive::small("hello").write(&world, Kind::Plain);
        let seen = world.work().join("environment");
        let lines = format!("env > {}; cat {}", seen.display(), archive.display());
        let script = world.script("script", &lines);
        world.run(&["push", script.to_str().unwrap(), "--app", "web"]).ok();
        let environment = std::fs::read_to_string(seen).unwrap();
        assert!(environment.contains("PATH="), "{environment}");
        assert!(!environment.contains(TOKEN), "{way}: {environment}");
    }
}
