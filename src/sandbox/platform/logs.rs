//! What machines wrote, page by page.

use serde_json::json;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::app;
use crate::sandbox::machine::{LogLine, timestamp};

/// As many lines are told at a time.
const PAGE_LINES: usize = 100;

/// Without a token it tells the newest lines; with the token of the page before, those
/// that came since. Deploy tokens may not read them.
pub(super) fn get(call: &Call<'_>, name: &str) -> Outcome {
    if call.permit.is_of_apps() {
        return Err(Refusal::unauthorized());
    }
    let given = |key: &str| call.query(key).filter(|text| !text.is_empty());
    let after: Option<u64> = given("next_token")
        .map(str::parse)
        .transpose()
        .map_err(|error| Refusal::invalid(format!("invalid next_token: {error}")))?;
    let state = call.core.state();
    let mut lines: Vec<&LogLine> = app(&state, name)?
        .log
        .iter()
        .filter(|line| given("instance").is_none_or(|instance| instance == line.machine))
        .filter(|line| given("region").is_none_or(|region| region == line.region))
        .filter(|line| after.is_none_or(|after| line.number > after))
        .collect();
    if after.is_none() {
        lines.drain(..lines.len().saturating_sub(PAGE_LINES));
    }
    lines.truncate(PAGE_LINES);
    let next = lines.last().map(|line| line.number).or(after).unwrap_or(0);
    let data: Vec<_> = lines.into_iter().map(view).collect();
    Ok(Answer::ok(json!({"data": data, "meta": {"next_token": next.to_string()}})))
}

fn view(line: &LogLine) -> serde_json::Value {
    json!({
        "id": line.number.to_string(),
        "type": "log",
        "attributes": {
            "timestamp": timestamp(line.at_ms),
            "message": line.message,
            "level": line.level,
            "instance": line.machine,
            "region": line.region,
            "meta": {
                "instance": line.machine,
                "region": line.region,
                "event": {"provider": line.provider},
            },
        },
    })
}
