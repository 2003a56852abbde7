//! What every request passes: the log, the faults, the request ID, the saving of state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use ulid::Ulid;

use super::connection::Cut;
use super::core::{Core, lock, now_ms};
use super::fault::FaultKind;
use super::machine::{Host, Machine};
use super::platform::{MachinePath, no_capacity};

/// Who has a lease that was stolen.
const THIEF: &str = "somebody-else@tokens.fly.io";

/// One request that a sandbox received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: u64,
    /// The JSON that it brought to the platform, if it did.
    pub body: Option<Value>,
    /// The status of the answer, sent or lost; nothing while the request is worked on, if its
    /// sender went away, or if a fault broke the connection before anything was done.
    pub status: Option<u16>,
}

/// Which of the records a request has.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordNumber(usize);

impl RecordNumber {
    /// Adds what a request brought to its record.
    pub(super) fn set_body(self, core: &Core, body: Value) {
        if let Some(record) = lock(&core.requests).get_mut(self.0) {
            record.body = Some(body);
        }
    }
}

/// Leads a request through.
pub(super) async fn pass(
    State(core): State<Arc<Core>>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let method = request.method().clone();
    let fault = lock(&core.faults).strike(&method, request.uri().path(), Instant::now());
    let number = {
        let mut requests = lock(&core.requests);
        requests.push(RequestRecord { method, path, at_ms: now_ms(), body: None, status: None });
        requests.len() - 1
    };
    request.extensions_mut().insert(RecordNumber(number));
    let answered = !matches!(fault, Some(FaultKind::Reset));
    let mut response = match fault {
        Some(fault) => strike(&core, fault, &connection, request, next).await,
        None => next.run(request).await,
    };
    core.changed.send_replace(());
    if let Err(error) = core.save().await {
        let text = format!("the sandbox cannot keep its state: {error}");
        response = (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    }
    if let Some(record) = lock(&core.requests).get_mut(number).filter(|_| answered) {
        record.status = Some(response.status().as_u16());
    }
    if let Ok(id) = HeaderValue::try_from(format!("{}-local", Ulid::generate())) {
        response.headers_mut().insert(HeaderName::from_static("fly-request-id"), id);
    }
    response
}

async fn strike(
    core: &Core,
    fault: FaultKind,
    connection: &Cut,
    request: Request,
    next: Next,
) -> Response {
    match fault {
        FaultKind::Status { status, headers, body } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
                    response.headers_mut().append(name, value);
                }
            }
            response
        }
        FaultKind::CutAfter(bytes) => {
            let response = next.run(request.map(|body| cut_after(body, bytes))).await;
            connection.cut();
            response
        }
        FaultKind::LostAnswer => {
            let response = next.run(request).await;
            connection.cut();
            response
        }
        FaultKind::Reset => {
            connection.cut();
            Response::default()
        }
        FaultKind::Delay(duration) => {
            tokio::time::sleep(duration).await;
            next.run(request).await
        }
        FaultKind::NoCapacity => no_capacity(request.uri().path()).into_response(),
        FaultKind::StealLease(ttl) => {
            let until_ms = now_ms().saturating_add(ms(ttl));
            change_machine(core, &request, |machine| machine.steal_lease(THIEF, until_ms));
            next.run(request).await
        }
        FaultKind::LoseLease => {
            change_machine(core, &request, |machine| machine.lease = None);
            next.run(request).await
        }
        FaultKind::LoseHost => {
            change_machine(core, &request, |machine| machine.host = Host::Unreachable);
            next.run(request).await
        }
    }
}

/// Changes the machine that a request names, if it names one that is there.
fn change_machine(core: &Core, request: &Request, change: impl FnOnce(&mut Machine)) {
    let mut state = core.state();
    let named = MachinePath::parse(request.uri().path());
    if let Some(machine) = named.and_then(|named| state.machine_mut(named.app, named.machine?)) {
        change(machine);
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Lets the first bytes of a body pass and then fails, as a connection that broke.
fn cut_after(body: Body, bytes: u64) -> Body {
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    let pieces = body.into_data_stream().map(move |piece| {
        let piece: Bytes = piece?;
        if left == 0 {
            return Err(axum::Error::new(std::io::Error::other("cut")));
        }
        let passed = piece.slice(..piece.len().min(left));
        left -= passed.len();
        Ok(passed)
    });
    // A body that ends before the cut must not count as whole.
    let end = futures_util::stream::once(async {
        Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))
    });
    Body::from_stream(pieces.chain(end))
}
