//! Waiting for a machine to come to a state.

use std::time::Duration;

use axum::http::StatusCode;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::machine;
use crate::fly::wire::WaitResponse;
use crate::sandbox::core::now_ms;
use crate::sandbox::machine::{Machine, MachineState as State};

/// As long as a request waits at most, and when nothing is said, in seconds.
const MAX_TIMEOUT_S: u64 = 60;

/// What is waited for.
#[derive(Debug, Default)]
struct Wanted {
    /// Fly's words, `settled` among them.
    states: Vec<String>,
    version: Option<String>,
    from_event_id: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Reached(WaitResponse),
    NotYet,
    Never,
    Gone,
    UnknownVersion,
}

/// Answers when the machine is in one of the states, or when the time is over. A machine that
/// is destroyed is not found, unless it is waited for that.
///
/// # Cancel safety
///
/// A client that goes away leaves nothing behind.
pub(super) async fn wait(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let wanted = Wanted::read(call)?;
    let timeout_s = match call.query("timeout") {
        None => MAX_TIMEOUT_S,
        Some(text) => {
            text.parse().map_err(|error| Refusal::invalid(format!("invalid timeout: {error}")))?
        }
    };
    let deadline_ms = call.now_ms + timeout_s.clamp(1, MAX_TIMEOUT_S) * 1000;
    let mut changed = call.core.changed.subscribe();
    loop {
        let (verdict, state, next_ms) = {
            let state = call.core.state();
            let machine = machine(&state, name, id)?;
            (wanted.judge(machine), machine.state, machine.next_at_ms())
        };
        let states = wanted.states.join(",");
        match verdict {
            Verdict::Reached(response) => return Ok(Answer::ok(serde_json::json!(response))),
            Verdict::Never => {
                return Err(Refusal::invalid(format!(
                    "failed_precondition: machine failed to reach desired state, {states}, \
                     currently {}",
                    state.as_str()
                )));
            }
            Verdict::Gone => return Err(Refusal::not_found("machine")),
            Verdict::UnknownVersion => return Err(Refusal::not_found("machine version")),
            Verdict::NotYet => {}
        }
        let now = now_ms();
        if now >= deadline_ms {
            let is = state.as_str();
            let text = format!("deadline_exceeded: machine is {is}, not {states}");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text));
        }
        let until_ms = next_ms.map_or(deadline_ms, |next_ms| next_ms.min(deadline_ms));
        let pause = Duration::from_millis(until_ms.saturating_sub(now));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // The sender lives as long as the server.
            _ = changed.changed() => {}
        }
    }
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        const KNOWN: [&str; 6] =
            ["started", "stopped", "suspended", "destroyed", "failed", "settled"];
        let named = call.query.iter().filter(|(key, _)| key == "state");
        let mut states: Vec<String> = named
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|state| !state.is_empty())
            .map(str::to_owned)
            .collect();
        if states.is_empty() {
            states.push("started".into());
        }
        if let Some(unknown) = states.iter().find(|state| !KNOWN.contains(&state.as_str())) {
            return Err(Refusal::invalid(format!("invalid_argument: state {unknown} is unknown")));
        }
        let text = |key| call.query(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let version = text("version").or_else(|| text("instance_id"));
        Ok(Self { states, version, from_event_id: text("from_event_id") })
    }

    fn wants(&self, state: &str) -> bool {
        self.states.iter().any(|wanted| wanted == state)
    }

    fn judge(&self, machine: &Machine) -> Verdict {
        let state = machine.state;
        let to_the_end = self.wants("destroyed") || self.wants("settled");
        if state == State::Destroyed && !to_the_end {
            return Verdict::Gone;
        }
        if let Some(version) = self.version.as_ref().filter(|v| **v != machine.instance_id) {
            let former = machine.former.contains(version);
            return if former { Verdict::Never } else { Verdict::UnknownVersion };
        }
        let newest = machine.events.first().map(|event| event.id.clone());
        let news = self.from_event_id.is_none() || self.from_event_id != newest;
        if news && (self.wants(state.as_str()) || self.wants("settled") && state.is_settled()) {
            return Verdict::Reached(WaitResponse {
                ok: true,
                state: Some(state.as_str().into()),
                version: Some(machine.instance_id.clone()),
                event_id: newest,
            });
        }
        match state {
            State::Destroying | State::Failed if !to_the_end => Verdict::Never,
            _ => Verdict::NotYet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(state: State) -> Machine {
        Machine { state, instance_id: "2".into(), former: vec!["1".into()], ..Machine::default() }
    }

    fn wanted(states: &[&str]) -> Wanted {
        Wanted { states: states.iter().map(|&s| s.to_owned()).collect(), ..Wanted::default() }
    }

    #[test]
    fn any_of_the_states_is_enough() {
        let verdict = wanted(&["started", "stopped"]).judge(&machine(State::Stopped));
        assert!(matches!(verdict, Verdict::Reached(WaitResponse { ok: true, .. })));
        let settled = wanted(&["settled"]);
        assert!(matches!(settled.judge(&machine(State::Failed)), Verdict::Reached(_)));
        assert_eq!(settled.judge(&machine(State::Starting)), Verdict::NotYet);
    }

    #[test]
    fn what_can_never_be_is_told_at_once() {
        let started = wanted(&["started"]);
        assert_eq!(started.judge(&machine(State::Stopped)), Verdict::NotYet);
        assert_eq!(started.judge(&machine(State::Failed)), Verdict::Never);
        assert_eq!(started.judge(&machine(State::Destroying)), Verdict::Never);
        assert_eq!(started.judge(&machine(State::Destroyed)), Verdict::Gone);
        assert_eq!(wanted(&["destroyed"]).judge(&machine(State::Destroying)), Verdict::NotYet);
    }

    #[test]
    fn a_former_version_is_never_reached_and_a_strange_one_unknown() {
        let of = |version: &str| Wanted { version: Some(version.into()), ..wanted(&["started"]) };
        assert_eq!(of("1").judge(&machine(State::Started)), Verdict::Never);
        assert!(matches!(of("2").judge(&machine(State::Started)), Verdict::Reached(_)));
        assert_eq!(of("3").judge(&machine(State::Started)), Verdict::UnknownVersion);
    }
}
