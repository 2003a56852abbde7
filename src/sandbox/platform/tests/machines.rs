use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{MACHINES, config, kinds};
use crate::sandbox::testing::{World, options};
use crate::sandbox::{Behavior, Options, Pace, Storage};

#[tokio::test]
async fn a_new_machine_starts_and_its_checks_appear_then_pass() {
    let ms = Duration::from_millis;
    let pace = Pace { first_check: ms(300), passing_check: ms(700), ..Pace::every(ms(20)) };
    let world = World::with(Options { pace, ..options() }).await;
    let (id, created) = world.create(json!({"config": config(&json!({}))})).await;
    assert_eq!(created["state"], "created");
    let started = world.reach(&id, "started").await;
    assert_eq!(kinds(&started), ["start", "launch"]);
    let times: Vec<_> =
        started["events"].as_array().unwrap().iter().map(|e| e["timestamp"].as_u64()).collect();
    assert!(times[0] > times[1] && times[1] > Some(1_600_000_000_000));
    assert!(started.get("checks").is_none());
    let mut seen = Vec::new();
    while seen.last().is_none_or(|status| status != "passing") {
        let machine = world.machine(&id).await;
        let status = machine["checks"][0]["status"].as_str().unwrap_or("absent").to_owned();
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    seen.retain(|status| status != "absent");
    assert_eq!(seen, ["critical", "passing"]);
}

#[tokio::test]
async fn an_update_makes_a_new_version_and_passes_through_replacing() {
    let world = World::start().await;
    let (id, created) = world.create(json!({"config": config(&json!({}))})).await;
    world.reach(&id, "started").await;
    let path = format!("{MACHINES}/{id}");
    let changed = config(&json!({"env": {"A": "1"}, "unheard_of": [1]}));
    let (status, updated) =
        world.call(Method::POST, &path, json!({"config": changed.clone()})).await;
    assert_eq!((status, &updated["state"]), (200, &json!("replacing")));
    assert_ne!(updated["instance_id"], created["instance_id"]);
    assert_eq!(updated["version"], updated["instance_id"]);
    let version = updated["instance_id"].as_str().unwrap();
    let (status, told) = world.wait(&id, &format!("version={version}&timeout=5")).await;
    assert_eq!((status, &told["state"]), (200, &json!("started")));
    let machine = world.machine(&id).await;
    assert_eq!(kinds(&machine), ["start", "launch", "exit", "update", "start", "launch"]);
    assert_eq!(machine["events"][2]["request"]["exit_event"]["requested_stop"], true);
    assert_eq!(machine["config"], changed);
    let former = created["instance_id"].as_str().unwrap();
    assert_eq!(world.wait(&id, &format!("version={former}&timeout=5")).await.0, 400);
}

#[tokio::test]
async fn an_update_of_a_version_that_is_no_longer_current_changes_nothing() {
    let world = World::start().await;
    let (id, created) = world.create(json!({"config": config(&json!({}))})).await;
    let path = format!("{MACHINES}/{id}");
    let update =
        |version: &Value| json!({"config": config(&json!({})), "current_version": version});
    assert_eq!(world.call(Method::POST, &path, update(&json!("01ARZ"))).await.0, 409);
    assert_eq!(world.machine(&id).await["instance_id"], created["instance_id"]);
    assert_eq!(world.call(Method::POST, &path, update(&created["instance_id"])).await.0, 200);
}

#[tokio::test]
async fn what_is_not_launched_stays_stopped_until_it_is_started() {
    let world = World::start().await;
    let (id, _) = world.create(json!({"config": config(&json!({})), "skip_launch": true})).await;
    world.reach(&id, "stopped").await;
    let path = format!("{MACHINES}/{id}");
    let update = json!({"config": config(&json!({})), "skip_launch": true});
    assert_eq!(world.call(Method::POST, &path, update).await.0, 200);
    let stopped = world.reach(&id, "stopped").await;
    assert_eq!(kinds(&stopped), ["update", "launch"]);
    let (status, told) = world.call(Method::POST, &format!("{path}/start"), json!({})).await;
    assert_eq!((status, &told["previous_state"]), (200, &json!("stopped")));
    world.reach(&id, "started").await;
    let stop = json!({"id": id, "timeout": "0s"});
    assert_eq!(world.call(Method::POST, &format!("{path}/stop"), stop).await.0, 200);
    let stopped = world.reach(&id, "stopped").await;
    assert_eq!(kinds(&stopped)[..3], ["exit", "stop", "start"]);
}

#[tokio::test]
async fn a_lease_keeps_others_out_until_it_is_over() {
    let world = World::start().await;
    let create = json!({"config": config(&json!({})), "lease_ttl": 30});
    let (id, created) = world.create(create).await;
    let path = format!("{MACHINES}/{id}");
    let lease = format!("{path}/lease");
    let nonce = created["nonce"].as_str().unwrap().to_owned();
    assert_eq!(world.sandbox.leases("web"), 1);
    assert!(world.machine(&id).await.get("nonce").is_none());

    let update = json!({"config": config(&json!({}))});
    let (status, body) = world.call(Method::POST, &path, update).await;
    assert_eq!(status, 409);
    assert!(body["error"].as_str().unwrap().contains("lease currently held by"));
    for (method, action) in [
        (Method::POST, "/stop"),
        (Method::POST, "/cordon"),
        (Method::POST, "/lease"),
        (Method::DELETE, "/lease"),
        (Method::DELETE, "?kill=true"),
    ] {
        let refused = world.with_nonce(method, &format!("{path}{action}"), "other").await;
        assert_eq!(refused.0, 409, "{action}");
    }
    assert_eq!(world.with_nonce(Method::POST, &format!("{path}/cordon"), &nonce).await.0, 200);
    let renewed = world.with_nonce(Method::POST, &format!("{lease}?ttl=1"), &nonce).await;
    assert_eq!((renewed.0, &renewed.1["data"]["nonce"]), (201, &json!(nonce)));
    assert_eq!(renewed.1["status"], "success");

    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(world.sandbox.leases("web"), 0);
    let taken = world.call(Method::POST, &format!("{lease}?ttl=13"), json!({})).await;
    assert_eq!(taken.0, 201);
    let nonce = taken.1["data"]["nonce"].as_str().unwrap();
    let released = world.with_nonce(Method::DELETE, &lease, nonce).await;
    assert_eq!((released.0, &released.1["data"]["ok"]), (200, &json!(true)));
    assert_eq!(world.get(&lease).await.0, 404);
}

#[tokio::test]
async fn waiting_ends_with_a_state_a_timeout_or_a_refusal() {
    let world = World::start().await;
    assert_eq!(world.wait("0123", "state=started").await.0, 404);
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    let (status, told) = world.wait(&id, "state=stopped,failed&state=started&timeout=5").await;
    assert_eq!((status, &told["state"]), (200, &json!("started")));
    let (status, body) = world.wait(&id, "state=stopped&timeout=1").await;
    assert_eq!(status, 408);
    assert!(body["error"].as_str().unwrap().contains("deadline_exceeded"));
    assert_eq!(world.wait(&id, "state=happy").await.0, 400);

    let path = format!("{MACHINES}/{id}");
    assert_eq!(world.call(Method::DELETE, &path, json!({})).await.0, 412);
    let waiting = world.wait(&id, "state=destroyed&timeout=5");
    let destroying = world.call(Method::DELETE, "/v1/apps/web/machines/x?force=true", json!({}));
    assert_eq!(destroying.await.0, 404);
    let forced = format!("{path}?force=true");
    let (waited, destroyed) = tokio::join!(waiting, world.call(Method::DELETE, &forced, json!({})));
    assert_eq!((waited.0, destroyed.0), (200, 200));
    let (status, body) = world.wait(&id, "state=started").await;
    assert_eq!((status, &body["error"]), (404, &json!("machine not found")));
    assert_eq!(world.wait(&id, "state=destroyed").await.0, 200);
    assert_eq!(world.call(Method::DELETE, &forced, json!({})).await.0, 404);
    assert_eq!(kinds(&world.machine(&id).await)[0], "destroy");
    assert_eq!(world.get(MACHINES).await.1, json!([]));
}

#[tokio::test]
async fn a_crash_leaves_exit_events_and_log_lines() {
    let world = World::start().await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let crash = config(&json!({
        "env": {"SNOWBIRD_SANDBOX": "crash:7"},
        "restart": {"policy": "on-failure", "max_retries": 2},
    }));
    let (id, _) = world.create(json!({"config": crash})).await;
    let stopped = world.reach(&id, "stopped").await;
    let exits: Vec<_> = stopped["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["type"] == "exit")
        .map(|event| {
            let exit = &event["request"]["MonitorEvent"]["exit_event"];
            let restarts = event["request"]["restart_count"].as_u64().unwrap();
            (exit["exit_code"].as_i64().unwrap(), exit["restarting"].as_bool().unwrap(), restarts)
        })
        .collect();
    assert_eq!(exits, [(7, false, 2), (7, true, 1), (7, true, 0)]);

    let logs = format!("/api/v1/apps/web/logs?instance={id}");
    let (status, page) = world.get(&logs).await;
    assert_eq!(status, 200);
    let last = page["data"].as_array().unwrap().last().unwrap();
    assert_eq!(last["attributes"]["message"], " INFO Main child exited normally with code: 7");
    let token = page["meta"]["next_token"].as_str().unwrap();
    let (_, rest) = world.get(&format!("{logs}&next_token={token}")).await;
    assert_eq!((&rest["data"], &rest["meta"]["next_token"]), (&json!([]), &json!(token)));
}

#[tokio::test]
async fn checks_that_are_ordered_never_to_pass_stay_critical() {
    let world = World::start().await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    world.reach(&id, "started").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.machine(&id).await["checks"][0]["status"], "critical");
}

#[tokio::test]
async fn a_release_command_ends_destroyed_and_can_still_be_looked_at() {
    let world = World::start().await;
    let once = config(&json!({"auto_destroy": true, "restart": {"policy": "no"}}));
    let (id, _) = world.create(json!({"config": once, "skip_launch": true})).await;
    world.reach(&id, "stopped").await;
    world.call(Method::POST, &format!("{MACHINES}/{id}/start"), json!({})).await;
    let destroyed = world.reach(&id, "destroyed").await;
    assert_eq!(kinds(&destroyed), ["destroy", "exit", "start", "launch"]);
    assert_eq!(destroyed["events"][1]["request"]["exit_event"]["exit_code"], 0);
}

#[tokio::test]
async fn an_image_that_was_never_pushed_fails_the_machine() {
    let world = World::start().await;
    let mut missing = config(&json!({}));
    missing["image"] = "registry.fly.io/web:v1".into();
    let (id, _) = world.create(json!({"config": missing})).await;
    let failed = world.reach(&id, "failed").await;
    let error = failed["events"][0]["request"]["error"].as_str().unwrap();
    assert!(error.contains("manifest unknown"), "{error}");
    assert_eq!(world.wait(&id, "state=started").await.0, 400);
}

#[tokio::test]
async fn metadata_is_changed_beside_the_version() {
    let world = World::start().await;
    let (id, created) = world.create(json!({"config": config(&json!({}))})).await;
    let path = format!("{MACHINES}/{id}/metadata");
    let set = world.call(Method::POST, &format!("{path}/tag"), json!({"value": "blue"})).await;
    assert_eq!(set.0, 204);
    assert_eq!(world.get(&format!("{path}/tag")).await.1["value"], "blue");
    let found = world.get(&format!("{MACHINES}?metadata.tag=blue")).await.1;
    assert_eq!(found[0]["id"], json!(id));
    assert_eq!(world.get(&format!("{MACHINES}?metadata.tag=green")).await.1, json!([]));
    let stale = json!({"metadata": {"tag": "green"}, "machine_version": "01ARZ"});
    assert_eq!(world.call(Method::PATCH, &path, stale).await.0, 412);
    let merge = json!({"metadata": {"tag": null, "n": "1"}});
    assert_eq!(world.call(Method::PUT, &path, merge).await.0, 204);
    assert_eq!(world.get(&path).await.1, json!({"fly_platform_version": "v2", "n": "1"}));
    assert_eq!(world.machine(&id).await["instance_id"], created["instance_id"]);
}

#[tokio::test]
async fn a_machine_on_a_lost_host_is_told_in_part() {
    let world = World::start().await;
    let (id, _) = world.create(json!({"config": config(&json!({}))})).await;
    world.sandbox.set_unreachable("web", &id, true);
    let machine = world.machine(&id).await;
    assert_eq!(machine["host_status"], "unreachable");
    assert!(machine.get("config").is_none());
    assert_eq!(machine["incomplete_config"]["image"], "nginx");
    assert_eq!(world.call(Method::POST, &format!("{MACHINES}/{id}/stop"), json!({})).await.0, 408);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_machine_that_was_made() {
    let world = World::start().await;
    world.sandbox.inject(format!("POST {MACHINES}=lost").parse().unwrap());
    let request = world.platform(Method::POST, MACHINES);
    let body = json!({"config": config(&json!({}))});
    assert!(request.json(&body).send().await.is_err());
    assert_eq!(world.sandbox.machines("web").len(), 1);
}

#[tokio::test]
async fn a_folder_keeps_machines_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        storage: Storage::Folder(folder.path().into()),
        pace: Pace::every(Duration::from_millis(150)),
        ..options()
    };
    let world = World::with(options()).await;
    let (id, created) = world.create(json!({"config": config(&json!({}))})).await;
    world.sandbox.stop().await.unwrap();
    let world = World::with(options()).await;
    let started = world.reach(&id, "started").await;
    assert_eq!(started["instance_id"], created["instance_id"]);
    assert_eq!(started["config"], created["config"]);
}
