//! Releases: the platform's book of deploys.

use serde_json::{Value, json};
use ulid::Ulid;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{app, app_mut, visible};
use crate::fly::wire::{CreateRelease, Release, UpdateRelease};
use crate::sandbox::app::RecordedRelease;
use crate::sandbox::machine::timestamp;

/// The strategies that a release may have.
const STRATEGIES: [&str; 6] =
    ["ROLLING", "BLUEGREEN", "CANARY", "IMMEDIATE", "ROLLING_ONE", "SIMPLE"];

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let request: CreateRelease = call.json()?;
    visible(call, &request.app_name)?;
    if !STRATEGIES.contains(&request.strategy.as_str()) {
        return Err(Refusal::unprocessable(format!("strategy {} is unknown", request.strategy)));
    }
    let mut state = call.core.state();
    let app = app_mut(&mut state, &request.app_name)?;
    let release = Release {
        id: Ulid::generate().to_string().to_lowercase(),
        version: app.releases.last().map_or(0, |last| last.release.version) + 1,
        stable: false,
        in_progress: true,
        status: "pending".into(),
        strategy: request.strategy,
        user: Some("sandbox@tokens.fly.io".into()),
        created_at: timestamp(call.now_ms),
        image_ref: request.image,
        ..Release::default()
    };
    let told = json!({"release": release});
    app.releases.push(RecordedRelease {
        statuses: vec![release.status.clone()],
        release,
        build_id: request.build_id,
        definition: request.definition,
        metadata: Value::Null,
    });
    Ok(Answer::created(told))
}

/// Changes what is recorded of a release; the answer is the release itself.
pub(super) fn update(call: &Call<'_>, id: &str) -> Outcome {
    const KNOWN: [&str; 5] = ["pending", "running", "complete", "failed", "interrupted"];
    let request: UpdateRelease = call.json()?;
    if !KNOWN.contains(&request.status.as_str()) {
        return Err(Refusal::invalid(format!("status {} is unknown", request.status)));
    }
    let mut state = call.core.state();
    let unknown = || Refusal::not_found("release");
    let owner = state
        .apps()
        .find(|(_, app)| app.releases.iter().any(|recorded| recorded.release.id == id))
        .map(|(name, _)| name.clone())
        .filter(|name| call.permit.sees_app(&state, name))
        .ok_or_else(unknown)?;
    let releases = &mut app_mut(&mut state, &owner)?.releases;
    let recorded =
        releases.iter_mut().find(|recorded| recorded.release.id == id).ok_or_else(unknown)?;
    recorded.release.in_progress = matches!(request.status.as_str(), "pending" | "running");
    recorded.release.stable = request.status == "complete";
    recorded.statuses.push(request.status.clone());
    recorded.release.status = request.status;
    recorded.metadata = request.metadata.unwrap_or_default();
    Ok(Answer::ok(json!(recorded.release)))
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let limit = call.number("limit", 25)?;
    let state = call.core.state();
    let newest = app(&state, name)?.releases.iter().rev().take(limit);
    let releases: Vec<_> = newest.map(|recorded| &recorded.release).collect();
    Ok(Answer::ok(json!({"releases": releases})))
}

/// Tells the newest release that is complete, bare, as flyctl reads it.
pub(super) fn current(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let complete = app(&state, name)?.releases.iter().rev().find(|r| r.release.stable);
    let recorded = complete.ok_or_else(|| Refusal::not_found("release"))?;
    Ok(Answer::ok(json!(recorded.release)))
}
