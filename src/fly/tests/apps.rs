//! Apps that are created once.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Server, serve, web};
use crate::error::Explain as _;
use crate::fly::Error;

fn taken() -> (u16, Value) {
    (422, json!({"error": "Validation failed: Name has already been taken"}))
}

fn found(organization: &str, machines: u64) -> (u16, Value) {
    let organization = json!({ "slug": organization });
    (200, json!({"name": "web", "organization": organization, "machine_count": machines}))
}

async fn create(server: &Server) -> Result<String, Error> {
    let app = server.client.create_app(&web(), "acme").await?;
    Ok(format!("{} of {}", app.name, app.organization.slug))
}

#[tokio::test]
async fn an_app_is_created_under_a_key_and_awaited() {
    let server = serve(|seen, number| match (seen.method.clone(), number) {
        (Method::POST, _) => (201, json!({"id": "app_1", "created_at": 7})),
        (_, 2) => (404, json!({"error": "app not found"})),
        _ => found("acme", 0),
    })
    .await;
    assert_eq!(create(&server).await.unwrap(), "web of acme");
    let seen = server.seen();
    assert_eq!(seen[0].path, "/v1/apps?wait=true");
    assert_eq!((&seen[0].body["name"], &seen[0].body["org_slug"]), (&json!("web"), &json!("acme")));
    let key = seen[0].body["idempotency_key"].as_str().unwrap();
    assert!(key.parse::<ulid::Ulid>().is_ok(), "{key}");
    // What the token is good for does not matter here.
    assert_eq!(server.requests()[1..], ["GET /v1/apps/web", "GET /v1/apps/web"]);
}

#[tokio::test]
async fn a_name_that_is_taken_is_told() {
    let server = serve(|_, _| taken()).await;
    let error = create(&server).await.unwrap_err();
    assert_eq!(error.code(), "fly.app-name-taken");
    assert!(error.to_string().starts_with("there is an app `web` already: "), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_app_whose_creation_was_not_answered_is_known_by_being_new() {
    for (organization, machines, ours) in [("acme", 0, true), ("acme", 2, false), ("b", 0, false)] {
        let server = serve(move |seen, number| match (seen.method.clone(), number) {
            (Method::POST, 1) => (502, json!("bad gateway")),
            (Method::POST, _) => taken(),
            _ => found(organization, machines),
        })
        .await;
        assert_eq!(create(&server).await.is_ok(), ours, "{organization} {machines}");
        let posts = server.seen().into_iter().filter(|seen| seen.method == Method::POST);
        let keys: Vec<_> = posts.collect();
        assert_eq!(keys[0].body, keys[1].body);
    }
}
