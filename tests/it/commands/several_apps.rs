//! One image for several apps.

use super::{images, result};
use crate::support::{Archive, Fly, Kind, World};

const SERVER: &str = "[http_service]\ninternal_port = 8080\n";

/// A Fly with the apps `web` and `worker`, their configurations, and an image.
fn two_apps() -> (Fly, World, String) {
    let (fly, world) = (Fly::start_with_apps(&["web", "worker"]), World::new());
    world.file("web/fly.toml", format!("app = 'web'\n{SERVER}"));
    world.file("worker.toml", "app = 'worker'\n[env]\nROLE = 'worker'\n");
    let path = Archive::small("hello").write(&world, Kind::Plain);
    (fly, world, path.to_str().unwrap().to_owned())
}

#[test]
fn one_image_is_pushed_once_and_runs_in_both() {
    let (fly, world, path) = two_apps();
    let configs = ["--config", "web", "--config", "worker.toml"];
    let arguments = [
        &["deploy", &*path, "--ha=false", "--smoke-checks=false", &fly.flag(), "--json"],
        &configs[..],
    ];
    let deployed = world.run(&arguments.concat()).ok();
    let result = result(&deployed);
    let image = result["image"].as_str().unwrap().to_owned();
    assert!(image.contains("/web@sha256:"), "{deployed}");
    let told: Vec<_> = result["apps"].as_array().unwrap().iter().map(|app| &app["app"]).collect();
    assert_eq!(told, ["web", "worker"]);
    assert_eq!(deployed.events_named("pushed").len(), 1);
    for app in ["web", "worker"] {
        assert_eq!(images(&fly, app), [&*image]);
    }
    let role = fly.machines("worker")[0].config.as_ref().unwrap().env["ROLE"].clone();
    assert_eq!(role, "worker");
}

#[test]
fn a_sandbox_of_their_own_has_all_of_them() {
    let (_, world, path) = two_apps();
    let configs = ["-c", "web", "-c", "worker.toml"];
    let arguments = [&["deploy", &*path, "--ha=false", "--sandbox", "--json"], &configs[..]];
    let deployed = world.run(&arguments.concat()).ok();
    assert_eq!(result(&deployed)["apps"].as_array().unwrap().len(), 2, "{deployed}");
}

#[test]
fn the_plan_is_of_all_of_them() {
    let (fly, world, path) = two_apps();
    let arguments = ["plan", &path, &fly.flag(), "-c", "web", "-c", "worker.toml"];
    let planned = world.run(&arguments).ok();
    for app in ["web", "worker"] {
        let line = format!("app `{app}`: rolling deploy of an image that is not built yet");
        assert!(planned.stdout.lines().any(|l| l == line), "{planned}");
    }
}

#[test]
fn a_failure_says_which_app_it_is_about_and_how_the_others_stand() {
    let (fly, world, path) = two_apps();
    world.file("worker.toml", "app = 'worker'\n[env]\nSNOWBIRD_SANDBOX = 'crash:3'\n");
    let configs = ["-c", "web", "-c", "worker.toml"];
    let arguments = [&["deploy", &*path, "--ha=false", &fly.flag(), "--json"], &configs[..]];
    let failed = world.run(&arguments.concat());
    assert_eq!(failed.code, Some(14), "{failed}");
    let (code, message) = failed.error();
    assert_eq!(code, "rollout.rolled-back");
    assert!(message.starts_with("app `worker`: "), "{message}");
    assert!(message.contains("exited with code 3") && message.contains("deployed before: `web`"));
    assert_eq!(fly.machines("web").len(), 1);
}

#[test]
fn what_several_configurations_do_not_go_with_is_refused() {
    let (fly, mut world, path) = two_apps();
    let configs = ["-c", "web", "-c", "worker.toml"];
    let refused = |world: &World, flags: &[&str], words: &str| {
        let arguments = [&["deploy", &*path, "--json"], &configs[..], flags].concat();
        let failed = world.run(&arguments);
        assert_eq!(failed.code, Some(2), "{failed}");
        let (code, message) = failed.error();
        assert_eq!(code, "arguments.conflict");
        assert!(message.contains(words), "{message}");
    };
    refused(&world, &["--app", "web", &fly.flag()], "cannot all be of the app `web`");
    world.set("FLY_APP", "web");
    refused(&world, &[&fly.flag()], "`FLY_APP`");
    world.unset("FLY_APP");
    let twice = ["deploy", &path, "-c", "web", "-c", "web", &fly.flag(), "--json"];
    let failed = world.run(&twice);
    assert_eq!(failed.error().0, "config.unusable", "{failed}");
    assert_eq!((fly.blobs().len(), fly.machines("web").len()), (0, 0));
}
