//! Apps: made, looked at and deleted.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::app;
use crate::sandbox::app::App;
use crate::sandbox::state::State;

/// How long a deploy token lives when nothing is said, in seconds: 20 years.
const DEPLOY_TOKEN_S: u64 = 175_200 * 3600;

fn view(name: &str, app: &App) -> Value {
    let organization = &app.organization;
    json!({
        "id": format!("app_{}", app.number),
        "internal_numeric_id": app.number,
        "name": name,
        "network": app.network,
        "status": app.status(),
        "machine_count": app.living().count(),
        "volume_count": app.volumes.len(),
        "organization": {
            "name": organization,
            "slug": organization,
            "internal_numeric_id": State::organization_number(organization),
        },
        "cname_target": format!("{name}.fly.dev"),
        "app_role": app.role,
    })
}

/// Lists the apps of an organization, all or from a cursor on.
pub(super) fn list(call: &Call<'_>) -> Outcome {
    let slug = call.query("org_slug").filter(|slug| !slug.is_empty());
    let slug = slug.ok_or_else(|| Refusal::invalid("invalid_argument: org_slug is required"))?;
    let limit = call.number("limit", usize::MAX)?;
    let state = call.core.state();
    known_organization(call, &state, slug)?;
    if !call.permit.manages(&state, slug) {
        return Err(Refusal::forbidden());
    }
    let role = call.query("app_role").filter(|role| !role.is_empty());
    let cursor = call.query("cursor").unwrap_or_default();
    let mine: Vec<_> = state
        .apps()
        .filter(|(_, app)| app.organization == slug && role.is_none_or(|role| app.role == role))
        .collect();
    let page = mine.iter().filter(|(name, _)| name.as_str() > cursor).take(limit);
    let apps: Vec<_> = page.map(|(name, app)| view(name, app)).collect();
    let last = apps.last().and_then(|app| app["name"].as_str());
    let more = mine.last().is_some_and(|(name, _)| last.is_some_and(|last| name.as_str() > last));
    let next = last.filter(|_| more).unwrap_or_default().to_owned();
    Ok(Answer::ok(json!({"total_apps": mine.len(), "apps": apps, "next_cursor": next})))
}

/// Refuses a slug that names no organization, or one that the token may not know of.
pub(super) fn known_organization(
    call: &Call<'_>,
    state: &State,
    slug: &str,
) -> Result<(), Refusal> {
    let known = state.organizations().contains(slug);
    if known && call.permit.sees_organization(state, slug) {
        return Ok(());
    }
    Err(Refusal::not_found("organization"))
}

/// Makes an app. The same name and idempotency key return the app that was made first.
pub(super) fn create(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Create {
        #[serde(alias = "app_name", default)]
        name: String,
        #[serde(default)]
        org_slug: String,
        #[serde(default)]
        network: String,
        #[serde(default, alias = "app_role_id")]
        app_role: String,
        #[serde(default)]
        idempotency_key: String,
    }
    let request: Create = call.json()?;
    if request.org_slug.is_empty() {
        return Err(Refusal::invalid("invalid_argument: org_slug is required"));
    }
    let mut state = call.core.state();
    known_organization(call, &state, &request.org_slug)?;
    if !call.permit.manages(&state, &request.org_slug) {
        return Err(Refusal::forbidden());
    }
    let told = |app: &App| {
        let id = format!("app_{}", app.number);
        Answer::created(json!({"id": id, "created_at": app.created_at_ms}))
    };
    if let Some(app) = state.app(&request.name) {
        let again = app.idempotency_key == request.idempotency_key;
        if again && !request.idempotency_key.is_empty() {
            return Ok(told(app));
        }
        let text = "Validation failed: Name has already been taken";
        return Err(Refusal::unprocessable(text).word("name_taken"));
    }
    let made =
        state.ensure_app(&request.name, &request.org_slug, call.now_ms).ok_or_else(|| {
            let text = "Validation failed: Name may only contain lower-case letters, numbers and \
                    dashes";
            Refusal::unprocessable(text)
        })?;
    made.idempotency_key = request.idempotency_key;
    made.role = request.app_role;
    if !request.network.is_empty() {
        made.network = request.network;
    }
    Ok(told(made))
}

pub(super) fn get(call: &Call<'_>, name: &str) -> Outcome {
    Ok(Answer::ok(view(name, app(&call.core.state(), name)?)))
}

pub(super) fn delete(call: &Call<'_>, name: &str) -> Answer {
    call.core.state().remove_app(name);
    Answer::accepted()
}

/// Makes a deploy token.
pub(super) fn deploy_token(call: &Call<'_>, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Create {
        #[serde(default)]
        expiry: String,
    }
    let Create { expiry } = call.json()?;
    let lifetime = match expiry.as_str() {
        "" => std::time::Duration::from_secs(DEPLOY_TOKEN_S),
        text => humantime::parse_duration(text)
            .map_err(|error| Refusal::invalid(format!("invalid expiry: {error}")))?,
    };
    let scope = crate::sandbox::access::Scope::App(name.to_owned());
    let numbers = call.core.state().numbers(&scope);
    let token = call.core.access.issuer().mint(&scope, numbers, lifetime, call.now_ms / 1000);
    let token = token.ok_or_else(|| Refusal::not_found("app"))?;
    Ok(Answer::ok(json!({"token": format!("FlyV1 {token}")})))
}

pub(super) fn regions() -> Answer {
    use crate::sandbox::capacity::{NEAREST, REGIONS};
    let regions: Vec<_> = REGIONS
        .iter()
        .map(|(code, name)| json!({"code": code, "name": name, "deprecated": false}))
        .collect();
    Answer::ok(json!({"nearest": NEAREST, "regions": regions}))
}
