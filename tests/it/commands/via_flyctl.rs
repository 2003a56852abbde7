//! `snowbird deploy --via flyctl`

use std::fs;

use rustix::process::Signal;

use super::{IMAGE, TWO_GROUPS, deployed, images, result};
use crate::support::{Archive, Fly, Kind, World};

/// Puts a program of that name on PATH that notes how it was called, and then does `more`.
fn stand_in(world: &mut World, name: &str, more: &str) {
    let (bin, work) = (world.work().join("bin"), world.work());
    let note = format!(
        "printf '%s\\n' \"$@\" >>{0}/argv; env >{0}/environment; echo told; {more}",
        work.display()
    );
    world.script(&format!("bin/{name}"), &note);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    world.set("PATH", path);
}

fn noted(world: &World, name: &str) -> String {
    fs::read_to_string(world.work().join(name)).unwrap_or_default()
}

/// A world with an image that was never pushed.
fn world_of(fly: &Fly) -> (World, String) {
    let world = fly.world();
    world.file("fly.toml", TWO_GROUPS);
    let path = Archive::small("hello").write(&world, Kind::Plain);
    (world, path.to_str().unwrap().to_owned())
}

#[test]
fn flyctl_is_given_the_pushed_image_by_a_tag_of_its_own_and_the_token_in_its_environment() {
    let fly = Fly::start();
    for name in ["flyctl", "fly"] {
        let (mut world, path) = world_of(&fly);
        stand_in(&mut world, name, "exit 0");
        world.set("FLY_ACCESS_TOKEN", "sandbox").set("FLY_API_TOKEN", "fo1_another");
        let flags = ["--via", "flyctl", "--strategy", "canary", "-e", "A=1", "--ha=false", "-y"];
        let deployed =
            world.run(&[&["deploy", &*path, "--tag", "v1", "--json"], &flags[..]].concat());
        let result = result(&deployed.ok());
        let image = result["image"].as_str().unwrap();
        assert_eq!(result["via"], "flyctl");

        let argv = noted(&world, "argv");
        let argv: Vec<_> = argv.lines().collect();
        assert_eq!(argv[..2], ["deploy", "--image"]);
        let (repository, tag) = argv[2].rsplit_once(':').unwrap();
        assert_eq!(repository, format!("{}/web", fly.address()));
        assert!(tag.starts_with("deployment-"), "`v1` may come to mean another image: {tag}");
        assert_eq!(fly.manifest_status(tag), 200);
        assert_eq!(image.split_once('@').unwrap().0, repository);
        let rest = [
            "--app",
            "web",
            "--config",
            "fly.toml",
            "--remote-only",
            "--env=A=1",
            "--strategy=canary",
            "--ha=false",
            "--yes=true",
        ];
        assert_eq!(argv[3..], rest);
        let environment = noted(&world, "environment");
        assert!(environment.contains("FLY_API_TOKEN=sandbox\n"), "{environment}");
        assert!(environment.contains("FLY_NO_UPDATE_CHECK=1\n"), "{environment}");
        assert!(!environment.contains("FLY_ACCESS_TOKEN"), "{environment}");
        assert!(!argv.contains(&"sandbox"));
    }
}

#[test]
fn flyctl_is_led_to_the_sandbox_and_what_it_writes_is_no_result() {
    let fly = Fly::start();
    let (mut world, path) = world_of(&fly);
    world.unset("FLY_FLAPS_BASE_URL").unset("FLY_UIEX_BASE_URL").unset("FLY_REGISTRY_HOST");
    stand_in(&mut world, "flyctl", "exit 0");
    let deployed = world.run(&["deploy", &path, "--via", "flyctl", &fly.flag()]).ok();
    assert!(deployed.line().contains("/web@sha256:"), "{deployed}");
    assert!(deployed.stderr.lines().any(|line| line == "told"), "{deployed}");
    let environment = noted(&world, "environment");
    for line in [
        format!("FLY_FLAPS_BASE_URL={}", fly.url()),
        format!("FLY_API_BASE_URL={}", fly.url()),
        format!("FLY_UIEX_BASE_URL={}", fly.url()),
        format!("FLY_REGISTRY_HOST={}", fly.address()),
        "FLY_SEND_METRICS=0".to_owned(),
        "FLY_TRACE_COLLECTOR_URL=127.0.0.1".to_owned(),
    ] {
        assert!(environment.lines().any(|l| l == line), "{line} is missing: {environment}");
    }
}

#[test]
fn machines_that_run_another_image_afterwards_are_named() {
    let (fly, mut world) = deployed();
    stand_in(&mut world, "flyctl", "exit 0");
    let path = Archive::small("hello").write(&world, Kind::Plain);
    let arguments = ["deploy", path.to_str().unwrap(), "--via", "flyctl", &fly.flag(), "--json"];
    let failed = world.run(&arguments);
    assert_eq!(failed.code, Some(13), "{failed}");
    let error = failed.stderr.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["code"], "rollout.other-image");
    for machine in fly.machines("web") {
        let runs = format!("{} runs {IMAGE}", machine.id);
        assert!(error["message"].as_str().unwrap().contains(&runs), "{failed}");
    }
    // Those that it was not about may run what they like.
    world.run(&[&arguments[..], &["--process-group", "none"]].concat()).ok();
    // An image that is there already is looked at, too.
    let given = ["deploy", "--image", IMAGE, "--via", "flyctl", &fly.flag()];
    assert_eq!(world.run(&given).ok().line(), IMAGE);
    assert_eq!(images(&fly, "web"), [IMAGE]);
}

#[test]
fn flyctls_failure_is_ours() {
    let fly = Fly::start();
    let (mut world, path) = world_of(&fly);
    stand_in(&mut world, "flyctl", "echo 'Error: no' >&2; exit 42");
    let failed = world.run(&["deploy", &path, "--via", "flyctl"]);
    assert_eq!(failed.code, Some(42), "{failed}");
    assert!(failed.stderr.contains("Error: no\n"), "{failed}");
    assert!(failed.stderr.contains("ended with exit code 42"), "{failed}");
    assert_eq!(failed.stdout, "");
}

#[test]
fn an_interrupt_is_handed_on_and_flyctl_may_tidy_up() {
    let fly = Fly::start();
    let (mut world, path) = world_of(&fly);
    let work = world.work();
    let more = format!(
        "trap 'echo >{0}/tidied; exit 127' INT; echo >{0}/begun; while :; do sleep 0.05; done",
        work.display()
    );
    stand_in(&mut world, "flyctl", &more);
    let mut run = world.start(&["deploy", &path, "--via", "flyctl"]);
    run.wait_until("flyctl had begun", || work.join("begun").exists());
    run.signal(Signal::TERM);
    let ended = run.wait();
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(work.join("tidied").exists());
}

#[test]
fn every_app_is_handed_over_and_a_configuration_that_is_not_ours_to_read_is_not_read() {
    let fly = Fly::start_with_apps(&["web", "worker"]);
    let (mut world, path) = world_of(&fly);
    world.file("worker.toml", "app = 'worker'\n");
    stand_in(&mut world, "flyctl", "exit 0");
    let via = ["deploy", &*path, "--via", "flyctl"];
    world.run(&[&via[..], &["-c", "fly.toml", "-c", "worker.toml"]].concat()).ok();
    let argv = noted(&world, "argv");
    let apps: Vec<_> = argv.lines().filter(|line| ["web", "worker"].contains(line)).collect();
    assert_eq!(apps, ["web", "worker"]);

    world.file("fly.toml", "app = 'web'\nfrom_the_future = [\n");
    let failed = world.run(&[&via[..], &["--json"]].concat());
    assert!(failed.error().1.contains("hint: name the app with `--app`"), "{failed}");
    world.run(&[&via[..], &["--app", "web"]].concat()).ok();
}

#[test]
fn what_flyctl_cannot_do_for_us_is_refused_before_anything_is_built() {
    let fly = Fly::start();
    let (mut world, path) = world_of(&fly);
    world.set("PATH", world.work());
    for flag in ["--dry-run", "--wait-lease"] {
        let failed = world.run(&["deploy", &path, "--via", "flyctl", flag]);
        assert_eq!(failed.code, Some(2), "{failed}");
    }
    let failed = world.run(&["deploy", &path, "--via", "flyctl", "--json"]);
    assert_eq!(failed.error().0, "rollout.flyctl-not-found", "{failed}");
    assert_eq!(fly.blobs().len(), 0);
}
