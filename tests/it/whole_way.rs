//! Deploys from the first byte to the last machine, through the program.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::world::Outcome;
use crate::support::{Archive, Fly, Kind, World, skopeo};

const CHECKED: &str = "
app = 'web'
primary_region = 'fra'

[http_service]
internal_port = 8080

[[http_service.checks]]
interval = '10s'
timeout = '2s'
path = '/'
";

fn deploy(world: &World, fly: &Fly, archive: &Archive, kind: Kind) -> Outcome {
    let path = archive.write(world, kind);
    world.run(&["deploy", path.to_str().unwrap(), &fly.flag(), "--json", "--ha=false"])
}

/// Returns image and state of each machine.
fn machines(fly: &Fly) -> Vec<(String, String)> {
    let machines = fly.machines("web").into_iter();
    machines.map(|machine| (machine.config.unwrap().image, machine.state)).collect()
}

/// Returns the image that a deploy printed.
#[track_caller]
fn image(deployed: &Outcome) -> String {
    let result: Value = serde_json::from_str(deployed.line()).unwrap();
    result["image"].as_str().unwrap().to_owned()
}

fn uploads(fly: &Fly) -> usize {
    fly.asked("PUT", "/v2/web/blobs/uploads/").len()
}

#[test]
fn a_sandbox_of_its_own_takes_a_deploy_without_a_token() {
    for kind in [Kind::Gzip, Kind::Script] {
        let world = World::new();
        world.file("fly.toml", CHECKED);
        let path = Archive::new("hello").write(&world, kind);
        let deployed = world.run(&["deploy", path.to_str().unwrap(), "--sandbox"]).ok();
        assert!(deployed.line().contains("/web@sha256:"), "{deployed}");
        assert!(deployed.stderr.contains("2 machines changed"), "{deployed}");
        assert_eq!(world.temporary_files(), Vec::<String>::new());
    }
}

#[test]
fn machines_run_the_digest_that_was_pushed() {
    for kind in Kind::ALL {
        let (fly, world) = (Fly::start(), World::new());
        world.file("fly.toml", CHECKED);
        let archive = Archive::new("hello");
        let deployed = deploy(&world, &fly, &archive, kind).ok();
        assert_eq!(machines(&fly), [(image(&deployed), "started".to_owned())]);
        skopeo::read(&image(&deployed), Some("x:sandbox")).assert_is(&archive);
    }
}

#[test]
fn a_changed_layer_is_all_that_a_second_deploy_sends() {
    for kind in [Kind::Plain, Kind::Gzip, Kind::Script] {
        let (fly, world) = (Fly::start(), World::new());
        world.file("fly.toml", CHECKED);
        let (one, other) = (Archive::new("hello"), Archive::new("good morning"));
        deploy(&world, &fly, &one, kind).ok();
        assert_eq!(uploads(&fly), 4, "three layers and the config");
        let machine = fly.machines("web")[0].id.clone();

        let second = deploy(&world, &fly, &other, kind).ok();
        assert_eq!(uploads(&fly), 6, "{kind:?}: the layer and the config");
        let pushed = &second.events_named("pushed")[0];
        assert_eq!((&pushed["reused"], &pushed["sent"]), (&2.into(), &1.into()));
        assert_eq!(machines(&fly), [(image(&second), "started".to_owned())]);
        assert_eq!(fly.machines("web")[0].id, machine);
        skopeo::read(&image(&second), Some("x:sandbox")).assert_is(&other);

        let version = || fly.machines("web").remove(0).instance_id;
        let (before, versions) = (version(), fly.releases("web").len());
        let third = deploy(&world, &fly, &other, kind).ok();
        assert_eq!(uploads(&fly), 6, "{kind:?}: nothing");
        let result: Value = serde_json::from_str(third.line()).unwrap();
        assert_eq!((&result["changed"], &result["unchanged"]), (&0.into(), &1.into()));
        assert_eq!(version(), before);
        assert_eq!(fly.releases("web").len(), versions);
        assert_eq!(fly.leases("web"), 0);
    }
}

#[test]
fn a_crash_at_start_is_told_with_its_code_and_the_last_words() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", format!("{CHECKED}\n[env]\nSNOWBIRD_SANDBOX = 'crash:3'\n"));
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let begun = Instant::now();
    let failed = world.run(&["deploy", path.to_str().unwrap(), &fly.flag()]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{failed}");
    assert_eq!(failed.code, Some(14), "{failed}");
    assert_eq!(failed.stdout, "");
    let machine = &fly.machines("web")[0].id;
    for words in ["exited with code 3", machine, &format!("  {machine} | "), "hint: "] {
        assert!(failed.stderr.contains(words), "`{words}` is missing: {failed}");
    }
    assert_eq!(fly.leases("web"), 0);
    assert_eq!(fly.releases("web").last().unwrap().status, "failed");
}

#[test]
fn a_machine_that_runs_out_of_memory_is_told_as_that() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", format!("{CHECKED}\n[env]\nSNOWBIRD_SANDBOX = 'oom'\n"));
    let failed = deploy(&world, &fly, &Archive::small("hello"), Kind::Gzip);
    assert_eq!(failed.code, Some(14), "{failed}");
    let error = failed.events_named("error").remove(0);
    assert_eq!(error["code"], "rollout.rolled-back");
    assert!(error["message"].as_str().unwrap().contains("memory"), "{failed}");
    assert!(!failed.events_named("machine_log").is_empty(), "{failed}");
}

#[test]
fn checks_that_never_pass_end_with_the_time_that_was_allowed() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", format!("{CHECKED}\n[env]\nSNOWBIRD_SANDBOX = 'unhealthy'\n"));
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let arguments = ["deploy", path.to_str().unwrap(), &fly.flag(), "--wait-timeout", "2s"];
    let failed = world.run(&arguments);
    assert_eq!(failed.code, Some(14), "{failed}");
    assert!(failed.elapsed < Duration::from_secs(10), "{failed}");
    assert!(failed.stderr.contains("0 of 1 health checks"), "{failed}");
}

#[test]
fn a_lease_of_another_deploy_has_an_exit_code_of_its_own() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", CHECKED);
    deploy(&world, &fly, &Archive::small("hello"), Kind::Gzip).ok();
    let machine = fly.machines("web")[0].id.clone();
    let path = format!("/v1/apps/web/machines/{machine}/lease");
    let headers = ["Authorization: Bearer sandbox", "Content-Length: 0"];
    let answer = crate::support::request::request(fly.address(), "POST", &path, &headers);
    assert_eq!(answer.unwrap().0 / 100, 2);

    let failed = deploy(&world, &fly, &Archive::small("good morning"), Kind::Gzip);
    assert_eq!(failed.code, Some(16), "{failed}");
    assert_eq!(failed.events_named("error")[0]["code"], "rollout.lease-held");
    assert_eq!(fly.leases("web"), 1, "the lease is not ours to let go");
}

#[test]
fn status_shows_machines_and_the_images_that_they_run() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", CHECKED);
    let status = world.run(&["status", &fly.flag()]).ok();
    assert!(status.stdout.contains("no machines"), "{status}");

    let deployed = deploy(&world, &fly, &Archive::small("hello"), Kind::Gzip).ok();
    let machine = &fly.machines("web")[0].id;
    let status = world.run(&["status", &fly.flag()]).ok();
    let image = image(&deployed);
    let digest_from = image.find("sha256:").unwrap() + "sha256:".len();
    let short = format!("{}…", &image[..digest_from + 12]);
    for words in [machine, "started", "fra", "1/1 checks", "v1", &short] {
        assert!(status.stdout.contains(words), "`{words}` is missing: {status}");
    }
    let status = world.run(&["status", &fly.flag(), "--json"]).ok();
    let value: Value = serde_json::from_str(status.line()).unwrap();
    assert_eq!(value["machines"][0]["id"], machine.as_str());
    assert_eq!(value["machines"][0]["image"], image);
    assert_eq!(value["machines"][0]["lease"], Value::Null);
}

#[test]
fn an_image_that_is_in_a_registry_is_deployed_as_it_is() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", CHECKED);
    let pushed = deploy(&world, &fly, &Archive::small("hello"), Kind::Gzip).ok();
    deploy(&world, &fly, &Archive::small("good morning"), Kind::Gzip).ok();
    let sent = uploads(&fly);
    let back = world.run(&["deploy", "--image", &image(&pushed), &fly.flag()]).ok();
    assert_eq!(back.line(), image(&pushed));
    assert_eq!(machines(&fly), [(image(&pushed), "started".to_owned())]);
    assert_eq!(uploads(&fly), sent);
}

#[test]
fn an_image_that_is_named_by_a_tag_is_deployed_by_its_digest() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", CHECKED);
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let flag = fly.flag();
    let pushed = world.run(&["deploy", path.to_str().unwrap(), "--tag", "v1", &flag, "-q"]).ok();
    let tag = format!("{}/web:v1", fly.address());
    let again = world.run(&["deploy", "--image", &tag, &flag]).ok();
    assert_eq!(again.line(), pushed.line());
    assert!(again.stderr.contains("unchanged"), "the tag is of the image that runs: {again}");

    let failed = world.run(&["deploy", "--image", &tag.replace("v1", "v2"), &flag, "--json"]);
    assert_eq!(failed.code, Some(12), "{failed}");
    let (code, message) = failed.error();
    assert_eq!(code, "registry.no-image");
    assert!(message.contains("web:v2"), "{message}");
}
