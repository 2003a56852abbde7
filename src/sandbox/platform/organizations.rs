//! Organizations: who owns apps.

use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome};
use super::apps::known_organization;
use crate::sandbox::app::PERSONAL;
use crate::sandbox::state::State;

fn view(slug: &str) -> Value {
    let number = State::organization_number(slug);
    json!({
        "id": format!("org_{number}"),
        "internal_numeric_id": number,
        "slug": slug,
        "raw_slug": slug,
        "name": slug,
        "paid_plan": false,
        "personal": slug == PERSONAL,
        "billing_status": "CURRENT",
        "billable": true,
        "provisions_beta_extensions": false,
        "remote_builder_image": "",
    })
}

pub(super) fn get(call: &Call<'_>, slug: &str) -> Outcome {
    known_organization(call, &call.core.state(), slug)?;
    Ok(Answer::ok(json!({"organization": view(slug)})))
}

pub(super) fn list(call: &Call<'_>) -> Answer {
    let state = call.core.state();
    let organizations: Vec<_> = state
        .organizations()
        .into_iter()
        .filter(|slug| call.permit.sees_organization(&state, slug))
        .map(view)
        .collect();
    Answer::ok(json!({"organizations": organizations}))
}
