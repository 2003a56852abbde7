//! Deploys that change machines in place: rolling, immediate, canary.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use snowbird::sandbox::{Behavior, Pace, Sandbox};

use super::client::{Flyctl, NONCE, WAIT, machine_path, now_ms};
use super::deploy::Deploy;
use super::types::Machine;
use super::{sandbox, served, worker};

/// Brings up two machines that serve and one stopped worker, all of an earlier image.
async fn earlier(flyctl: &Flyctl) -> Vec<Machine> {
    flyctl.push("v1").await;
    let first = format!("{}/web:v1", flyctl.registry());
    for _ in 0..2 {
        let input = json!({"config": served(&first), "region": "fra", "skip_secrets": false});
        let machine = flyctl.launch(&input).await.unwrap();
        flyctl.wait_for(&machine.id, "started").await.unwrap();
    }
    let input = json!({"config": worker(&first), "region": "fra", "skip_launch": true});
    let stopped = flyctl.launch(&input).await.unwrap();
    assert_eq!(stopped.state, "created");
    flyctl.wait_for(&stopped.id, "stopped").await.unwrap();
    flyctl.push("v2").await;
    flyctl.managed().await
}

fn config_of(machine: &Machine) -> fn(&str) -> Value {
    if machine.metadata("fly_process_group") == "worker" { worker } else { served }
}

#[tokio::test]
async fn a_rolling_deploy_updates_machine_after_machine_under_their_leases() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    assert_eq!((machines.len(), flyctl.app().await.status.as_str()), (3, "deployed"));
    let digest = flyctl.push("v2").await;
    let reference = format!("{}/web:v2", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "ROLLING").await;
    assert_eq!(flyctl.resolve(&reference).await.unwrap().digest, digest);
    let nonces = flyctl.lease_all(&machines).await;
    let begun = now_ms();
    for (machine, nonce) in machines.iter().zip(&nonces) {
        flyctl.refresh(&machine.id, nonce).await.unwrap();
        let config = config_of(machine);
        let refused = flyctl.update(&machine.id, "", &deploy.input(config)).await.unwrap_err();
        assert_eq!(refused.0, 409, "an update without the nonce");
        flyctl.update_and_watch(&deploy, machine, nonce, config).await.unwrap();
    }
    for (machine, nonce) in machines.iter().zip(&nonces) {
        flyctl.release(&machine.id, nonce).await.unwrap();
    }
    deploy.end("complete", "").await;

    assert_eq!(sandbox.leases("web"), 0);
    // A machine that stays stopped is not waited for.
    let settled = sandbox.wait_until(Duration::from_secs(10), |sandbox| {
        sandbox.machines("web").iter().all(|machine| machine.state != "replacing")
    });
    assert!(settled.await);
    for machine in flyctl.managed().await {
        assert_eq!(
            (&machine.image_ref.repository, &machine.image_ref.digest),
            (&"web".to_owned(), &digest)
        );
        assert_eq!(machine.metadata("fly_release_version"), deploy.release.version.to_string());
        let events = &machine.events;
        let expected: &[&str] = match machine.state.as_str() {
            // It was stopped, and is.
            "stopped" => &["update", "launch"],
            _ => &["start", "launch", "exit", "update", "start", "launch"],
        };
        assert_eq!(machine.kinds(), expected);
        assert!(events.is_sorted_by(|newer, older| newer.timestamp >= older.timestamp));
        assert!(events[0].timestamp >= begun && events[0].timestamp <= now_ms());
        assert!(events.iter().all(|event| matches!(event.source.as_str(), "user" | "flyd")));
        assert!(events.iter().all(|event| !event.status.is_empty()));
        if machine.state == "started" {
            let (exit, restarts) = machine.newest_exit().unwrap();
            assert!(exit.requested_stop && !exit.restarting && restarts == 0, "{exit:?}");
        }
    }
    let recorded = sandbox.recorded_releases("web").pop().unwrap();
    assert_eq!(recorded.statuses, ["pending", "running", "complete"]);
    assert_eq!(recorded.metadata["PostDeploymentInfo"]["FlyctlVersion"], "0.4.85");
}

#[tokio::test]
async fn checks_are_absent_then_critical_then_passing_and_uptime_counts_from_the_start() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let deploy = Deploy::begin(&flyctl, &format!("{}/web:v2", flyctl.registry()), "ROLLING").await;
    let machine = machines.iter().find(|machine| machine.state == "started").unwrap();
    let before = machine.started_after_launch().unwrap();
    // Slow enough that nothing is missed.
    sandbox.set_pace(Pace::every(Duration::from_millis(250)));
    let nonce = flyctl.lease(&machine.id).await.unwrap();
    flyctl.update(&machine.id, &nonce, &deploy.input(served)).await.unwrap();
    let replacing = flyctl.machine(&machine.id).await.unwrap();
    assert!(replacing.checks.is_empty(), "{:?}", replacing.checks);
    flyctl.wait_for(&machine.id, "started").await.unwrap();
    let seen = flyctl.health(&machine.id, WAIT).await.unwrap();
    assert_eq!(seen, [(0, 0), (0, 1), (1, 1)]);
    let healthy = flyctl.machine(&machine.id).await.unwrap();
    assert_eq!(healthy.checks[0].name, "servicecheck-00-http-8080");
    assert!(healthy.started_after_launch().unwrap() > before);
}

#[tokio::test]
async fn an_immediate_deploy_updates_all_at_once_and_waits_for_nothing() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let reference = format!("{}/web:v2", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "IMMEDIATE").await;
    let nonces = flyctl.lease_all(&machines).await;
    let updates = machines.iter().zip(&nonces).map(|(machine, nonce)| {
        let mut input = deploy.input(config_of(machine));
        input["skip_launch"] = (machine.state != "started").into();
        let flyctl = &flyctl;
        async move {
            let updated = flyctl.update(&machine.id, nonce, &input).await.unwrap();
            assert_eq!(updated.nonce.as_deref(), Some(nonce.as_str()), "the holder is told");
            flyctl.release(&machine.id, nonce).await.unwrap();
        }
    });
    futures_util::future::join_all(updates).await;
    deploy.end("complete", "").await;
    let images = flyctl.managed().await.into_iter().map(|machine| machine.image_ref.tag);
    assert_eq!(images.collect::<Vec<_>>(), ["v2"; 3]);
}

#[tokio::test]
async fn a_canary_is_watched_and_destroyed_before_anything_is_changed() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let reference = format!("{}/web:v2", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "CANARY").await;
    let canary = |image: &str| {
        let mut config = served(image);
        config["metadata"]["fly_canary"] = "true".into();
        config["dns"] = json!({"skip_registration": true});
        config
    };
    let machine = deploy.spawn(canary).await;
    flyctl.destroy(&machine.id, "").await.unwrap();
    flyctl.wait_for(&machine.id, "destroyed").await.unwrap();
    assert_eq!(flyctl.managed().await.len(), machines.len(), "the canary is in no list");

    sandbox.set_behavior("web", Behavior::CrashAtStart { exit_code: 1, oom_killed: false });
    let mut input = deploy.input(canary);
    input["lease_ttl"] = 300.into();
    input["config"]["restart"] = json!({"policy": "always"});
    let crashing = flyctl.launch(&input).await.unwrap();
    assert_eq!(flyctl.smoke_until_it_fails(&crashing.id).await, "the app appears to be crashing");
    deploy.end("failed", "the app appears to be crashing").await;
    for machine in &machines {
        assert_eq!(flyctl.machine(&machine.id).await.unwrap().instance_id, machine.instance_id);
    }
}

#[tokio::test]
async fn a_machine_that_needs_another_host_is_replaced() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let deploy = Deploy::begin(&flyctl, &format!("{}/web:v2", flyctl.registry()), "ROLLING").await;
    let machine = machines.iter().find(|machine| machine.state == "started").unwrap();
    let nonce = flyctl.lease(&machine.id).await.unwrap();
    sandbox.inject("POST /v1/apps/web/machines/*$=capacity".parse().unwrap());
    let refused = flyctl.update_and_watch(&deploy, machine, &nonce, served).await.unwrap_err();
    assert!(refused.contains("could not reserve resource for machine"), "{refused}");
    let untouched = flyctl.machine(&machine.id).await.unwrap();
    assert_eq!(untouched.instance_id, machine.instance_id);
    flyctl.destroy(&machine.id, &nonce).await.unwrap();
    let replacement = deploy.spawn(served).await;
    assert_ne!(replacement.id, machine.id);
    assert!(replacement.name != machine.name && replacement.private_ip != machine.private_ip);
    assert_eq!((replacement.region.as_str(), replacement.cordoned), ("fra", false));
    humantime::parse_rfc3339(&replacement.created_at).expect("created_at is a time");
    let (status, _) = flyctl.destroy(&machine.id, &nonce).await.unwrap_err();
    assert_eq!(status, 404, "what is gone cannot be destroyed again");
}

#[tokio::test]
async fn leases_end_by_themselves_and_keep_out_all_who_have_another_nonce() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let id = &machines[0].id;
    let short = flyctl.request(Method::POST, &machine_path(id, "/lease?ttl=3"));
    let lease: Value = serde_json::from_str(&flyctl.send(short).await.unwrap()).unwrap();
    let nonce = lease["data"]["nonce"].as_str().unwrap().to_owned();
    for what in ["start", "stop", "suspend", "restart?force_stop=false", "cordon", "uncordon"] {
        for shown in ["", "another"] {
            let (status, text) = flyctl.order(id, what, shown).await.unwrap_err();
            assert!(status == 409 && text.contains("lease currently held by"), "{what}: {text}");
        }
    }
    assert_eq!(flyctl.destroy(id, "another").await.unwrap_err().0, 409);
    flyctl.order(id, "cordon", &nonce).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3_050)).await;
    let late = flyctl.request(Method::DELETE, &machine_path(id, "/lease")).header(NONCE, &nonce);
    assert_eq!(flyctl.send(late).await.unwrap_err().0, 404);
    flyctl.order(id, "uncordon", "").await.unwrap();
    flyctl.lease(id).await.unwrap();
}

#[tokio::test]
async fn waits_block_and_tell_what_they_must() {
    let sandbox: Sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let machines = earlier(&flyctl).await;
    let id = machines.iter().find(|m| m.state == "started").unwrap().id.clone();
    let wait = async |query: &str| {
        let begun = std::time::Instant::now();
        let answer = flyctl.get::<Value>(&machine_path(&id, &format!("/wait?{query}"))).await;
        (answer, begun.elapsed())
    };
    let (reached, took) = wait("state=started&timeout=60").await;
    assert!(reached.is_ok() && took < Duration::from_millis(900), "{took:?}");
    let (late, took) = wait("state=stopped&timeout=1").await;
    assert_eq!(late.unwrap_err().0, 408);
    assert!(took >= Duration::from_millis(990), "{took:?}");
    let (reached, _) = wait("state=stopped&state=failed&state=started").await;
    assert_eq!(reached.unwrap()["state"], "started");
    let (status, text) = flyctl.wait_for("0123456789abcd", "started").await.unwrap_err();
    assert!(status == 404 && text.contains("not found"), "{text}");
    let waiting = flyctl.wait_for(&id, "stopped");
    let (waited, stopped) = tokio::join!(waiting, flyctl.stop(&id, ""));
    assert!(waited.is_ok() && stopped.is_ok());
}
