//! What a request brings and what it is answered.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fly::wire::ErrorBody;
use crate::sandbox::core::{Core, now_ms};
use crate::sandbox::machine::{Held, Machine, timestamp};
use crate::sandbox::state::{App, State};

/// A request that has shown a good token.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) core: &'a Core,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it came, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        core: &'a Core,
        query: Vec<(String, String)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self { core, query, headers, body, now_ms: now_ms() }
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

    /// Returns the lease's nonce that the request shows.
    pub(super) fn nonce(&self) -> Option<&str> {
        let nonce = self.headers.get("fly-machine-lease-nonce")?.to_str().ok()?;
        Some(nonce).filter(|nonce| !nonce.is_empty())
    }
}

/// An answer with or without a body.
#[derive(Debug)]
pub(super) struct Answer(StatusCode, Option<Value>);

/// What a request comes to.
pub(super) type Outcome = Result<Answer, Refusal>;

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self(StatusCode::OK, Some(body))
    }

    pub(super) fn created(body: Value) -> Self {
        Self(StatusCode::CREATED, Some(body))
    }

    pub(super) fn accepted() -> Self {
        Self(StatusCode::ACCEPTED, None)
    }

    pub(super) fn no_content() -> Self {
        Self(StatusCode::NO_CONTENT, None)
    }

    /// The answer to orders that have nothing to tell.
    pub(super) fn done() -> Self {
        Self::ok(json!({"ok": true}))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self(status, Some(body)) => (status, Json(body)).into_response(),
            Self(status, None) => status.into_response(),
        }
    }
}

/// An answer that refuses, in the platform's form.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self(status, text.into())
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// The resource is not in a state that allows it.
    pub(super) fn precondition(text: impl Into<String>) -> Self {
        Self(StatusCode::PRECONDITION_FAILED, format!("failed_precondition: {}", text.into()))
    }

    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, format!("aborted: {}", text.into()))
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
        (self.0, Json(ErrorBody::new(self.1))).into_response()
    }
}

/// Returns an app or refuses.
pub(super) fn app<'s>(state: &'s State, name: &str) -> Result<&'s App, Refusal> {
    state.app(name).ok_or_else(|| Refusal::not_found("app"))
}

/// Returns an app to change or refuses.
pub(super) fn app_mut<'s>(state: &'s mut State, name: &str) -> Result<&'s mut App, Refusal> {
    state.app_mut(name).ok_or_else(|| Refusal::not_found("app"))
}

/// Returns a machine, also one that is gone, or refuses.
pub(super) fn machine<'s>(state: &'s State, name: &str, id: &str) -> Result<&'s Machine, Refusal> {
    app(state, name)?.machines.get(id).ok_or_else(|| Refusal::not_found("machine"))
}

/// Returns a machine to change or refuses.
pub(super) fn machine_mut<'s>(
    state: &'s mut State,
    name: &str,
    id: &str,
) -> Result<&'s mut Machine, Refusal> {
    app_mut(state, name)?.machines.get_mut(id).ok_or_else(|| Refusal::not_found("machine"))
}

/// Returns a machine if this request may change it.
pub(super) fn allowed<'s>(
    call: &Call<'_>,
    state: &'s State,
    name: &str,
    id: &str,
) -> Result<&'s Machine, Refusal> {
    let machine = machine(state, name, id)?;
    if machine.state.is_gone() {
        return Err(Refusal::not_found("machine"));
    }
    machine.check_lease(call.nonce(), call.now_ms)?;
    if machine.unreachable {
        let text = "deadline_exceeded: the host of the machine cannot be reached";
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text));
    }
    Ok(machine)
}
