//! `snowbird plan` and `deploy --dry-run`.

use std::process::Command;

use serde_json::{Value, json};

use super::{IMAGE, QUICKLY, TWO_GROUPS, deployed, result};
use crate::support::{Archive, Fly, Kind, World};

/// Plans with `flags` and returns the plan of the one app.
#[track_caller]
fn plan(fly: &Fly, world: &World, flags: &[&str]) -> Value {
    let to = fly.flag();
    result(&world.run(&[&["plan", &*to, "--json"], flags].concat()).ok())["apps"][0].take()
}

#[test]
fn a_plan_says_of_each_machine_what_would_differ_and_changes_nothing() {
    let (fly, world) = deployed();
    let before = fly.requests().len();
    let other = IMAGE.replace('1', "2");
    let arguments = ["plan", "--image", &other, "-e", "GREETING=ciao", &fly.flag()];
    let planned = world.run(&arguments).ok();
    let lines: Vec<_> = planned.stdout.lines().collect();
    assert_eq!(lines[0], format!("app `web`: rolling deploy of {other}"), "{planned}");
    for machine in fly.machines("web") {
        let group = &machine.config.as_ref().unwrap().metadata["fly_process_group"];
        let line = format!("~ machine {} [{group}] in fra is updated", machine.id);
        let place = lines.iter().position(|l| *l == line).expect(&line);
        let differences = [
            "    env.GREETING: \"hello\" -> \"ciao\"".to_owned(),
            format!("    image: \"{IMAGE}\" -> \"{other}\""),
        ];
        assert_eq!(lines[place + 1..place + 3], differences, "{planned}");
    }
    let dry = world.run(&[&["deploy", "--dry-run"], &arguments[1..]].concat()).ok();
    assert_eq!(dry.stdout, planned.stdout);
    let asked = fly.requests().split_off(before);
    assert!(asked.iter().all(|request| request.method == "GET"), "{asked:?}");
    assert_eq!(super::images(&fly, "web"), [IMAGE]);
}

#[test]
fn programs_get_the_plan_and_each_difference() {
    let (fly, world) = deployed();
    let planned = plan(&fly, &world, &["--image", IMAGE, "-e", "GREETING=ciao"]);
    assert_eq!((&planned["app"], &planned["image"]), (&json!("web"), &json!(IMAGE)));
    assert_eq!(planned["strategy"], "rolling");
    let machine = fly.machines("web")[0].id.clone();
    let difference = json!([{"path": "/env/GREETING", "from": "hello", "to": "ciao"}]);
    assert_eq!(planned["differences"]["changes"][machine], difference);
    assert_eq!(planned["plan"]["changes"]["app"][0]["change"], "update");
}

#[test]
fn the_exit_code_tells_whether_something_would_change_if_that_is_asked_for() {
    let (fly, world) = deployed();
    // A standby or a check may still be on its way.
    let settled = || fly.machines("web").iter().all(|machine| machine.state == "started");
    assert!(settled());
    for (flags, code) in [
        (&["--image", IMAGE, "--exit-code"][..], 0),
        (&["--image", IMAGE], 0),
        (&["--image", IMAGE, "-e", "A=1"], 0),
        (&["--image", IMAGE, "-e", "A=1", "--exit-code"], 20),
    ] {
        let planned = world.run(&[&["plan", &*fly.flag()], flags].concat());
        assert_eq!(planned.code, Some(code), "{planned}");
    }
    let nothing = world.run(&["plan", "--image", IMAGE, &fly.flag()]).ok();
    assert_eq!(nothing.line(), format!("app `web` runs {IMAGE} already: 2 machines unchanged"));
}

#[test]
fn a_first_deploy_is_planned_with_all_that_it_makes() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", TWO_GROUPS);
    let planned = world.run(&["plan", "--image", IMAGE, &fly.flag()]).ok();
    for line in [
        "+ an address (v6)",
        "+ an address (shared_v4)",
        "+ a machine [app] is created in fra, and a second one",
        "+ a machine [cron] is created in fra, and a standby for it",
        "    services[0].internal_port: 8080",
        "    init.cmd[0]: \"crond\"",
    ] {
        assert!(planned.stdout.lines().any(|l| l == line), "`{line}` is missing: {planned}");
    }
    assert!(fly.machines("web").is_empty());
}

#[test]
fn flags_for_new_machines_reach_the_plan() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", TWO_GROUPS);
    let plan = |flags: &[&str]| plan(&fly, &world, &[&["--image", IMAGE], flags].concat());
    let planned = plan(&["--ha=false", "--no-public-ips", "--primary-region", "ams"]);
    let creates = planned["plan"]["creates"].as_array().unwrap();
    assert_eq!(creates.len(), 2);
    for create in creates {
        assert_eq!((&create["spare"], &create["region"]), (&Value::Null, &json!("ams")));
        assert_eq!(create["config"]["env"]["PRIMARY_REGION"], "ams");
    }
    assert_eq!(planned["plan"]["addresses"], json!([]));
    assert_eq!(plan(&["--flycast"])["plan"]["addresses"], json!(["private_v6"]));
    assert_eq!(plan(&["--update-only"])["plan"]["creates"], json!([]));
    let one = plan(&["--process-groups", "cron"]);
    assert_eq!(one["plan"]["creates"][0]["group"], "cron");
    assert_eq!(one["plan"]["creates"].as_array().unwrap().len(), 1);
}

#[test]
fn flags_for_machines_that_are_there_reach_the_plan() {
    let (fly, world) = deployed();
    let other = IMAGE.replace('1', "2");
    let machines = fly.machines("web");
    let changed = |flags: &[&str]| -> Vec<String> {
        let planned = plan(&fly, &world, &[&["--image", &*other], flags].concat());
        planned["differences"]["changes"].as_object().unwrap().keys().cloned().collect()
    };
    let mut all: Vec<_> = machines.iter().map(|machine| machine.id.clone()).collect();
    all.sort();
    assert_eq!(changed(&[]), all);
    assert_eq!(changed(&["--only-machines", &all[0]]), [all[0].clone()]);
    assert_eq!(changed(&["--exclude-machines", &all[0]]), [all[1].clone()]);
    assert_eq!(changed(&["--regions", "fra,ams"]), all);
    let canary = plan(&fly, &world, &["--image", &other, "--strategy", "canary"]);
    assert_eq!(canary["strategy"], "canary");
    assert_eq!(canary["plan"]["canaries"].as_array().unwrap().len(), 2);
    let nobody = world.run(&["plan", "--image", &other, "--region=syd", &fly.flag(), "--json"]);
    assert_eq!(nobody.error().0, "rollout.nothing-in-scope", "{nobody}");
}

#[test]
fn sizes_and_files_reach_the_plan() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", "app = 'web'\n");
    world.file("motd", "hello");
    let flags = ["--vm-size=shared-cpu-2x", "--vm-memory=1gb", "--file-local=/etc/motd=motd"];
    let planned = plan(&fly, &world, &[&["--image", IMAGE], &flags[..]].concat());
    let config = &planned["plan"]["creates"][0]["config"];
    assert_eq!(
        (&config["guest"]["cpus"], &config["guest"]["memory_mb"]),
        (&json!(2), &json!(1024))
    );
    assert_eq!(config["files"][0]["raw_value"], "aGVsbG8=");
    for wrong in ["--vm-memory=much", "--file-local=/etc/motd=nothing-here"] {
        let failed = world.run(&["plan", "--image", IMAGE, wrong, &fly.flag(), "--json"]);
        assert_eq!(failed.code, Some(10), "{failed}");
        let flag = wrong.split_once('=').unwrap().0;
        assert!(failed.error().1.contains(flag), "{failed}");
    }
}

#[test]
fn without_fly_toml_the_configuration_of_the_last_release_is_taken() {
    let (fly, world) = deployed();
    std::fs::remove_file(world.work().join("fly.toml")).unwrap();
    let arguments = ["plan", "--app", "web", "--image", IMAGE, &fly.flag()];
    let planned = world.run(&arguments).ok();
    assert!(planned.stdout.contains("2 machines unchanged"), "{planned}");
    assert!(planned.stderr.contains("the configuration of the last release of `web` is taken"));
    let other = world.run(&[&["deploy", "-e", "GREETING=ciao", "-q"], &arguments[1..]].concat());
    assert_eq!(other.ok().line(), IMAGE);
    for machine in fly.machines("web") {
        assert_eq!(machine.config.unwrap().env["GREETING"], "ciao");
    }

    let fresh = Fly::start();
    let failed = world.run(&["deploy", "--app", "web", "--image", IMAGE, &fresh.flag(), "--json"]);
    let (code, message) = failed.error();
    assert_eq!((code.as_str(), failed.code), ("config.unusable", Some(10)));
    assert!(message.contains("no release of `web` to take one from"), "{message}");
    let failed = world.run(&["deploy", "--image", IMAGE, &fly.flag(), "--json"]);
    assert!(failed.error().1.contains("there is no fly.toml here"), "{failed}");
}

#[test]
fn an_image_that_is_not_in_the_registry_is_told_as_not_built_yet() {
    let (fly, world) = deployed();
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let planned = world.run(&["plan", path.to_str().unwrap(), &fly.flag(), "--exit-code"]);
    assert_eq!(planned.code, Some(20), "{planned}");
    assert!(planned.stdout.contains("rolling deploy of an image that is not built yet"));
    assert!(planned.stdout.contains(&format!("image: \"{IMAGE}\" -> \"not built yet\"")));
    assert_eq!(fly.blobs().len(), 0);
    // What a deploy would refuse is refused.
    world.file("notes", "no image");
    let failed = world.run(&["plan", "./notes", &fly.flag(), "--json"]);
    assert_eq!(failed.error().0, "source.not-an-image", "{failed}");
}

#[test]
fn an_image_that_was_pushed_is_known_by_its_store_path() {
    let (fly, world) = (Fly::start(), World::new().with_nix());
    world.file("fly.toml", TWO_GROUPS);
    let archive = Archive::small("hello").write(&world, Kind::Plain);
    let added = Command::new("nix-store").arg("--add").arg(&archive).output().unwrap();
    assert!(added.status.success(), "these tests need `nix-store`: {added:?}");
    let path = String::from_utf8(added.stdout).unwrap().trim().to_owned();

    let image = |flags: &[&str]| plan(&fly, &world, &[&[&*path], flags].concat())["image"].take();
    assert_eq!(image(&[]), Value::Null);
    let pushed = world.run(&[&["deploy", &*path, &*fly.flag()], QUICKLY].concat()).ok();
    assert_eq!(image(&[]), pushed.line());
    assert_eq!(image(&["--rebuild"]), Value::Null, "it would be read again");
}
