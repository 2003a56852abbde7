//! What is told of a token that the platform refuses, and what is asked beforehand.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{Server, serve, web};
use crate::error::Explain as _;
use crate::event::Silent;
use crate::fly::token::minting::{apps, mint, organization, valid};
use crate::fly::wire::{App, Organization};
use crate::fly::{Client, Endpoints, Error, Token, TokenSource};
use crate::http::{Clients, Retry};

const UNTIL: u64 = 4_000_000_000;

fn deploy_token() -> String {
    let caveats = [organization(5, 31), apps(&[8]), valid(1, UNTIL)].concat();
    mint(b"key", "https://api.fly.io/v1", caveats)
}

/// A Fly that refuses everything with `status`, and says this of the token.
async fn refusing(status: u16, tokens: Value) -> Server {
    serve(move |seen, _| match seen.path.as_str() {
        "/v1/tokens/current" if !tokens.is_null() => (200, json!({ "tokens": tokens })),
        _ => (status, json!({"error": "no"})),
    })
    .await
}

fn client_of(server: &Server, token: &str, variable: &str) -> Client {
    let source = TokenSource::Variable(variable.to_owned());
    let (token, _) = Token::found(token, source, SystemTime::now()).unwrap();
    let endpoints = Endpoints::new(&server.base, &server.base, &server.base).unwrap();
    let retry = Retry::new(std::sync::Arc::new(Silent));
    Client::new(Clients::new(None).unwrap(), endpoints, token, retry)
}

#[tokio::test]
async fn a_deploy_token_of_another_app_is_told_for_what_it_is() {
    let told = json!([{"org_slug": "acme", "apps": ["other"], "user": null}]);
    let server = refusing(404, told).await;
    let client = client_of(&server, &deploy_token(), "FLY_API_TOKEN");
    let error = client.app(&web()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no app `web` that the Fly token can see: cannot look up app `web`: GET \
         /v1/apps/web answered 404: no (request ID 01JREQ-fra); the token is a deploy token from \
         `FLY_API_TOKEN`, for app `other` of organization `acme`, good until 2096-10-02T07:06:40Z"
    );
    assert_eq!(
        error.hint().unwrap(),
        "that token sees no other app: make one for this app with `fly tokens create deploy -a \
         web`"
    );
    assert!(!format!("{error:?}").contains("fm2_"));
}

#[tokio::test]
async fn a_token_that_the_platform_says_nothing_of_is_told_by_what_it_says_itself() {
    let over = mint(b"key", "https://api.fly.io/v1", valid(1, 1_000_000_000).to_vec());
    let server = refusing(401, Value::Null).await;
    let error = client_of(&server, &over, "FLY_ACCESS_TOKEN").app(&web()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(
            "; the token is a macaroon from `FLY_ACCESS_TOKEN`, which ran out at 2001-09-09T01:46:40Z"
        ),
        "{text}"
    );
    assert_eq!(error.code(), "fly.unauthorized");
}

#[tokio::test]
async fn whose_token_it_is_and_what_that_person_sees_is_told_shortly() {
    let token = |slug: &str| json!({"org_slug": slug, "user": "me@example.com", "apps": []});
    let slugs = ["a", "b", "c", "d", "e", "f", "a"];
    let server = refusing(403, slugs.iter().map(|slug| token(slug)).collect()).await;
    let error = client_of(&server, "fo1_hush", "FLY_API_TOKEN").app(&web()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(
            "; the token is a user token from `FLY_API_TOKEN` of me@example.com, for organizations \
             `a`, `b`, `c`, `d`, `e` and 1 more"
        ),
        "{text}"
    );
    assert_eq!(error.code(), "fly.app-forbidden");
}

fn app() -> App {
    let organization = Organization { slug: "acme".into(), ..Organization::default() };
    App { name: "web".into(), organization, ..App::default() }
}

#[tokio::test]
async fn whether_a_token_may_push_is_asked_with_the_token_itself() {
    let server = serve(|_, _| (200, json!({"access": {}, "verified_token": {}}))).await;
    let token = deploy_token();
    server.client_with(&token).check_access(&app()).await.unwrap();
    let seen = server.seen();
    assert_eq!(server.requests(), ["POST /v1/tokens/authorize"]);
    assert_eq!(
        seen[0].body,
        json!({
            "header": format!("FlyV1 {token}"),
            "access": {"org_slug": "acme", "app_name": "web", "app_feature": "images",
                "action": "rw"},
        })
    );
}

#[tokio::test]
async fn only_a_clear_no_stops_a_push() {
    for (status, text, stopped) in [
        (400, "unauthorized for action: w", true),
        (403, "Not authorized", true),
        (400, "unknown field app_feature", false),
        (401, "unauthorized", false),
        (404, "not found", false),
        (405, "method not allowed", false),
        (500, "unauthorized", false),
    ] {
        let server = serve(move |seen, _| match seen.path.as_str() {
            "/v1/tokens/authorize" => (status, json!({ "error": text })),
            _ => (404, json!({"error": "not found"})),
        })
        .await;
        let checked = server.client_with(&deploy_token()).check_access(&app()).await;
        match checked {
            Err(error @ Error::PushForbidden { .. }) if stopped => {
                assert!(error.hint().unwrap().contains("fly tokens create deploy -a web"));
                assert!(error.to_string().contains("the token is a deploy token"), "{error}");
            }
            other => assert!(other.is_ok() && !stopped, "{status} {text}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn of_users_tokens_nothing_is_asked() {
    let server = refusing(400, Value::Null).await;
    server.client_with("fo1_me").check_access(&app()).await.unwrap();
    assert_eq!(server.requests(), Vec::<String>::new());
}
