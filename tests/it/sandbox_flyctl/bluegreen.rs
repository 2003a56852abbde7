//! Bluegreen: as many new machines as there are, the traffic moved, the old ones destroyed.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use snowbird::sandbox::Behavior;

use super::client::{Flyctl, WAIT, machine_path};
use super::deploy::Deploy;
use super::types::Machine;
use super::{sandbox, served};

const ALLOWED: &str = "query ($appName: String!) { canPerformBluegreenDeployment(name: $appName) }";

async fn blues(flyctl: &Flyctl, count: usize) -> Vec<Machine> {
    flyctl.push("v1").await;
    let image = format!("{}/web:v1", flyctl.registry());
    for _ in 0..count {
        let input = json!({"config": served(&image), "region": "fra"});
        let machine = flyctl.launch(&input).await.unwrap();
        flyctl.wait_for(&machine.id, "started").await.unwrap();
    }
    flyctl.push("v2").await;
    flyctl.managed().await
}

/// A green config, found again by its launch ID.
fn green(launch: &str) -> impl Fn(&str) -> Value {
    move |image: &str| {
        let mut config = served(image);
        config["metadata"]["fly_bluegreen_deployment_tag"] = "1700000000".into();
        config["metadata"]["fly_flyctl_bluegreen_launch_id"] = launch.into();
        config
    }
}

/// Creates a green machine as flyctl does: tried again after a failure that may pass, unless a
/// machine with the launch ID is there.
async fn create(deploy: &Deploy<'_>, launch: &str) -> Machine {
    let mut input = deploy.input(green(launch));
    input["skip_service_registration"] = true.into();
    for _ in 0..3 {
        match deploy.flyctl.launch(&input).await {
            Ok(machine) => return machine,
            Err((status, text)) => {
                assert!(matches!(status, 0 | 408 | 429 | 500..), "{status}: {text}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut known = deploy.flyctl.machines().await.into_iter();
        let made = known.find(|m| m.metadata("fly_flyctl_bluegreen_launch_id") == launch);
        if let Some(machine) = made {
            return machine;
        }
    }
    panic!("no green machine after three attempts");
}

/// Whether the blues report one image, as they must.
fn one_image(blues: &[Machine]) -> bool {
    let mut images: Vec<_> = blues
        .iter()
        .map(|blue| format!("{}:{}", blue.image_ref.repository, blue.image_ref.tag))
        .collect();
    images.dedup();
    images == ["web:v1"]
}

#[tokio::test]
async fn greens_take_over_from_blues() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let blues = blues(&flyctl, 2).await;
    let reference = format!("{}/web:v2", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "BLUEGREEN").await;
    let nonces = flyctl.lease_all(&blues).await;
    let allowed = flyctl.query(ALLOWED, json!({"appName": "web"})).await.unwrap();
    assert_eq!(allowed["canPerformBluegreenDeployment"], true);
    assert!(one_image(&blues) && blues.iter().all(|blue| blue.host_status == "ok"));

    // A create that is answered by 503 was not done; one whose answer is lost was.
    sandbox.inject("POST /v1/apps/web/machines$#1=status:503".parse().unwrap());
    sandbox.inject("POST /v1/apps/web/machines$#3=lost".parse().unwrap());
    let mut greens = Vec::new();
    for launch in ["01A", "01B"] {
        greens.push(create(&deploy, launch).await);
    }
    assert_eq!(flyctl.managed().await.len(), 4, "none is made twice");
    for green in &greens {
        assert!(green.cordoned, "a green gets no traffic yet");
        flyctl.wait_for(&green.id, "started").await.unwrap();
        flyctl.health(&green.id, WAIT).await.unwrap();
        flyctl.order(&green.id, "uncordon", "").await.unwrap();
        assert!(!flyctl.machine(&green.id).await.unwrap().cordoned);
    }
    let tag = json!({"value": "safe_to_destroy"});
    for blue in &blues {
        // The blues are leased, and the nonce is not sent here.
        let path = machine_path(&blue.id, "/metadata/fly_bluegreen_deployment_tag");
        flyctl.send(flyctl.request(Method::POST, &path).json(&tag)).await.unwrap();
        let tagged = flyctl.machine(&blue.id).await.unwrap();
        assert_eq!(tagged.metadata("fly_bluegreen_deployment_tag"), "safe_to_destroy");
        assert_eq!(tagged.instance_id, blue.instance_id, "metadata is no version");
    }
    for (blue, nonce) in blues.iter().zip(&nonces) {
        flyctl.refresh(&blue.id, nonce).await.unwrap();
        flyctl.order(&blue.id, "cordon", nonce).await.unwrap();
        flyctl.stop(&blue.id, nonce).await.unwrap();
        flyctl.wait_for(&blue.id, "stopped").await.unwrap();
        let stopped = flyctl.machine(&blue.id).await.unwrap();
        assert!(stopped.cordoned && stopped.newest_exit().unwrap().0.requested_stop);
        flyctl.destroy(&blue.id, nonce).await.unwrap();
        flyctl.wait_for(&blue.id, "destroyed").await.unwrap();
    }
    deploy.end("complete", "").await;
    let left: Vec<_> = flyctl.managed().await.into_iter().map(|machine| machine.id).collect();
    let mut expected: Vec<_> = greens.into_iter().map(|green| green.id).collect();
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(sandbox.recorded_releases("web")[0].release.strategy, "BLUEGREEN");
}

#[tokio::test]
async fn greens_that_do_not_become_healthy_are_destroyed_and_the_blues_stay() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let blues = blues(&flyctl, 1).await;
    let reference = format!("{}/web:v2", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "BLUEGREEN").await;
    sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let green = create(&deploy, "01C").await;
    flyctl.wait_for(&green.id, "started").await.unwrap();
    let sick = flyctl.health(&green.id, Duration::from_millis(1_500)).await.unwrap_err();
    assert!(sick.contains("(0, 1)") && !sick.contains("(1, 1)"), "{sick}");
    flyctl.destroy(&green.id, "").await.unwrap();
    flyctl.wait_for(&green.id, "destroyed").await.unwrap();
    deploy.end("failed", "could not get all green machines to be healthy").await;
    let left = flyctl.managed().await;
    assert_eq!((left.len(), &left[0].instance_id), (1, &blues[0].instance_id));
    assert!(!left[0].cordoned);
}

#[tokio::test]
async fn an_organization_may_have_reached_its_limit() {
    let sandbox = sandbox().await;
    sandbox.allow_bluegreen("web", false);
    let flyctl = Flyctl::new(&sandbox);
    let told = flyctl.query(ALLOWED, json!({"appName": "web"})).await.unwrap();
    assert_eq!(told["canPerformBluegreenDeployment"], false);
    let unknown = flyctl.query(ALLOWED, json!({"appName": "nobody"})).await.unwrap_err();
    assert_eq!(unknown, "Could not find App");
}

#[tokio::test]
async fn a_blue_on_a_lost_host_is_told_in_part_and_gives_no_lease() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let blues = blues(&flyctl, 2).await;
    sandbox.set_unreachable("web", &blues[0].id, true);
    let lost = flyctl.machine(&blues[0].id).await.unwrap();
    assert!(lost.config.is_none() && lost.host_status == "unreachable");
    assert_eq!(lost.metadata("fly_process_group"), "app", "it is known still");
    assert!(flyctl.managed().await.iter().any(|machine| machine.id == lost.id));
    assert_eq!(flyctl.lease(&lost.id).await.unwrap_err().0, 408);
    // All that is done with it in the end, and that by force.
    flyctl.destroy(&lost.id, "").await.unwrap();
}
