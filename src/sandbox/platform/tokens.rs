//! Tokens: what they are good for, and discharges of macaroons.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use crate::sandbox::access::Permit;
use crate::sandbox::core::{Core, now_ms};
use crate::sandbox::state::State;

/// Returns what the tokens of a request are, one for each organization.
pub(super) fn current(call: &Call<'_>) -> Answer {
    let state = call.core.state();
    let tokens: Vec<_> = state
        .organizations()
        .into_iter()
        .filter(|slug| call.permit.sees_organization(&state, slug))
        .map(|slug| {
            json!({
                "token_id": "sandbox",
                "organization": slug,
                "org_slug": slug,
                "apps": named_apps(&state, &call.permit, slug),
                "user": "sandbox@tokens.fly.io",
                "restricted_to_machine": "",
                "source_machine_id": "",
            })
        })
        .collect();
    Answer::ok(json!({"tokens": tokens}))
}

/// Returns the apps that deploy tokens are for; other tokens name none.
fn named_apps<'s>(state: &'s State, permit: &Permit, slug: &str) -> Vec<&'s String> {
    if !permit.is_of_apps() {
        return Vec::new();
    }
    let mine = state.apps().filter(|(_, app)| app.organization == slug);
    mine.map(|(name, _)| name).filter(|name| permit.sees_app(state, name)).collect()
}

fn verified(header: &str) -> Value {
    json!({"header": header, "nonce": {"kid": "sandbox"}, "caveats": [], "permission_token": []})
}

/// Tells whether a token is valid.
pub(super) fn authenticate(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Authenticate {
        header: String,
    }
    let Authenticate { header } = call.json()?;
    let good = call.core.access.header(&header, call.now_ms / 1000);
    good.ok_or_else(|| Refusal::invalid("token validation error"))?;
    Ok(Answer::ok(json!([verified(&header)])))
}

/// Tells whether a token may do something.
pub(super) fn authorize(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Authorize {
        header: String,
        access: Value,
    }
    let Authorize { header, access } = call.json()?;
    let permit = call.core.access.header(&header, call.now_ms / 1000);
    let permit = permit.ok_or_else(|| Refusal::invalid("token validation error"))?;
    let named = |key| access.get(key).and_then(Value::as_str).filter(|name| !name.is_empty());
    let state = call.core.state();
    let allowed = match (named("app_name"), named("org_slug")) {
        (Some(app), _) => permit.sees_app(&state, app),
        (None, Some(slug)) => permit.sees_organization(&state, slug),
        (None, None) => return Err(Refusal::invalid("access names neither app nor organization")),
    };
    if !allowed {
        return Err(Refusal::invalid("unauthorized for resource"));
    }
    Ok(Answer::ok(json!({"access": access, "verified_token": verified(&header)})))
}

/// Answers the ticket of a macaroon's third-party caveat. A token need not be shown; one
/// that is shown must be good.
pub(super) fn discharge(core: &Core, headers: &HeaderMap, body: &[u8]) -> (StatusCode, Value) {
    #[derive(Deserialize)]
    struct Ask {
        ticket: String,
    }
    let now_s = now_ms() / 1000;
    if headers.contains_key(AUTHORIZATION) && core.access.platform(headers, now_s).is_none() {
        return (StatusCode::UNAUTHORIZED, json!({"error": "not logged in"}));
    }
    let ticket = serde_json::from_slice(body).ok();
    let ticket = ticket.and_then(|Ask { ticket }| STANDARD.decode(ticket).ok());
    match ticket.and_then(|ticket| core.access.issuer().discharge(&ticket, now_s)) {
        Some(discharge) => (StatusCode::CREATED, json!({"discharge": discharge})),
        None => (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": "internal server error"})),
    }
}
