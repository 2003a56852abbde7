//! `snowbird releases`

use super::{deploy, deployed, result};
use crate::support::{Fly, World};

#[test]
fn releases_are_listed_newest_first_with_what_each_brought() {
    let (fly, world) = deployed();
    let two = deploy(&fly, &world, "two").line().to_owned();
    let failing = ["deploy", "--image", &two, "-e", "SNOWBIRD_SANDBOX=crash", &fly.flag(), "-q"];
    assert_eq!(world.run(&failing).code, Some(14));

    let listed = world.run(&["releases", &fly.flag()]).ok();
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    let digest = &two[two.find("sha256:").unwrap()..][..7 + 12];
    for (line, words) in [
        (lines[0], ["v3", "failed", digest]),
        (lines[1], ["v2", "complete", digest]),
        (lines[2], ["v1", "complete", "sha256:111111111111…"]),
    ] {
        for word in words.iter().chain(&["T", "@tokens.fly.io"]) {
            assert!(line.contains(word), "`{word}` is missing: {listed}");
        }
    }

    let newest = result(&world.run(&["releases", "--limit=1", &fly.flag(), "--json"]).ok());
    assert_eq!(newest["app"], "web");
    assert_eq!(newest["releases"].as_array().unwrap().len(), 1);
    let release = &newest["releases"][0];
    assert_eq!((&release["version"], &release["status"]), (&3.into(), &"failed".into()));
    assert_eq!((&release["image"], &release["strategy"]), (&(&*two).into(), &"rolling".into()));
}

#[test]
fn an_app_that_was_never_deployed_to_has_none() {
    let (fly, world) = (Fly::start(), World::new());
    let listed = world.run(&["releases", "--app", "web", &fly.flag()]).ok();
    assert!(listed.line().contains("no releases"), "{listed}");
    let failed = world.run(&["releases", "--app", "nobody", &fly.flag(), "--json"]);
    assert_eq!(failed.error().0, "fly.app-not-found", "{failed}");
}
