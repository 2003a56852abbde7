//! Orders to machines that exist: start, stop, suspend, restart, cordon.

use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::capacity;
use super::lookup::{allowed, machine, machine_mut};
use super::machines::misordered;
use crate::fly::wire::MachineConfig;
use crate::sandbox::behavior::Behavior;
use crate::sandbox::machine::{Launch, Life, MachineState};
use crate::sandbox::registry::weigh;
use crate::sandbox::state::State;

/// Signals that a machine may be asked to stop by.
const SIGNALS: [&str; 7] =
    ["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM"];

pub(super) async fn start(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    weigh_known(call, name, id).await?;
    let mut state = call.core.state();
    let now = allowed(call, &state, name, id)?;
    let before = now.state;
    match before {
        MachineState::Started | MachineState::Starting => {}
        MachineState::Created
        | MachineState::Stopped
        | MachineState::Suspended
        | MachineState::Failed => {
            if !state.rooms.is_there(name, &now.region) {
                return Err(capacity::none_for_known());
            }
            launch(call, &mut state, name, id, Life::boot)?;
        }
        other => {
            let text = format!("unable to start machine from state {}", other.as_str());
            return Err(Refusal::precondition(text));
        }
    }
    Ok(Answer::ok(json!({"previous_state": before.as_str(), "migrated": false, "new_host": ""})))
}

pub(super) async fn restart(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    check_signal(call.query("signal"))?;
    weigh_known(call, name, id).await?;
    let mut state = call.core.state();
    if !allowed(call, &state, name, id)?.state.is_running() {
        return Err(Refusal::precondition("unable to restart a machine that is not running"));
    }
    launch(call, &mut state, name, id, Life::restart)?;
    Ok(Answer::done())
}

async fn weigh_known(call: &Call<'_>, name: &str, id: &str) -> Result<(), Refusal> {
    let image = machine(&call.core.state(), name, id)?.parsed_config().image;
    weigh(call.core, name, &image).await;
    Ok(())
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
    let (launch, _) =
        state.launch(name, id, &now.config, &config).map_err(|text| misordered(&text))?;
    let life = live(Life::from(call.now_ms, state.pace), &launch);
    let machine = machine_mut(state, name, id)?;
    machine.behavior = launch.behavior;
    machine.restarts = 0;
    life.lead(machine);
    state.advance(call.now_ms);
    Ok(())
}

pub(super) fn stop(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    /// As flyctl sends it, with the machine's own ID and a duration as Go writes it.
    #[derive(Deserialize)]
    struct Stop {
        id: Option<String>,
        signal: Option<String>,
        timeout: Option<String>,
    }
    let Stop { id: named, signal, timeout } = call.json()?;
    if named.is_some_and(|named| !named.is_empty() && named != id) {
        return Err(Refusal::invalid("invalid_argument: id names another machine"));
    }
    check_signal(signal.as_deref())?;
    if let Some(timeout) = timeout.filter(|timeout| !timeout.is_empty()) {
        humantime::parse_duration(&timeout)
            .map_err(|error| Refusal::invalid(format!("invalid_argument: timeout: {error}")))?;
    }
    halt(call, name, id, Life::stop)
}

fn check_signal(signal: Option<&str>) -> Result<(), Refusal> {
    match signal.filter(|signal| !signal.is_empty()) {
        Some(signal) if !SIGNALS.contains(&signal) => {
            Err(Refusal::invalid(format!("invalid_argument: signal {signal} is unknown")))
        }
        _ => Ok(()),
    }
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
        live(Life::from(call.now_ms, pace), auto_destroy).lead(machine);
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
    let host = match machine.behavior {
        Behavior::ListensOnLoopback => "127.0.0.1",
        _ => "0.0.0.0",
    };
    Ok(Answer::ok(json!([{
        "pid": 314,
        "command": "/bin/app",
        "directory": "/",
        "cpu": 1,
        "rss": 16_777_216,
        "rtime": 1,
        "stime": 1,
        "listen_sockets": sockets(&machine.parsed_config(), host),
    }])))
}

fn sockets(config: &MachineConfig, host: &str) -> Vec<serde_json::Value> {
    let services = config.services.iter();
    services
        .filter_map(|service| {
            let proto = service.protocol.as_deref().unwrap_or("tcp");
            let address = format!("{host}:{}", service.internal_port?);
            Some(json!({"proto": proto, "address": address}))
        })
        .collect()
}
