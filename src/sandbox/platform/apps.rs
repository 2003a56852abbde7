//! Apps, their addresses and their organization.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal, app, app_mut};
use crate::sandbox::machine::timestamp;
use crate::sandbox::state::{App, Ip};

/// The one organization that there is.
const ORGANIZATION: &str = "personal";

fn view(name: &str, app: &App) -> Value {
    let machines = app.machines.values().filter(|machine| !machine.state.is_gone()).count();
    json!({
        "id": format!("app_{}", app.number),
        "internal_numeric_id": app.number,
        "name": name,
        "network": "default",
        "status": if machines == 0 && app.releases.is_empty() { "pending" } else { "deployed" },
        "machine_count": machines,
        "volume_count": app.volumes.len(),
        "organization": {"name": "Sandbox", "slug": ORGANIZATION, "internal_numeric_id": 1},
        "cname_target": format!("{name}.fly.dev"),
        "app_role": "",
    })
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let state = call.core.state();
    let mine = call.query("org_slug").is_none_or(|slug| slug == ORGANIZATION);
    let apps: Vec<_> = state.apps().filter(|_| mine).map(|(name, app)| view(name, app)).collect();
    Answer::ok(json!({"total_apps": apps.len(), "apps": apps}))
}

pub(super) fn create(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Create {
        #[serde(alias = "app_name")]
        name: String,
    }
    let name = call.json::<Create>()?.name;
    let mut state = call.core.state();
    let refused = |text| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text);
    if state.app(&name).is_some() {
        return Err(refused("Validation failed: Name has already been taken"));
    }
    let app = state.ensure_app(&name).ok_or_else(|| {
        refused("Validation failed: Name may only contain lower-case letters, numbers and dashes")
    })?;
    let id = format!("app_{}", app.number);
    Ok(Answer::created(json!({"id": id, "created_at": call.now_ms})))
}

pub(super) fn get(call: &Call<'_>, name: &str) -> Outcome {
    Ok(Answer::ok(view(name, app(&call.core.state(), name)?)))
}

pub(super) fn delete(call: &Call<'_>, name: &str) -> Answer {
    call.core.state().remove_app(name);
    Answer::accepted()
}

fn ip_view(ip: &Ip) -> Value {
    json!({
        "ip": ip.address,
        "region": ip.region,
        "shared": ip.shared,
        "created_at": timestamp(ip.created_at_ms),
        "egress": false,
        "service_name": "",
    })
}

pub(super) fn ips(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let ips: Vec<_> = app(&state, name)?.ips.iter().map(ip_view).collect();
    Ok(Answer::ok(json!({"ips": ips})))
}

pub(super) fn assign_ip(call: &Call<'_>, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Assign {
        #[serde(rename = "type")]
        kind: String,
        region: Option<String>,
    }
    let Assign { kind, region } = call.json()?;
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    let (app_number, n) = (app.number, app.ips.len() + 1);
    // Addresses that documentation may use, of RFC 5737 and RFC 3849.
    let (address, shared) = match kind.as_str() {
        "shared_v4" => ("198.51.100.1".to_owned(), true),
        "v4" => (format!("192.0.2.{}", n % 256), false),
        "v6" => (format!("2001:db8:{app_number:x}::{n:x}"), false),
        "private_v6" => (format!("fdaa:0:{app_number:x}::{n:x}"), false),
        other => return Err(Refusal::invalid(format!("unknown type of address: {other}"))),
    };
    let region = region.filter(|region| !region.is_empty()).unwrap_or_else(|| "global".into());
    let ip = Ip { address, region, shared, created_at_ms: call.now_ms };
    let told = ip_view(&ip);
    app.ips.push(ip);
    Ok(Answer::ok(told))
}

pub(super) fn organization(slug: &str) -> Answer {
    Answer::ok(json!({"organization": {
        "id": "org_1",
        "internal_numeric_id": 1,
        "slug": slug,
        "raw_slug": slug,
        "name": "Sandbox",
        "paid_plan": false,
        "personal": slug == ORGANIZATION,
        "billing_status": "CURRENT",
        "billable": true,
        "remote_builder_image": "",
    }}))
}

pub(super) fn current_token() -> Answer {
    Answer::ok(json!({"tokens": [{
        "token_id": "sandbox",
        "organization": "Sandbox",
        "org_slug": ORGANIZATION,
        "user": "sandbox@tokens.fly.io",
        "apps": [],
    }]}))
}

pub(super) fn regions() -> Answer {
    let region = |code: &str, name: &str| json!({"code": code, "name": name, "deprecated": false});
    Answer::ok(json!({
        "nearest": "iad",
        "regions": [
            region("ams", "Amsterdam, Netherlands"),
            region("fra", "Frankfurt, Germany"),
            region("iad", "Ashburn, Virginia (US)"),
            region("syd", "Sydney, Australia"),
        ],
    }))
}
