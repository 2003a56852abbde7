use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{MACHINES, config, kinds};
use crate::sandbox::testing::{World, options};
use crate::sandbox::{Behavior, Options, Pace};

/// The config of a command that runs once, in a group of its own.
fn command(group: &str, env: &Value) -> Value {
    config(&json!({
        "restart": {"policy": "no"},
        "auto_destroy": true,
        "env": env,
        "metadata": {"fly_platform_version": "v2", "fly_process_group": group},
    }))
}

fn exit_code(machine: &Value) -> i64 {
    let events = machine["events"].as_array().unwrap();
    let exit = events.iter().find(|event| event["type"] == "exit").unwrap();
    exit["request"]["exit_event"]["exit_code"].as_i64().unwrap()
}

#[tokio::test]
async fn commands_that_run_once_fare_by_variables_of_their_own() {
    let world = World::start().await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let env = json!({
        "SNOWBIRD_SANDBOX": "crash:9",
        "SNOWBIRD_SANDBOX_RELEASE": "exit:3",
        "SNOWBIRD_SANDBOX_TEST": "exit:4",
    });
    for (group, expected) in [("fly_app_release_command", 3), ("fly_app_test_machine_command", 4)] {
        let create = json!({"config": command(group, &env), "skip_launch": true});
        let (id, _) = world.create(create).await;
        world.reach(&id, "stopped").await;
        world.call(Method::POST, &format!("{MACHINES}/{id}/start"), json!({})).await;
        let destroyed = world.reach(&id, "destroyed").await;
        assert_eq!(exit_code(&destroyed), expected, "{group}");
        assert_eq!(kinds(&destroyed), ["destroy", "exit", "start", "launch"]);
        assert_eq!(world.get(MACHINES).await.1, json!([]));
        let all = world.get(&format!("{MACHINES}?include_deleted=true")).await.1;
        assert!(all.as_array().unwrap().iter().any(|machine| machine["id"] == json!(id)));
    }
    let plain = json!({"config": command("fly_app_release_command", &json!({}))});
    let (id, _) = world.create(plain).await;
    assert_eq!(exit_code(&world.reach(&id, "destroyed").await), 0);
    let group = "fly_app_release_command";
    world.sandbox.set_group_behavior("web", group, Behavior::Exit { code: 5, after: None });
    let (id, _) = world.create(json!({"config": command(group, &json!({}))})).await;
    assert_eq!(exit_code(&world.reach(&id, "destroyed").await), 5);
}

#[tokio::test]
async fn what_is_no_behavior_is_refused_with_those_that_are() {
    let world = World::start().await;
    let wrong = config(&json!({"env": {"SNOWBIRD_SANDBOX": "on fire"}}));
    let (status, body) = world.call(Method::POST, MACHINES, json!({"config": wrong})).await;
    assert_eq!(status, 400);
    let text = body["error"].as_str().unwrap();
    assert!(text.contains("SNOWBIRD_SANDBOX=on fire") && text.contains("`flapping`"), "{text}");
}

#[tokio::test]
async fn a_machine_runs_well_and_crashes_later() {
    let world = World::start().await;
    let later = config(&json!({
        "env": {"SNOWBIRD_SANDBOX": "crash-later:1"},
        "restart": {"policy": "on-failure", "max_retries": 1},
    }));
    let (id, _) = world.create(json!({"config": later})).await;
    world.reach(&id, "started").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.machine(&id).await["checks"][0]["status"], "passing");
    let stopped = world.reach(&id, "stopped").await;
    assert_eq!(kinds(&stopped), ["exit", "start", "exit", "start", "launch"]);
    let first = &stopped["events"][2]["request"];
    assert_eq!(
        (&first["exit_event"]["restarting"], &first["restart_count"]),
        (&json!(true), &json!(0))
    );
}

#[tokio::test]
async fn a_process_that_is_ended_is_started_again_as_its_policy_says() {
    let world = World::start().await;
    let always = config(&json!({"restart": {"policy": "always"}}));
    let (id, _) = world.create(json!({"config": always})).await;
    world.reach(&id, "started").await;
    assert!(world.sandbox.exit_machine("web", &id, 0));
    let machine = world.machine(&id).await;
    assert_eq!(machine["events"][0]["request"]["exit_event"]["restarting"], true);
    world.reach(&id, "started").await;
    assert!(!world.sandbox.exit_machine("web", "e0", 0));
}

#[tokio::test]
async fn machines_that_cannot_start_fail_or_stay_where_they_are() {
    let world = World::start().await;
    let of = |word: &str| json!({"config": config(&json!({"env": {"SNOWBIRD_SANDBOX": word}}))});
    let (failed, _) = world.create(of("unpullable")).await;
    let machine = world.reach(&failed, "failed").await;
    assert!(machine["events"][0]["request"]["error"].as_str().unwrap().contains("nginx"));
    let (stuck, _) = world.create(of("stuck")).await;
    let (status, _) = world.wait(&stuck, "state=started&timeout=1").await;
    assert_eq!((status, &world.machine(&stuck).await["state"]), (408, &json!("starting")));
}

#[tokio::test]
async fn checks_flap_and_sockets_are_told_by_behavior() {
    let pace = Pace::every(Duration::from_millis(40));
    let world = World::with(Options { pace, ..options() }).await;
    let services = json!({"services": [{"internal_port": 8080, "protocol": "tcp"}]});
    let (id, _) = world.create(json!({"config": config(&services)})).await;
    world.reach(&id, "started").await;
    let sockets = async || {
        let (_, processes) = world.get(&format!("{MACHINES}/{id}/ps")).await;
        processes[0]["listen_sockets"].clone()
    };
    assert_eq!(sockets().await, json!([{"proto": "tcp", "address": "0.0.0.0:8080"}]));
    world.sandbox.set_machine_behavior("web", &id, Behavior::ListensOnLoopback);
    assert_eq!(sockets().await, json!([{"proto": "tcp", "address": "127.0.0.1:8080"}]));
    world.sandbox.set_machine_behavior("web", &id, Behavior::ChecksFlap);
    let mut turns = Vec::new();
    while turns.len() < 4 {
        let status = world.machine(&id).await["checks"][0]["status"].clone();
        if turns.last() != Some(&status) {
            turns.push(status);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(turns.contains(&json!("passing")) && turns.contains(&json!("critical")));
}

#[tokio::test]
async fn a_wait_may_be_for_what_comes_after_an_event_and_for_any_lasting_state() {
    let world = World::start().await;
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    let (_, settled) = world.wait(&id, "state=settled&timeout=5").await;
    assert_eq!(settled["state"], "started");
    let event = settled["event_id"].as_str().unwrap();
    let after = format!("state=started&from_event_id={event}");
    assert_eq!(world.wait(&id, &format!("{after}&timeout=1")).await.0, 408);
    let path = format!("{MACHINES}/{id}");
    let update = json!({"config": config(&json!({}))});
    let longer = format!("{after}&timeout=5");
    let (waited, updated) = tokio::join!(world.wait(&id, &longer), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.call(Method::POST, &path, update).await
    });
    assert_eq!((waited.0, &waited.1["version"]), (200, &updated.1["instance_id"]));
    assert_ne!(waited.1["event_id"], settled["event_id"]);
    assert_eq!(world.wait(&id, "version=01ARZ&timeout=1").await.0, 404);
}

#[tokio::test]
async fn a_suspended_machine_passes_through_suspending_and_starts_again() {
    let world = World::start().await;
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    world.reach(&id, "started").await;
    world.sandbox.set_pace(Pace::every(Duration::from_millis(600)));
    let path = format!("{MACHINES}/{id}");
    assert_eq!(world.call(Method::POST, &format!("{path}/suspend"), json!({})).await.0, 200);
    assert_eq!(world.machine(&id).await["state"], "suspending");
    world.reach(&id, "suspended").await;
    let (_, told) = world.call(Method::POST, &format!("{path}/start"), json!({})).await;
    assert_eq!(told["previous_state"], "suspended");
    for (body, expected) in [
        (json!({"id": id, "signal": "SIGTERM", "timeout": "0s"}), 200),
        (json!({"id": "another", "timeout": "0s"}), 400),
        (json!({"signal": "SIGNAL"}), 400),
        (json!({"timeout": 5}), 400),
    ] {
        let stop = world.call(Method::POST, &format!("{path}/stop"), body.clone()).await;
        assert_eq!(stop.0, expected, "{body}");
    }
}
