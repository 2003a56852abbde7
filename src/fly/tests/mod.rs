//! The client against small servers that misbehave.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::wire::{CreateMachine, LeaseNonce, MachineConfig, UpdateMachine};
use super::{Client, Endpoints, Error, LAUNCH_ID, Token};
use crate::error::Explain as _;
use crate::event::Silent;
use crate::http::{Clients, Retry};

/// What a request was: method, path with query, the nonce, and the body.
type Seen = (Method, String, Option<String>, Value);
type Answer = Box<dyn FnMut(&Seen, usize) -> (u16, Value) + Send>;

struct Server {
    seen: Mutex<Vec<Seen>>,
    answer: Mutex<Answer>,
}

async fn handle(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let nonce = headers.get("fly-machine-lease-nonce").map(|v| v.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let request = (method, uri.path_and_query().unwrap().to_string(), nonce, body);
    server.seen.lock().unwrap().push(request.clone());
    let number = server.seen.lock().unwrap().len();
    let (status, body) = (server.answer.lock().unwrap())(&request, number);
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("fly-request-id", "01JREQ-fra")], body.to_string()).into_response()
}

async fn serve(
    answer: impl FnMut(&Seen, usize) -> (u16, Value) + Send + 'static,
) -> (Client, Arc<Server>, JoinSet<()>) {
    let server = Arc::new(Server { seen: Mutex::default(), answer: Mutex::new(Box::new(answer)) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(handle).with_state(Arc::clone(&server));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (client(&address), server, tasks)
}

fn client(address: &str) -> Client {
    let token = Token::parse("FlyV1 fm2_hush").unwrap();
    let endpoints = Endpoints::new(address, address, address).unwrap();
    Client::new(Clients::new(None).unwrap(), endpoints, token, Retry::new(Arc::new(Silent)))
}

#[tokio::test]
async fn each_refusal_of_an_app_is_told_apart() {
    for (status, code) in [
        (401, "fly.unauthorized"),
        (403, "fly.app-forbidden"),
        (404, "fly.app-not-found"),
        (422, "fly.refused"),
    ] {
        let (client, _server, _tasks) =
            serve(move |_, _| (status, json!({"error": "no\u{1b}[2J"}))).await;
        let error = client.app(&"web".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.code(), code);
        let text = error.to_string();
        assert!(
            text.ends_with(&format!(
                "cannot look up app `web`: GET /v1/apps/web answered {status}: no[2J (request ID \
                 01JREQ-fra)"
            )),
            "{text}"
        );
        assert!(!format!("{error:?} {client:?}").contains("hush"));
    }
}

#[tokio::test]
async fn a_dead_port_is_told_within_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let start = std::time::Instant::now();
    let error = client(&address).app(&"web".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "fly.no-answer");
    assert!(start.elapsed().as_secs() < 3);
}

#[tokio::test]
async fn a_machine_whose_creation_was_not_answered_is_found_and_not_made_twice() {
    let (client, server, _tasks) = serve(|(method, ..), _| match *method {
        Method::POST => (504, json!("gateway timeout")),
        _ => {
            (200, json!([{"id": "other"}, {"id": "e1", "config": {"metadata": {LAUNCH_ID: "L1"}}}]))
        }
    })
    .await;
    let machine = client
        .create_machine(&"web".parse().unwrap(), CreateMachine::default(), "L1")
        .await
        .unwrap();
    assert_eq!(machine.id, "e1");
    let posts = server.seen.lock().unwrap().iter().filter(|seen| seen.0 == Method::POST).count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn a_machine_that_was_surely_not_created_is_created_again() {
    let (client, server, _tasks) = serve(|(method, ..), number| match (method.clone(), number) {
        (Method::POST, 1) => (503, json!({"error": "try later"})),
        (Method::POST, _) => (200, json!({"id": "e2"})),
        _ => (200, json!([])),
    })
    .await;
    let machine = client
        .create_machine(&"web".parse().unwrap(), CreateMachine::default(), "L1")
        .await
        .unwrap();
    assert_eq!(machine.id, "e2");
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[2].3["config"]["metadata"][LAUNCH_ID], "L1");
}

fn update() -> UpdateMachine {
    UpdateMachine {
        config: MachineConfig { image: "new".into(), ..MachineConfig::default() },
        current_version: Some("V1".into()),
        ..UpdateMachine::default()
    }
}

#[tokio::test]
async fn an_update_that_was_done_but_not_answered_is_seen_to_be_done() {
    let (client, server, _tasks) = serve(|(method, ..), number| match (method.clone(), number) {
        (Method::POST, 1) => (502, json!("bad gateway")),
        (Method::POST, _) => (409, json!({"error": "current_version is not current"})),
        _ => (200, json!({"id": "e1", "instance_id": "V2", "config": {"image": "new"}})),
    })
    .await;
    let nonce = LeaseNonce("n0".into());
    let machine = client
        .update_machine(&"web".parse().unwrap(), "e1", Some(&nonce), &update())
        .await
        .unwrap();
    assert_eq!(machine.version(), "V2");
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[0].2.as_deref(), Some("n0"));
    assert_eq!(seen[0].3["current_version"], "V1");
}

#[tokio::test]
async fn an_update_of_a_machine_that_somebody_else_changed_is_refused() {
    let (client, _server, _tasks) = serve(|(method, ..), _| match *method {
        Method::POST => (409, json!({"error": "current_version is not current"})),
        _ => (200, json!({"id": "e1", "instance_id": "V2", "config": {"image": "theirs"}})),
    })
    .await;
    let error =
        client.update_machine(&"web".parse().unwrap(), "e1", None, &update()).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error:?}");
}

#[tokio::test]
async fn waiting_names_all_states_and_a_timeout_is_no_error() {
    let (client, server, _tasks) = serve(|_, _| (408, json!({"error": "deadline"}))).await;
    let within = std::time::Duration::from_secs(500);
    let reached = client
        .wait_machine(&"web".parse().unwrap(), "e1", &["started", "failed"], Some("V1"), within)
        .await
        .unwrap();
    assert_eq!(reached, None);
    assert_eq!(
        server.seen.lock().unwrap()[0].1,
        "/v1/apps/web/machines/e1/wait?state=started&state=failed&timeout=60&version=V1"
    );
}
