//! Tokens, as the registry of a token server wants them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Credentials, Error, Registry, Transport};
use crate::event::{Event, Recorder, Reporter, Silent};
use crate::http::{Clients, Secret};

/// What the token server was asked for, and what it says of each token's life.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<Mutex<Vec<String>>>,
    address: Arc<Mutex<String>>,
    expires_in: u64,
}

impl Server {
    /// Serves until what is returned second is dropped.
    async fn start(expires_in: u64) -> (Self, JoinSet<()>, Registry) {
        Self::start_with(expires_in, Arc::new(Silent)).await
    }

    async fn start_with(
        expires_in: u64,
        reporter: Arc<dyn Reporter>,
    ) -> (Self, JoinSet<()>, Registry) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self { expires_in, ..Self::default() };
        server.address.lock().unwrap().clone_from(&address);
        let routes = Router::new()
            .route("/token", get(token))
            .route("/v2/{repository}/manifests/{reference}", get(manifest))
            .with_state(server.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let registry = Registry::new(
            address.parse().unwrap(),
            Transport::PlainHttp,
            Some(Credentials { username: "me".to_owned(), password: Secret::new("secret").into() }),
            "app".parse().unwrap(),
            Clients::new(None).unwrap(),
            reporter,
        );
        (server, tasks, registry.unwrap())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn token(
    State(server): State<Server>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if headers.get("authorization").is_none_or(|value| value != "Basic bWU6c2VjcmV0") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut asked = server.asked.lock().unwrap();
    asked.push(query.unwrap_or_default().replace("%3A", ":").replace("%2C", ","));
    let (number, expires_in) = (asked.len(), server.expires_in);
    serde_json::json!({ "token": format!("t{number}"), "expires_in": expires_in })
        .to_string()
        .into_response()
}

/// Takes the newest token alone.
async fn manifest(State(server): State<Server>, headers: HeaderMap) -> Response {
    let newest = format!("Bearer t{}", server.asked().len());
    if headers.get("authorization").is_some_and(|value| *value == *newest) {
        let warning = r#"299 - "closing on Sunday""#;
        return (StatusCode::NOT_FOUND, [("warning", warning)]).into_response();
    }
    let realm = server.address.lock().unwrap().clone();
    let challenge = format!(r#"Bearer realm="http://{realm}/token",service="r,1""#);
    (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
}

const OWN: &str = "service=r,1&scope=repository:app:pull,push";

#[tokio::test]
async fn one_token_serves_requests_until_another_repository_is_read() {
    let (server, _tasks, registry) = Server::start(300).await;
    let (own, other) = ("app".parse().unwrap(), "other".parse().unwrap());
    for _ in 0..3 {
        assert_eq!(registry.manifest(&own, "v1").await.unwrap(), None);
    }
    assert_eq!(server.asked(), [OWN]);
    for _ in 0..2 {
        assert_eq!(registry.manifest(&other, "v1").await.unwrap(), None);
    }
    assert_eq!(server.asked(), [OWN, &format!("{OWN}&scope=repository:other:pull")]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_runs_out() {
    let (server, _tasks, registry) = Server::start(0).await;
    let own = "app".parse().unwrap();
    registry.manifest(&own, "v1").await.unwrap();
    registry.manifest(&own, "v1").await.unwrap();
    assert!(server.asked().len() > 1, "{:?}", server.asked());
}

#[tokio::test]
async fn a_token_server_that_refuses_is_told_apart_and_never_shows_the_password() {
    let (_server, _tasks, registry) = Server::start(300).await;
    let wrong = Registry::new(
        registry.host().clone(),
        Transport::PlainHttp,
        Some(Credentials { username: "me".to_owned(), password: Secret::new("guess").into() }),
        "app".parse().unwrap(),
        Clients::new(None).unwrap(),
        Arc::new(Silent),
    );
    let error = wrong.unwrap().manifest(&"app".parse().unwrap(), "v1").await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { given: true, .. }), "{error}");
    assert!(!format!("{error:?}").contains("guess"));
}

#[tokio::test]
async fn what_the_registry_warns_of_is_told_once() {
    let recorder = Arc::new(Recorder::default());
    let (_server, _tasks, registry) = Server::start_with(300, Arc::clone(&recorder) as _).await;
    for _ in 0..2 {
        registry.manifest(&"app".parse().unwrap(), "v1").await.unwrap();
    }
    let message = format!("`{}` says: closing on Sunday", registry.host());
    let warning = Event::Warning { code: "registry.warning", message };
    assert_eq!(recorder.events(), [warning]);
}
