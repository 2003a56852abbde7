//! Orders to machines that exist: start, stop, suspend, restart, cordon.

use serde_json::json;

use super::answer::{Answer, Call, Outcome, Refusal, allowed, machine, machine_mut};
use crate::sandbox::machine::{Launch, Life, MachineState};
use crate::sandbox::options::Behavior;
use crate::sandbox::state::State;

pub(super) fn start(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    let before = allowed(call, &state, name, id)?.state;
    match before {
        MachineState::Started | MachineState::Starting => {}
        MachineState::Created
        | MachineState::Stopped
        | MachineState::Suspended
        | MachineState::Failed => {
            launch(call, &mut state, name, id, Life::boot)?;
        }
        other => {
            let text = format!("unable to start machine from state {}", other.as_str());
            return Err(Refusal::precondition(text));
        }
    }
    Ok(Answer::ok(json!({"previous_state": before.as_str(), "migrated": false, "new_host": ""})))
}

pub(super) fn restart(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    if !allowed(call, &state, name, id)?.state.is_running() {
        return Err(Refusal::precondition("unable to restart a machine that is not running"));
    }
    launch(call, &mut state, name, id, Life::restart)?;
    Ok(Answer::done())
}

fn launch(
    call: &Call<'_>,
    state: &mut State,
    name: &str,
    id: &str,
    live: impl FnOnce(Life, &Launch<'_>) -> Life,
) -> Result<(), Refusal> {
    let now = machine(state, name, id)?;
    let config = now.parsed_config();
    let (launch, _) = state.launch(name, &now.config, &config);
    let life = live(Life::from(call.now_ms, state.pace), &launch);
    let machine = machine_mut(state, name, id)?;
    machine.checks_pass = launch.behavior != Behavior::ChecksNeverPass;
    machine.lead(life);
    state.advance(call.now_ms);
    Ok(())
}

pub(super) fn stop(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    halt(call, name, id, Life::stop)
}

pub(super) fn suspend(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    halt(call, name, id, |life, _auto_destroy| life.suspend())
}

/// A machine that does not run is left as it is.
fn halt(call: &Call<'_>, name: &str, id: &str, live: impl FnOnce(Life, bool) -> Life) -> Outcome {
    let mut state = call.core.state();
    let pace = state.pace;
    if allowed(call, &state, name, id)?.state.is_running() {
        let machine = machine_mut(&mut state, name, id)?;
        let auto_destroy = machine.parsed_config().auto_destroy == Some(true);
        machine.lead(live(Life::from(call.now_ms, pace), auto_destroy));
        state.advance(call.now_ms);
    }
    Ok(Answer::done())
}

pub(super) fn cordon(call: &Call<'_>, name: &str, id: &str, cordoned: bool) -> Outcome {
    let mut state = call.core.state();
    allowed(call, &state, name, id)?;
    machine_mut(&mut state, name, id)?.cordoned = cordoned;
    Ok(Answer::done())
}

/// Tells of one process that listens on all ports that the services name.
pub(super) fn processes(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let machine = machine(&state, name, id)?;
    if machine.state != MachineState::Started {
        return Err(Refusal::precondition("machine is not running"));
    }
    let sockets: Vec<_> = machine
        .parsed_config()
        .services
        .iter()
        .filter_map(|service| service.internal_port)
        .map(|port| json!({"proto": "tcp", "address": format!("0.0.0.0:{port}")}))
        .collect();
    Ok(Answer::ok(json!([{
        "pid": 314,
        "command": "/bin/app",
        "directory": "/",
        "cpu": 1,
        "rss": 16_777_216,
        "rtime": 1,
        "stime": 1,
        "listen_sockets": sockets,
    }])))
}
