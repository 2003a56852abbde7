//! The client against small servers that misbehave.

mod access;
mod apps;
mod creation;
mod discharges;
mod machines;
mod reading;
mod refusals;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::task::JoinSet;

use super::wire::{CreateMachine, Machine};
use super::{AppName, Client, Endpoints, Error, Token};
use crate::event::Silent;
use crate::http::{Clients, Retry};

/// What a request was.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    /// Path with query.
    path: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What a request is answered with.
struct Reply {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Value,
}

impl From<(u16, Value)> for Reply {
    fn from((status, body): (u16, Value)) -> Self {
        Self { status, headers: Vec::new(), body }
    }
}

impl Reply {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((HeaderName::from_static(name), value.parse().unwrap()));
        self
    }
}

type Answer = Box<dyn FnMut(&Seen, usize) -> Reply + Send>;

/// A server, and the client that speaks to it.
struct Server {
    client: Client,
    base: String,
    desk: Arc<Desk>,
    _tasks: JoinSet<()>,
}

struct Desk {
    seen: Mutex<Vec<Seen>>,
    answer: Mutex<Answer>,
}

async fn handle(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = uri.path_and_query().unwrap().to_string();
    let request = Seen { method, path, headers, body };
    let number = {
        let mut seen = desk.seen.lock().unwrap();
        seen.push(request.clone());
        seen.len()
    };
    let Reply { status, headers, body } = (desk.answer.lock().unwrap())(&request, number);
    let status = StatusCode::from_u16(status).unwrap();
    let mut response =
        (status, [("fly-request-id", "01JREQ-fra")], body.to_string()).into_response();
    response.headers_mut().extend(headers);
    response
}

/// Serves what `answer` makes of a request and its number, from 1.
async fn serve<R: Into<Reply>>(
    mut answer: impl FnMut(&Seen, usize) -> R + Send + 'static,
) -> Server {
    let answer: Answer = Box::new(move |seen, number| answer(seen, number).into());
    let desk = Arc::new(Desk { seen: Mutex::default(), answer: Mutex::new(answer) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(handle).with_state(Arc::clone(&desk));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { client: client(&base), base, desk, _tasks: tasks }
}

impl Server {
    fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// Methods and paths of the requests, such as `GET /v1/apps/web`.
    fn requests(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    fn count(&self, method: &Method) -> usize {
        self.seen().iter().filter(|seen| seen.method == method).count()
    }
}

impl Server {
    /// A client with another token.
    fn client_with(&self, token: &str) -> Client {
        client_with(&self.base, token)
    }
}

/// A client whose pauses are short.
fn client(address: &str) -> Client {
    client_with(address, "FlyV1 fm2_hush")
}

fn client_with(address: &str, token: &str) -> Client {
    let token = Token::parse(token).unwrap();
    let endpoints = Endpoints::new(address, address, address).unwrap();
    let retry = Retry::new(Arc::new(Silent));
    Client::new(Clients::new(None).unwrap(), endpoints, token, retry).hasty()
}

fn web() -> AppName {
    "web".parse().unwrap()
}

async fn create_machine(server: &Server) -> Result<Machine, Error> {
    server.client.create_machine(&web(), CreateMachine::default(), "L1").await
}
