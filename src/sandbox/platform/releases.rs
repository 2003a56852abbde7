//! Releases and builds: the platform's book of deploys.

use serde::Deserialize;
use serde_json::{Value, json};
use ulid::Ulid;

use super::answer::{Answer, Call, Outcome, Refusal, app, app_mut};
use crate::fly::wire::{CreateRelease, Release, UpdateRelease};
use crate::sandbox::machine::timestamp;
use crate::sandbox::state::Recorded;

pub(super) fn begin_build(call: &Call<'_>) -> Answer {
    let mut state = call.core.state();
    state.builds += 1;
    Answer::ok(json!({"id": state.builds, "status": "started", "wallclock_time_ms": 0}))
}

pub(super) fn finish_build(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Finish {
        build_id: u64,
        status: String,
    }
    let Finish { build_id, status } = call.json()?;
    if build_id == 0 || build_id > call.core.state().builds {
        return Err(Refusal::not_found("build"));
    }
    Ok(Answer::ok(json!({"id": build_id, "status": status, "wallclock_time_ms": 1})))
}

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let request: CreateRelease = call.json()?;
    call.core.welcome(&request.app_name);
    let mut state = call.core.state();
    let app = app_mut(&mut state, &request.app_name)?;
    let release = Release {
        id: Ulid::generate().to_string().to_lowercase(),
        version: app.releases.last().map_or(0, |last| last.release.version) + 1,
        stable: false,
        in_progress: true,
        status: "pending".into(),
        strategy: request.strategy,
        user: Some(json!({"id": "usr_1", "email": "sandbox@tokens.fly.io", "name": "Sandbox"})),
        created_at: timestamp(call.now_ms),
        image_ref: request.image,
        ..Release::default()
    };
    let told = json!({"release": release});
    let (definition, metadata) = (request.definition, Value::Null);
    app.releases.push(Recorded { release, definition, metadata });
    Ok(Answer::created(told))
}

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
        .ok_or_else(unknown)?;
    let releases = &mut app_mut(&mut state, &owner)?.releases;
    let recorded =
        releases.iter_mut().find(|recorded| recorded.release.id == id).ok_or_else(unknown)?;
    recorded.release.in_progress = matches!(request.status.as_str(), "pending" | "running");
    recorded.release.stable = request.status == "complete";
    recorded.release.status = request.status;
    recorded.metadata = request.metadata.unwrap_or_default();
    Ok(Answer::ok(json!(recorded.release)))
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let limit = call.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
    let newest = app(&state, name)?.releases.iter().rev().take(limit);
    let releases: Vec<_> = newest.map(|recorded| &recorded.release).collect();
    Ok(Answer::ok(json!({"releases": releases})))
}

pub(super) fn current(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let complete = app(&state, name)?.releases.iter().rev().find(|r| r.release.stable);
    let recorded = complete.ok_or_else(|| Refusal::not_found("release"))?;
    Ok(Answer::ok(json!({"release": recorded.release})))
}
