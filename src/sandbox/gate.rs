//! What every request passes: the log, the faults, the request ID, the saving of state.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use ulid::Ulid;

use super::connection::Cut;
use super::core::{Core, lock};
use super::fault::FaultKind;

/// One request that a sandbox received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The status of the answer, sent or lost; nothing while the request is worked on, or
    /// if its sender went away.
    pub status: Option<u16>,
}

/// Leads a request through.
pub(super) async fn pass(
    State(core): State<Arc<Core>>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let method = request.method().clone();
    let fault = lock(&core.faults).strike(&method, request.uri().path());
    let number = {
        let mut requests = lock(&core.requests);
        requests.push(RequestRecord { method, path, status: None });
        requests.len() - 1
    };
    let mut response = match fault {
        Some(fault) => strike(fault, &connection, request, next).await,
        None => next.run(request).await,
    };
    core.changed.send_replace(());
    if let Err(error) = core.save().await {
        let text = format!("the sandbox cannot keep its state: {error}");
        response = (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    }
    if let Some(record) = lock(&core.requests).get_mut(number) {
        record.status = Some(response.status().as_u16());
    }
    if let Ok(id) = HeaderValue::try_from(format!("{}-local", Ulid::generate())) {
        response.headers_mut().insert(HeaderName::from_static("fly-request-id"), id);
    }
    response
}

async fn strike(fault: FaultKind, connection: &Cut, request: Request, next: Next) -> Response {
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
        FaultKind::Delay(duration) => {
            tokio::time::sleep(duration).await;
            next.run(request).await
        }
    }
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
