//! How refusals are told, and what they say of trying again.

use axum::http::Method;
use serde_json::json;

use super::{Reply, client, create_machine, serve, web};
use crate::error::Explain as _;

#[tokio::test]
async fn each_refusal_of_an_app_is_told_apart() {
    for (status, code) in [
        (401, "fly.unauthorized"),
        (403, "fly.app-forbidden"),
        (404, "fly.app-not-found"),
        (422, "fly.refused"),
    ] {
        let server = serve(move |_, _| (status, json!({"error": "no\u{1b}[2J"}))).await;
        let error = server.client.app(&web()).await.unwrap_err();
        assert_eq!(error.code(), code);
        let text = error.to_string();
        assert!(
            text.contains(&format!(
                "cannot look up app `web`: GET /v1/apps/web answered {status}: no[2J (request ID \
                 01JREQ-fra)"
            )),
            "{text}"
        );
        assert!(!format!("{error:?} {:?}", server.client).contains("hush"));
    }
}

#[tokio::test]
async fn a_dead_port_is_told_within_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let start = std::time::Instant::now();
    let error = client(&address).app(&web()).await.unwrap_err();
    assert_eq!(error.code(), "fly.no-answer");
    assert!(start.elapsed().as_secs() < 3);
}

#[tokio::test]
async fn having_no_room_is_told_at_once_and_by_word_or_text() {
    for (body, no_room) in [
        (json!({"error": "no", "status": "insufficient_capacity"}), true),
        (json!({"error": "could not reserve resource for machine: out of memory"}), true),
        (json!({"message": "deploys to this host are temporarily disabled"}), true),
        (json!({"error": "no", "status": "unknown"}), false),
    ] {
        let status = if no_room { 503 } else { 422 };
        let server = serve(move |_, _| (status, body.clone())).await;
        let error = create_machine(&server).await.unwrap_err();
        assert_eq!(error.is_no_capacity(), no_room, "{error}");
        assert_eq!(server.seen().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn who_has_to_pay_is_told_where() {
    let text = "To create more than 1 machine per app please add a payment method.";
    let server = serve(move |_, _| (422, json!({ "error": text }))).await;
    let hint = create_machine(&server).await.unwrap_err().hint().unwrap().into_owned();
    assert!(hint.contains("billing"), "{hint}");
}

#[tokio::test]
async fn what_is_refused_for_a_moment_is_asked_again_and_the_server_says_when() {
    let server = serve(|_, number| match number {
        1 => Reply::from((429, json!({"error": "slow down"}))).with("retry-after", "1"),
        2 => (503, json!({"error": "away"})).into(),
        _ => (200, json!({"name": "web"})).into(),
    })
    .await;
    let start = std::time::Instant::now();
    // The first request of a client is not patient, so that a wrong address is told soon.
    server.client.app(&web()).await.unwrap_err();
    assert!(start.elapsed().as_millis() >= 1_000);
    assert_eq!(server.client.app(&web()).await.unwrap().name, "web");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_its_target_is_never_asked() {
    let elsewhere = serve(|_, _| (200, json!({"name": "web"}))).await;
    let target = format!("{}/v1/apps/web", elsewhere.base);
    let server = serve(move |_, _| Reply::from((307, json!(null))).with("location", &target)).await;
    let error = server.client.app(&web()).await.unwrap_err();
    assert_eq!(error.status(), Some(307));
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn the_cookie_of_the_machines_api_goes_back_to_it_alone_and_where_it_belongs() {
    let server = serve(|seen, _| {
        if seen.path.starts_with("/v1/apps/web") {
            Reply::from((200, json!({"name": "web", "errors": null})))
                .with("set-cookie", "fly_flaps_affinity=abc; Path=/v1/apps/web")
        } else {
            (200, json!({"name": "api", "releases": [], "data": {}})).into()
        }
    })
    .await;
    let client = &server.client;
    client.app(&web()).await.unwrap();
    client.clone().machines(&web()).await.unwrap_err();
    client.app(&"api".parse().unwrap()).await.unwrap();
    client.releases(&web(), 1).await.unwrap();
    let cookies: Vec<_> = server.seen().iter().map(|s| s.header("cookie").is_some()).collect();
    assert_eq!(cookies, [false, true, false, false]);
    assert_eq!(server.count(&Method::GET), 4);
}
