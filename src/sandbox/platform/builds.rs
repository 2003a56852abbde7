//! Builds, which flyctl announces even where it builds nothing.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::visible;

pub(super) fn begin(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Begin {
        app_name: String,
    }
    let Begin { app_name } = call.json()?;
    visible(call, &app_name)?;
    let mut state = call.core.state();
    state.builds.push(app_name);
    let id = state.builds.len();
    Ok(Answer::ok(json!({"id": id, "status": "started", "wallclock_time_ms": 0})))
}

pub(super) fn finish(call: &Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Finish {
        build_id: usize,
        app_name: String,
        status: String,
    }
    let Finish { build_id, app_name, status } = call.json()?;
    visible(call, &app_name)?;
    let builds = &call.core.state().builds;
    let begun = build_id.checked_sub(1).and_then(|index| builds.get(index));
    if begun != Some(&app_name) {
        return Err(Refusal::not_found("build"));
    }
    if !matches!(status.as_str(), "completed" | "failed") {
        return Err(Refusal::invalid(format!("status {status} is unknown")));
    }
    Ok(Answer::ok(json!({"id": build_id, "status": status, "wallclock_time_ms": 1})))
}
