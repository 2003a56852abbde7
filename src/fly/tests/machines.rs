//! Changes of machines, each done once.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Seen, serve, web};
use crate::fly::Error;
use crate::fly::wire::{LeaseNonce, MachineConfig, UpdateMachine};

fn update() -> UpdateMachine {
    UpdateMachine {
        config: MachineConfig { image: "new".into(), ..MachineConfig::default() },
        current_version: Some("V1".into()),
        ..UpdateMachine::default()
    }
}

fn machine(version: &str, image: &str) -> Value {
    json!({"id": "e1", "instance_id": version, "config": {"image": image}})
}

#[tokio::test]
async fn an_update_that_was_done_but_not_answered_is_seen_to_be_done() {
    let server = serve(|seen, _| match seen.method {
        Method::POST => (502, json!("bad gateway")),
        _ => (200, machine("V2", "new")),
    })
    .await;
    let nonce = LeaseNonce("n0".into());
    let update = update();
    let updated = server.client.update_machine(&web(), "e1", Some(&nonce), &update).await.unwrap();
    assert_eq!(updated.version(), "V2");
    assert_eq!(server.count(&Method::POST), 1);
    let seen = server.seen();
    assert_eq!(seen[0].header("fly-machine-lease-nonce"), Some("n0"));
    assert_eq!(seen[0].body["current_version"], "V1");
}

#[tokio::test]
async fn an_update_that_was_surely_not_done_is_asked_for_again() {
    let server = serve(|seen, number| match (seen.method.clone(), number) {
        (Method::POST, 1..=5) => (502, json!("bad gateway")),
        (Method::POST, _) => (200, machine("V2", "new")),
        _ => (200, machine("V1", "old")),
    })
    .await;
    let updated = server.client.update_machine(&web(), "e1", None, &update()).await.unwrap();
    assert_eq!(updated.version(), "V2");
    assert_eq!(server.count(&Method::POST), 4);
}

#[tokio::test]
async fn an_update_that_is_still_being_done_is_awaited() {
    // The first request is cut off while the host works on it; until it is done, the machine
    // shows its old version and another update is refused.
    let server = serve(|seen, number| match (seen.method.clone(), number) {
        (Method::POST, 1) => (504, json!("gateway timeout")),
        (Method::POST, _) => (409, json!({"error": "machine is being replaced"})),
        (_, ..=6) => (200, machine("V1", "old")),
        _ => (200, machine("V2", "new")),
    })
    .await;
    let updated = server.client.update_machine(&web(), "e1", None, &update()).await.unwrap();
    assert_eq!(updated.version(), "V2");
}

#[tokio::test]
async fn an_update_of_a_machine_that_somebody_else_changed_is_refused() {
    for status in [409, 502] {
        let server = serve(move |seen, _| match seen.method {
            Method::POST => (status, json!({"error": "current_version is not current"})),
            _ => (200, machine("V2", "theirs")),
        })
        .await;
        let error = server.client.update_machine(&web(), "e1", None, &update()).await.unwrap_err();
        assert_eq!(matches!(error, Error::Changed { .. }), status == 409, "{error:?}");
        assert_eq!(server.count(&Method::POST), 1);
    }
}

#[tokio::test]
async fn an_update_without_the_lease_says_who_holds_it() {
    let server = serve(|seen, _| match seen.method {
        Method::POST => (409, json!({"error": "lease currently held by me@example.com"})),
        _ => (200, machine("V1", "old")),
    })
    .await;
    let error = server.client.update_machine(&web(), "e1", None, &update()).await.unwrap_err();
    assert!(matches!(error, Error::LeaseHeld { .. }), "{error:?}");
}

#[tokio::test]
async fn waiting_names_all_states_and_a_timeout_is_no_error() {
    let server = serve(|_, _| (408, json!({"error": "deadline"}))).await;
    let within = Duration::from_secs(500);
    let states = ["started", "failed"];
    let reached = server.client.wait_machine(&web(), "e1", &states, Some("V1"), within).await;
    assert_eq!(reached.unwrap(), None);
    assert_eq!(
        server.requests(),
        ["GET /v1/apps/web/machines/e1/wait?state=started&state=failed&timeout=60&version=V1"]
    );
}

#[tokio::test]
async fn orders_are_repeated_until_they_are_answered_and_show_the_lease() {
    let server = serve(|_, number| match number % 2 {
        1 => (503, json!({"error": "away"})),
        _ => (200, json!({"ok": true})),
    })
    .await;
    let (client, app, nonce) = (&server.client, web(), LeaseNonce("n0".into()));
    client.start_machine(&app, "e1", Some(&nonce)).await.unwrap();
    client.stop_machine(&app, "e1", Some(&nonce), Some("SIGINT")).await.unwrap();
    client.cordon_machine(&app, "e1", Some(&nonce)).await.unwrap();
    client.uncordon_machine(&app, "e1", Some(&nonce)).await.unwrap();
    client.set_machine_metadata(&app, "e1", "fly_key", "new").await.unwrap();
    client.destroy_machine(&app, "e1", Some(&nonce)).await.unwrap();
    let seen: Vec<Seen> = server.seen().into_iter().step_by(2).collect();
    let told: Vec<_> = seen.iter().map(|seen| (seen.path.as_str(), &seen.body)).collect();
    let null = Value::Null;
    assert_eq!(
        told,
        [
            ("/v1/apps/web/machines/e1/start", &null),
            ("/v1/apps/web/machines/e1/stop", &json!({"signal": "SIGINT", "timeout": "0s"})),
            ("/v1/apps/web/machines/e1/cordon", &null),
            ("/v1/apps/web/machines/e1/uncordon", &null),
            ("/v1/apps/web/machines/e1/metadata/fly_key", &json!({"value": "new"})),
            ("/v1/apps/web/machines/e1?force=true&kill=true", &null),
        ]
    );
    let nonces = seen.iter().filter(|seen| seen.header("fly-machine-lease-nonce").is_some());
    assert_eq!(nonces.count(), 5);
}

#[tokio::test]
async fn an_order_to_a_machine_that_is_gone_says_so() {
    let server = serve(|_, _| (404, json!({"error": "machine not found"}))).await;
    let error = server.client.stop_machine(&web(), "e1", None, None).await.unwrap_err();
    assert!(matches!(error, Error::MachineNotFound { .. }), "{error:?}");
    server.client.destroy_machine(&web(), "e1", None).await.unwrap();
}

const TTL: Duration = Duration::from_secs(13);

#[tokio::test]
async fn a_lease_says_what_it_is_for() {
    let server = serve(|_, _| (201, json!({"status": "success", "data": {"nonce": "n1"}}))).await;
    let nonce = LeaseNonce("n1".into());
    let lease = server.client.lease_machine(&web(), "e1", TTL, Some(&nonce), "a deploy").await;
    assert_eq!(lease.unwrap().nonce, Some(nonce));
    let seen = server.seen();
    assert_eq!(seen[0].path, "/v1/apps/web/machines/e1/lease?ttl=13");
    assert_eq!(seen[0].body, json!({"description": "a deploy", "ttl": 13}));
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_waited_for_and_taken_again() {
    let server = serve(|seen, number| match (seen.method.clone(), number) {
        (Method::POST, 1) => (502, json!("bad gateway")),
        (Method::POST, 2..=4) => (409, json!({"error": "lease currently held by me"})),
        (Method::POST, _) => (201, json!({"status": "success", "data": {"nonce": "n2"}})),
        _ => (200, json!({"status": "success", "data": {"description": "mine"}})),
    })
    .await;
    let lease = server.client.lease_machine(&web(), "e1", TTL, None, "mine").await.unwrap();
    assert_eq!(lease.nonce, Some(LeaseNonce("n2".into())));
}

#[tokio::test]
async fn a_lease_that_another_holds_is_refused_at_once() {
    for first in [502, 409] {
        let server = serve(move |seen, number| match (seen.method.clone(), number) {
            (Method::POST, 1) => (first, json!({"error": "lease currently held by you"})),
            (Method::POST, _) => (409, json!({"error": "lease currently held by you"})),
            _ => (200, json!({"status": "success", "data": {"description": "yours"}})),
        })
        .await;
        let lease = server.client.lease_machine(&web(), "e1", TTL, None, "mine").await;
        assert!(matches!(lease, Err(Error::LeaseHeld { .. })), "{lease:?}");
    }
}
