//! Machines: made, looked at, changed and destroyed.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::{Answer, Call, Outcome, Refusal, allowed, app, app_mut, machine, machine_mut};
use super::volumes;
use crate::fly::wire::{CreateMachine, MachineConfig, UpdateMachine};
use crate::sandbox::machine::{Life, Machine, MachineState, image_ref, new_id};
use crate::sandbox::options::Behavior;
use crate::sandbox::state::State;

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let deleted = call.flag("include_deleted");
    let wanted = |machine: &&Machine| {
        (deleted || machine.state != MachineState::Destroyed)
            && call.query.iter().all(|(key, value)| match key.as_str() {
                "state" => value.split(',').any(|state| state == machine.state.as_str()),
                "region" => *value == machine.region,
                _ => key
                    .strip_prefix("metadata.")
                    .is_none_or(|key| machine.metadata(key) == Some(value)),
            })
    };
    let json = |machine: &Machine| machine.json(call.now_ms, &state.pace, false);
    Ok(Answer::ok(app(&state, name)?.machines.values().filter(wanted).map(json).collect()))
}

pub(super) fn get(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let machine = machine(&state, name, id)?;
    Ok(Answer::ok(machine.json(call.now_ms, &state.pace, false)))
}

pub(super) fn events(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let limit = call.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
    let events: Vec<_> = machine(&state, name, id)?.events.iter().take(limit).collect();
    Ok(Answer::ok(serde_json::json!(events)))
}

pub(super) fn create(call: &Call<'_>, name: &str) -> Outcome {
    let (request, raw): (CreateMachine, Value) = read(call)?;
    check_config(&request.config)?;
    let mut state = call.core.state();
    volumes::check(&state, name, None, &request.config)?;
    let (launch, digest) = state.launch(name, &raw, &request.config);
    let life =
        Life::from(call.now_ms, state.pace).create(Some(&launch).filter(|_| !request.skip_launch));
    let checks_pass = launch.behavior != Behavior::ChecksNeverPass;
    let app = app_mut(&mut state, name)?;
    let id = new_id();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut machine = Machine {
        name: given(request.name).unwrap_or_else(|| format!("sand-{id}")),
        region: given(request.region).unwrap_or_else(|| "iad".into()),
        private_ip: format!("fdaa:0:{:x}:a7b::{:x}", app.number, app.machines.len() + 2),
        id: id.clone(),
        image_ref: image_ref(&request.config.image, digest),
        config: raw,
        cordoned: request.skip_service_registration,
        checks_pass,
        created_at_ms: call.now_ms,
        ..Machine::default()
    };
    machine.begin(call.now_ms);
    if let Some(ttl_s) = request.lease_ttl.filter(|ttl_s| *ttl_s > 0) {
        machine.take_lease(None, ttl_s, String::new(), call.now_ms)?;
    }
    machine.lead(life);
    app.machines.insert(id.clone(), machine);
    told(call, &mut state, name, &id)
}

pub(super) fn update(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let (request, raw): (UpdateMachine, Value) = read(call)?;
    check_config(&request.config)?;
    let mut state = call.core.state();
    let now = allowed(call, &state, name, id)?;
    if request.current_version.as_ref().is_some_and(|version| *version != now.instance_id) {
        return Err(Refusal::conflict(format!(
            "current machine version is {}, not the one that was named",
            now.instance_id
        )));
    }
    let runs = now.state.is_running();
    volumes::check(&state, name, Some(id), &request.config)?;
    let (launch, digest) = state.launch(name, &raw, &request.config);
    let life = Life::from(call.now_ms, state.pace)
        .update(runs, Some(&launch).filter(|_| !request.skip_launch));
    let checks_pass = launch.behavior != Behavior::ChecksNeverPass;
    let machine = machine_mut(&mut state, name, id)?;
    if let Some(region) = request.region.filter(|region| !region.is_empty()) {
        machine.region = region;
    }
    machine.image_ref = image_ref(&request.config.image, digest);
    machine.config = raw;
    machine.checks_pass = checks_pass;
    machine.renew(call.now_ms);
    machine.lead(life);
    told(call, &mut state, name, id)
}

pub(super) fn destroy(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    let forced = call.flag("force") || call.flag("kill");
    let pace = state.pace;
    let now = allowed(call, &state, name, id)?;
    if now.state.is_running() && !forced {
        let text = format!("unable to destroy machine, it is {}", now.state.as_str());
        return Err(Refusal::precondition(text));
    }
    let machine = machine_mut(&mut state, name, id)?;
    machine.lease = None;
    machine.lead(Life::from(call.now_ms, pace).destroy("user"));
    state.advance(call.now_ms);
    Ok(Answer::done())
}

/// Reads a request, and the config in it as it was sent.
fn read<T: DeserializeOwned>(call: &Call<'_>) -> Result<(T, Value), Refusal> {
    let request = call.json()?;
    let mut body: Value = call.json()?;
    Ok((request, body.get_mut("config").map(Value::take).unwrap_or_default()))
}

fn check_config(config: &MachineConfig) -> Result<(), Refusal> {
    if config.image.is_empty() {
        return Err(Refusal::invalid("invalid_argument: config.image is required"));
    }
    Ok(())
}

/// Tells of a machine once what was ordered has begun, its nonce included.
fn told(call: &Call<'_>, state: &mut State, name: &str, id: &str) -> Outcome {
    state.advance(call.now_ms);
    let machine = machine(state, name, id)?;
    Ok(Answer::ok(machine.json(call.now_ms, &state.pace, true)))
}
