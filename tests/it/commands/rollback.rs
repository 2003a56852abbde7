//! `snowbird rollback`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snowbird::event::{Reporter, Silent};
use snowbird::fly::config::AppConfig;
use snowbird::fly::wire::Machine;
use snowbird::fly::{Client, Endpoints, Token};
use snowbird::http::{Clients, Retry};
use snowbird::rollout::{self, Request, Settings, Target};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{QUICKLY, TWO_GROUPS, deploy, images, result};
use crate::support::fly::TOKEN;
use crate::support::world::Outcome;
use crate::support::{Archive, Fly, Kind, World};

/// A Fly in which three images were deployed one after the other, and their references.
fn three_releases() -> (Fly, World, [String; 3]) {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", TWO_GROUPS);
    let images = ["one", "two", "three"].map(|text| deploy(&fly, &world, text).line().to_owned());
    (fly, world, images)
}

#[track_caller]
fn rollback(fly: &Fly, world: &World, arguments: &[&str]) -> Outcome {
    let to = fly.flag();
    world.run(&[&["rollback", &*to, "--smoke-checks=false", "--json"], arguments].concat())
}

/// Deploys an image by its tag, as flyctl does.
fn deploy_by_tag(fly: &Fly, image: &str) {
    let (config, _) = AppConfig::parse(TWO_GROUPS, Path::new("fly.toml")).unwrap();
    let mut settings = Settings::of(&config);
    settings.patience.without_checks = Duration::ZERO;
    let (url, reporter) = (fly.url(), Arc::new(Silent) as Arc<dyn Reporter>);
    let client = Client::new(
        Clients::new(None).unwrap(),
        Endpoints::new(&url, &url, &url).unwrap(),
        Token::parse(TOKEN).unwrap(),
        Retry::new(Arc::clone(&reporter)),
    );
    let request = Request {
        app: "web".parse().unwrap(),
        target: Target::Config(Box::new(config)),
        image: image.to_owned(),
        settings,
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let deployed = rollout::run(&client, request, reporter, CancellationToken::new());
    runtime.block_on(deployed).unwrap();
}

fn without_image(machine: &Machine) -> serde_json::Value {
    let mut config = machine.config.clone().unwrap();
    config.image.clear();
    config.metadata.retain(|key, _| !key.starts_with("fly_release_"));
    serde_json::to_value(config).unwrap()
}

#[test]
fn the_release_before_comes_back_and_nothing_but_the_image_changes() {
    let (fly, world, [_, two, _]) = three_releases();
    let before: Vec<_> = fly.machines("web").iter().map(without_image).collect();
    // What fly.toml says by now is for the next deploy.
    world.file("fly.toml", TWO_GROUPS.replace("hello", "ciao"));
    let back = rollback(&fly, &world, &[]).ok();
    let result = result(&back);
    assert_eq!((&result["image"], &result["back_to"]), (&(&*two).into(), &2.into()));
    assert_eq!((&result["version"], &result["changed"]), (&4.into(), &2.into()));
    assert_eq!(images(&fly, "web"), [two]);
    let after: Vec<_> = fly.machines("web").iter().map(without_image).collect();
    assert_eq!(after, before);
    let newest = fly.releases("web").pop().unwrap();
    assert_eq!((newest.version, newest.status.as_str()), (4, "complete"));
    assert_eq!(fly.leases("web"), 0);
}

#[test]
fn a_release_that_is_named_comes_back_and_then_there_is_nothing_to_do() {
    let (fly, world, [one, ..]) = three_releases();
    let text = world.run(&["rollback", "v1", &fly.flag()]).ok();
    assert_eq!(text.line(), one);
    assert!(text.stderr.contains("app `web` goes back to v1"), "{text}");
    assert_eq!(images(&fly, "web"), [&*one]);

    let releases = fly.releases("web").len();
    let again = result(&rollback(&fly, &world, &["1"]).ok());
    assert_eq!((&again["changed"], &again["unchanged"]), (&0.into(), &2.into()));
    assert_eq!(fly.releases("web").len(), releases);
}

#[test]
fn an_image_is_known_by_all_its_names_and_deployed_by_its_digest() {
    let (fly, world, [_, two, three]) = three_releases();
    let path = Archive::small("two").write(&world, Kind::Plain);
    let to = format!("{}/web:stable", fly.address());
    let token = world.file("token", "sandbox");
    let arguments = ["push", path.to_str().unwrap(), "--to", &to, "--username", "x"];
    let password = ["--password-file", token.to_str().unwrap(), "-q"];
    world.run(&[&arguments[..], &password].concat()).ok();
    deploy_by_tag(&fly, &to);
    assert_eq!(fly.releases("web").pop().unwrap().image_ref, to);
    // v2 is the same image by another name.
    let back = result(&rollback(&fly, &world, &[]).ok());
    assert_eq!((&back["back_to"], &back["image"]), (&3.into(), &(&*three).into()));
    let back = result(&rollback(&fly, &world, &["v4"]).ok());
    assert_eq!(back["image"], *two, "the tag is resolved");
    let back = result(&rollback(&fly, &world, &["--dry-run"]).ok());
    assert_eq!(back["apps"][0]["image"], *three, "neither v5's tag nor v2's digest is another");
}

#[test]
fn after_a_deploy_that_was_left_half_way_the_last_good_release_comes_back() {
    let (fly, world, [.., three]) = three_releases();
    let crash = ["-e", "SNOWBIRD_SANDBOX=crash", "--no-rollback", &fly.flag(), "-q"];
    let path = Archive::small("four").write(&world, Kind::Plain);
    let failed = world.run(&[&["deploy", path.to_str().unwrap()], &crash[..]].concat());
    assert_eq!(failed.code, Some(15), "{failed}");
    assert_ne!(images(&fly, "web"), [&*three]);
    // The image alone does not help who crashes by order.
    let back = rollback(&fly, &world, &["--detach"]).ok();
    assert_eq!(result(&back)["back_to"], 3, "{back}");
    assert_eq!(images(&fly, "web"), [three]);
}

#[test]
fn a_failed_release_comes_back_only_by_its_name_and_with_a_warning() {
    let (fly, world, [one, ..]) = three_releases();
    let crash = ["deploy", "--image", &one, "-e", "SNOWBIRD_SANDBOX=crash", &fly.flag(), "-q"];
    assert_eq!(world.run(&crash).code, Some(14));
    let named = rollback(&fly, &world, &["v4", "--dry-run"]).ok();
    let warning = &named.events_named("warning")[0];
    assert_eq!(warning["code"], "rollout.release-not-complete", "{named}");
    let back = rollback(&fly, &world, &["--dry-run"]).ok();
    assert_eq!(back.events_named("warning").len(), 0);
    let planned = result(&back);
    assert!(planned["changes"].as_bool().unwrap());
    assert_eq!(fly.releases("web").len(), 4, "a dry run records nothing");
}

#[test]
fn what_cannot_come_back_is_told() {
    let (fly, world, [one, ..]) = three_releases();
    let fails = |arguments: &[&str], code: &str, words: &str| {
        let failed = rollback(&fly, &world, arguments);
        assert_eq!(failed.code, Some(13), "{failed}");
        let (said, message) = failed.error();
        assert_eq!(said, code, "{failed}");
        assert!(message.contains(words), "{message}");
    };
    fails(&["9"], "rollout.no-such-release", "no release v9, the newest is v3");
    let digest = one.split_once('@').unwrap().1;
    let path = format!("/v2/web/manifests/{digest}");
    fly.inject(format!("GET {path}=status:404").parse().unwrap());
    fails(&["v1"], "rollout.image-gone", "has the image of release v1 of `web` no more");

    let failed = world.run(&["rollback", "v9x", &fly.flag()]);
    assert_eq!(failed.code, Some(2), "{failed}");
    let (empty, world) = (Fly::start(), World::new());
    let failed = world.run(&["rollback", "--app", "web", &empty.flag(), "--json"]);
    assert_eq!(failed.error().0, "rollout.nothing-runs", "{failed}");
    world.file("fly.toml", TWO_GROUPS);
    deploy(&empty, &world, "one");
    let failed = rollback(&empty, &world, &[]);
    assert_eq!(failed.error().0, "rollout.no-earlier-release", "{failed}");
}

#[test]
fn an_image_in_the_repository_of_another_app_need_not_be_seen() {
    let (fly, world) = (Fly::start_with_apps(&["web", "worker"]), World::new());
    world.file("fly.toml", "app = 'web'\n");
    world.file("worker.toml", "app = 'worker'\n");
    let both = ["-c", "fly.toml", "-c", "worker.toml"];
    let images = ["one", "two"].map(|text| {
        let path = Archive::small(text).write(&world, Kind::Plain);
        let to = fly.flag();
        let arguments = ["deploy", path.to_str().unwrap(), &to];
        world.run(&[&arguments[..], &both, QUICKLY].concat()).ok().line().to_owned()
    });
    let digest = images[0].split_once('@').unwrap().1;
    fly.inject(format!("GET /v2/web/manifests/{digest}=status:403").parse().unwrap());
    let back = rollback(&fly, &world, &["--app", "worker"]).ok();
    assert_eq!(result(&back)["image"], images[0]);
    assert_eq!(super::images(&fly, "worker"), [&*images[0]]);
    assert_eq!(super::images(&fly, "web"), [&*images[1]]);
}

#[test]
fn only_the_machines_that_are_meant_go_back() {
    let (fly, world, [_, two, three]) = three_releases();
    rollback(&fly, &world, &["--process-group", "cron"]).ok();
    for machine in fly.machines("web") {
        let config = machine.config.unwrap();
        let expected = if config.metadata["fly_process_group"] == "cron" { &two } else { &three };
        assert_eq!(config.image, *expected);
    }
}
