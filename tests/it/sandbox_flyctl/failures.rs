//! What flyctl is told when something is wrong: tokens, images, crashes, outages.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use snowbird::sandbox::{Behavior, Grant, Options, Pace, Scope};

use super::client::{Flyctl, machine_path};
use super::deploy::Deploy;
use super::types::Machine;
use super::{TOKEN, sandbox, sandbox_with, served};

#[tokio::test]
async fn an_image_that_is_not_known_is_null_and_a_machine_with_it_fails() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    let reference = format!("{}/web:never", flyctl.registry());
    assert!(flyctl.resolve(&reference).await.is_none());
    let input = json!({"config": served(&reference)});
    let machine = flyctl.launch(&input).await.unwrap();
    let path = machine_path(&machine.id, "/wait?state=failed&timeout=5");
    flyctl.get::<Value>(&path).await.unwrap();
    let path = machine_path(&machine.id, "/wait?state=started&timeout=5");
    let (status, text) = flyctl.get::<Value>(&path).await.unwrap_err();
    assert!(status == 400 && text.contains("machine failed to reach desired state"), "{text}");
    let foreign = flyctl.resolve("ghcr.io/acme/web:v1").await.unwrap();
    assert_eq!(foreign.reference, "ghcr.io/acme/web:v1");
}

#[tokio::test]
async fn a_crash_loop_is_seen_by_the_smoke_check_and_ends_stopped() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    sandbox.set_behavior("web", Behavior::CrashAtStart { exit_code: 137, oom_killed: true });
    let mut config = served("nginx");
    config["restart"] = json!({"policy": "on-failure", "max_retries": 4});
    // Slow enough that the third and fourth exits are seen.
    sandbox.set_pace(Pace::every(Duration::from_millis(200)));
    let machine = flyctl.launch(&json!({"config": config})).await.unwrap();
    assert_eq!(flyctl.smoke_until_it_fails(&machine.id).await, "the app appears to be crashing");
    flyctl.wait_for(&machine.id, "stopped").await.unwrap();
    let stopped: Machine = flyctl.machine(&machine.id).await.unwrap();
    let exits = stopped.events.iter().filter(|event| event.kind == "exit");
    let told: Vec<_> = exits
        .map(|event| {
            let request = event.request.as_ref().unwrap();
            let exit = request.exit_event.as_ref().unwrap();
            assert!(exit.oom_killed && !exit.requested_stop && request.monitor_event.is_some());
            assert_eq!(request.exit_code(), 137);
            (exit.restarting, request.restart_count)
        })
        .collect();
    assert_eq!(told, [(false, 4), (true, 3), (true, 2), (true, 1), (true, 0)]);
    assert_eq!(stopped.started_after_launch(), None);
}

#[tokio::test]
async fn tokens_are_shown_by_three_words_and_wrong_ones_are_refused() {
    let grant = Grant { token: "fm2_deploy".into(), scope: Scope::App("web".into()) };
    let sandbox = sandbox_with(Options { grants: vec![grant], ..Options::default() }).await;
    let deploy = Flyctl::with_token(&sandbox, "fm2_deploy");
    assert_eq!(deploy.app().await.organization.slug, "acme");
    let organization = deploy.get::<Value>("/api/v1/organizations/acme").await;
    assert!(organization.is_ok(), "Bearer, even for a macaroon: {organization:?}");
    // flyctl warns and goes on.
    assert_eq!(deploy.get::<Value>("/api/v1/apps/web/logs").await.unwrap_err().0, 401);
    let wrong = Flyctl::with_token(&sandbox, "fo1_wrong");
    let (status, text) = wrong.get::<Value>("/v1/apps/web").await.unwrap_err();
    assert_eq!((status, text.as_str()), (401, "Authenticate: token validation error"));
    let (status, _) = deploy.get::<Value>("/v1/apps/nobody").await.unwrap_err();
    assert_eq!(status, 404);
}

/// Returns the location and the ticket of a macaroon's third-party caveat.
fn third_party(macaroon: &str) -> (String, Vec<u8>) {
    let bytes = STANDARD.decode(macaroon.strip_prefix("fm2_").unwrap()).unwrap();
    let value = rmpv::decode::read_value(&mut &bytes[..]).unwrap();
    let caveats = value.as_array().unwrap()[2].as_array().unwrap();
    let at = caveats.iter().step_by(2).position(|kind| kind.as_u64() == Some(11)).unwrap();
    let body = caveats[2 * at + 1].as_array().unwrap();
    (body[0].as_str().unwrap().to_owned(), body[2].as_slice().unwrap().to_vec())
}

#[tokio::test]
async fn a_token_that_needs_a_discharge_deploys_once_it_has_one() {
    let options = Options { require_discharge: true, ..Options::default() };
    let sandbox = sandbox_with(options).await;
    Flyctl::with_token(&sandbox, TOKEN).push("v1").await;
    let scope = Scope::Organization("acme".into());
    let macaroon = sandbox.mint_macaroon(&scope, Duration::from_secs(3600)).unwrap();
    let bare = Flyctl::with_token(&sandbox, &macaroon);
    assert_eq!(bare.get::<Value>("/v1/apps/web").await.unwrap_err().0, 401);

    let (location, ticket) = third_party(&macaroon);
    assert_eq!(location, sandbox.url());
    let discharge = bare.discharge(&location, &ticket).await;
    let flyctl = Flyctl::with_token(&sandbox, &format!("{macaroon},{discharge}"));
    let reference = format!("{}/web:v1", flyctl.registry());
    let deploy = Deploy::begin(&flyctl, &reference, "ROLLING").await;
    deploy.spawn(served).await;
    deploy.end("complete", "").await;
}

#[tokio::test]
async fn an_outage_is_503_for_as_long_as_it_lasts() {
    let sandbox = sandbox().await;
    let flyctl = Flyctl::new(&sandbox);
    sandbox.inject("* /v1 for:0.3s=status:503".parse().unwrap());
    assert_eq!(flyctl.get::<Value>("/v1/apps/web").await.unwrap_err().0, 503);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(flyctl.app().await.name, "web");
    sandbox.inject("GET /v1/apps/web#*=reset".parse().unwrap());
    let (status, _) = flyctl.get::<Value>("/v1/apps/web").await.unwrap_err();
    assert_eq!(status, 0, "the connection broke");
}
