//! `snowbird logs`

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{IMAGE, deployed};

#[test]
fn the_newest_lines_are_shown_of_all_machines_or_of_one() {
    let (fly, world) = deployed();
    let all = world.run(&["logs", &fly.flag()]).ok();
    let machines = fly.machines("web");
    for machine in &machines {
        assert!(all.stdout.contains(&machine.id), "{all}");
    }
    let one = &machines[0].id;
    let lines = world.run(&["logs", "--machine", one, &fly.flag(), "--json"]).ok();
    let lines: Vec<Value> =
        lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert_eq!((&line["machine"], &line["region"]), (&(&**one).into(), &"fra".into()));
        assert!(line["timestamp"].as_str().unwrap().contains('T'));
    }
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("listening")));
}

#[test]
fn new_lines_are_followed_until_an_interrupt_which_is_no_failure() {
    let (fly, world) = deployed();
    let asked = || fly.asked("GET", "/api/v1/apps/web/logs").len();
    let mut following = world.start(&["logs", "--follow", &fly.flag()]);
    following.wait_until("the first lines were asked for", || asked() > 0);
    let other = ["deploy", "--image", IMAGE, "-e", "A=1", &fly.flag(), "-q"];
    world.run(&other).ok();
    let so_far = asked();
    following.wait_until("new lines were asked for", || asked() > so_far + 1);
    following.signal(Signal::INT);
    let ended = following.wait().ok();
    let restarts = ended.stdout.matches("listening").count();
    assert!(restarts >= 4, "two machines have started twice: {ended}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    let mut once = lines.clone();
    once.dedup();
    assert_eq!(lines, once, "no line comes twice");
}

#[test]
fn a_failure_that_passes_does_not_end_following() {
    let (fly, world) = deployed();
    fly.inject("GET /api/v1/apps/web/logs#2=status:502".parse().unwrap());
    let asked = || fly.asked("GET", "/api/v1/apps/web/logs").len();
    let mut following = world.start(&["logs", "-f", &fly.flag(), "--json"]);
    following.wait_until("it went on", || asked() > 2);
    following.signal(Signal::TERM);
    let ended = following.wait().ok();
    assert_eq!(ended.events_named("retrying").len(), 1, "{ended}");
}

#[test]
fn a_token_that_may_not_read_logs_is_told_so() {
    let (fly, world) = deployed();
    fly.inject("GET /api/v1/apps/web/logs=status:401".parse().unwrap());
    let failed = world.run(&["logs", &fly.flag(), "--json"]);
    assert_eq!(failed.code, Some(13), "{failed}");
    assert!(failed.error().1.contains("a deploy token may not read logs"), "{failed}");
    assert!(failed.elapsed < Duration::from_secs(5));
}
