//! What a request brings and what it is answered.

use axum::Json;
use axum::body::Bytes;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fly::wire::ErrorBody;
use crate::sandbox::access::Permit;
use crate::sandbox::core::{Core, now_ms};
use crate::sandbox::machine::{Held, timestamp};

/// A request that has shown a good token.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) core: &'a Core,
    pub(super) permit: Permit,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it came, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        core: &'a Core,
        permit: Permit,
        query: Vec<(String, String)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self { core, permit, query, headers, body, now_ms: now_ms() }
    }

    /// Reads the body; an empty one counts as an object without members.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(format!("unable to parse request body: {error}")))
    }

    /// Returns the first value of a parameter.
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.query(key) == Some("true")
    }

    /// Returns a number that may be given, or `usual`.
    pub(super) fn number(&self, key: &str, usual: usize) -> Result<usize, Refusal> {
        match self.query(key).filter(|text| !text.is_empty()) {
            None => Ok(usual),
            Some(text) => {
                text.parse().map_err(|error| Refusal::invalid(format!("invalid {key}: {error}")))
            }
        }
    }

    /// Returns the lease's nonce that the request shows.
    pub(super) fn nonce(&self) -> Option<&str> {
        let nonce = self.headers.get("fly-machine-lease-nonce")?.to_str().ok()?;
        Some(nonce).filter(|nonce| !nonce.is_empty())
    }
}

/// An answer with or without a body.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Option<Value>,
    /// Where a list goes on.
    next_cursor: Option<String>,
}

/// What a request comes to.
pub(super) type Outcome = Result<Answer, Refusal>;

impl Answer {
    fn of(status: StatusCode, body: Option<Value>) -> Self {
        Self { status, body, next_cursor: None }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::of(StatusCode::OK, Some(body))
    }

    pub(super) fn created(body: Value) -> Self {
        Self::of(StatusCode::CREATED, Some(body))
    }

    pub(super) fn accepted() -> Self {
        Self::of(StatusCode::ACCEPTED, None)
    }

    pub(super) fn no_content() -> Self {
        Self::of(StatusCode::NO_CONTENT, None)
    }

    /// The answer to orders that have nothing to tell.
    pub(super) fn done() -> Self {
        Self::ok(json!({"ok": true}))
    }

    /// Tells where the list goes on.
    pub(super) fn going_on_at(mut self, cursor: Option<String>) -> Self {
        self.next_cursor = cursor;
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => (self.status, Json(body)).into_response(),
            None => self.status.into_response(),
        };
        if let Some(cursor) = self.next_cursor.and_then(|cursor| HeaderValue::try_from(cursor).ok())
        {
            response.headers_mut().insert("fly-next-cursor", cursor);
        }
        response
    }
}

/// An answer that refuses, in the platform's form.
#[derive(Debug)]
pub(in crate::sandbox) struct Refusal {
    status: StatusCode,
    text: String,
    /// The platform's word for it.
    word: Option<&'static str>,
    /// When to ask again, in seconds.
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), word: None, retry_after_s: None }
    }

    /// Adds the platform's word for it.
    pub(super) fn word(self, word: &'static str) -> Self {
        Self { word: Some(word), ..self }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Authenticate: token validation error")
    }

    /// It is there, but not for this token.
    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "unauthorized")
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// What is asked for is well-formed and cannot be.
    pub(super) fn unprocessable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }

    /// The resource is not in a state that allows it.
    pub(super) fn precondition(text: impl Into<String>) -> Self {
        let text = format!("failed_precondition: {}", text.into());
        Self::new(StatusCode::PRECONDITION_FAILED, text)
    }

    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, format!("aborted: {}", text.into()))
    }

    /// The host of a machine does not answer.
    pub(super) fn host_is_lost() -> Self {
        let text = "deadline_exceeded: the host of the machine cannot be reached";
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    /// Somebody asks too often, and may ask again after so many milliseconds.
    pub(super) fn too_often(after_ms: u64, told: bool) -> Self {
        let text = format!("rate limit exceeded, try again in {after_ms} ms");
        let retry_after_s = told.then(|| after_ms.div_ceil(1000));
        Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
    }
}

impl From<Held> for Refusal {
    fn from(held: Held) -> Self {
        match held {
            Held::ByOther { owner, expires_at_ms } => {
                let until = timestamp(expires_at_ms);
                Self::conflict(format!("lease currently held by {owner}, expires at {until}"))
            }
            Held::ByNobody => Self::not_found("lease"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody { status: self.word.map(Into::into), ..ErrorBody::new(self.text) };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
