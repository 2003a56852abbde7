//! Machines: made, looked at, changed and destroyed.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{allowed, app, app_mut, living, machine, machine_mut};
use super::{capacity, machine_config, volumes};
use crate::fly::wire::{CreateMachine, UpdateMachine};
use crate::sandbox::behavior::WORDS;
use crate::sandbox::capacity::{NEAREST, is_region};
use crate::sandbox::machine::{Life, Machine, MachineState, Told, image_ref, new_id};
use crate::sandbox::registry::weigh;
use crate::sandbox::state::State;

/// Whether the lease of machines is told, too.
fn told(call: &Call<'_>) -> Told {
    if call.flag("include_leases") { Told::Lease } else { Told::NoLease }
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let limit = call.number("limit", usize::MAX)?;
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
    let cursor = call.query("cursor").unwrap_or_default();
    let machines = &app(&state, name)?.machines;
    let mut rest = machines.values().filter(wanted).filter(|machine| machine.id.as_str() > cursor);
    let page: Vec<&Machine> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| page.last()).map(|machine| machine.id.clone());
    let json = |machine: &Machine| machine.json(call.now_ms, &state.pace, told(call));
    Ok(Answer::ok(page.into_iter().map(json).collect()).going_on_at(next))
}

pub(super) fn get(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let machine = machine(&state, name, id)?;
    Ok(Answer::ok(machine.json(call.now_ms, &state.pace, told(call))))
}

pub(super) fn events(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let limit = call.number("limit", 20)?;
    let state = call.core.state();
    let events: Vec<_> = machine(&state, name, id)?.events.iter().take(limit).collect();
    Ok(Answer::ok(serde_json::json!(events)))
}

pub(super) async fn create(call: &Call<'_>, name: &str) -> Outcome {
    let (request, raw): (CreateMachine, Value) = read(call)?;
    machine_config::check(&request.config)?;
    weigh(call.core, name, &request.config.image).await;
    let mut state = call.core.state();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let volume = volumes::mountable(&state, name, None, &request.config)?;
    let region = match (given(request.region), volume) {
        (Some(region), _) => region,
        (None, Some(volume)) => volume.region.clone(),
        (None, None) => NEAREST.to_owned(),
    };
    if !is_region(&region) {
        return Err(Refusal::invalid(format!("invalid_argument: region {region} is unknown")));
    }
    volumes::check_region(volume, &region)?;
    if !state.rooms.is_there(name, &region) {
        return Err(capacity::none_for_new(volume.is_some()));
    }
    let id = new_id();
    let (launch, digest) =
        state.launch(name, &id, &raw, &request.config).map_err(|text| misordered(&text))?;
    let life =
        Life::from(call.now_ms, state.pace).create(Some(&launch).filter(|_| !request.skip_launch));
    let behavior = launch.behavior;
    state.rooms.take(name, &region);
    let app = app_mut(&mut state, name)?;
    let mut machine = Machine {
        name: given(request.name).unwrap_or_else(|| format!("sand-{id}")),
        region,
        private_ip: format!("fdaa:0:{:x}:a7b::{:x}", app.number, app.machines.len() + 2),
        id: id.clone(),
        image_ref: image_ref(&request.config.image, digest),
        config: raw,
        cordoned: request.skip_service_registration,
        behavior,
        created_at_ms: call.now_ms,
        ..Machine::default()
    };
    machine.begin(call.now_ms);
    take_lease(call, &mut machine, request.lease_ttl)?;
    life.lead(&mut machine);
    app.machines.insert(id.clone(), machine);
    begun(call, &mut state, name, &id)
}

pub(super) async fn update(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    #[derive(Deserialize)]
    struct More {
        #[serde(default)]
        skip_service_registration: bool,
    }
    let (request, raw): (UpdateMachine, Value) = read(call)?;
    let More { skip_service_registration } = call.json()?;
    machine_config::check(&request.config)?;
    weigh(call.core, name, &request.config.image).await;
    let mut state = call.core.state();
    let now = allowed(call, &state, name, id)?;
    if request.current_version.as_ref().is_some_and(|version| *version != now.instance_id) {
        return Err(Refusal::conflict(format!(
            "current machine version is {}, not the one that was named",
            now.instance_id
        )));
    }
    let region = request.region.filter(|region| !region.is_empty());
    if region.as_ref().is_some_and(|region| *region != now.region) {
        return Err(Refusal::invalid("invalid_argument: a machine cannot change its region"));
    }
    if machine_config::mounted(&now.config) != machine_config::mounted(&raw) {
        let text = "invalid_argument: config.mounts: a machine cannot change its volume";
        return Err(Refusal::invalid(text));
    }
    let old = now.parsed_config();
    if capacity::grows(old.guest.as_ref(), request.config.guest.as_ref())
        && !state.rooms.is_there(name, &now.region)
    {
        return Err(capacity::none_for_known());
    }
    let runs = now.state.is_running();
    volumes::mountable(&state, name, Some(id), &request.config)?;
    let (launch, digest) =
        state.launch(name, id, &raw, &request.config).map_err(|text| misordered(&text))?;
    let life = Life::from(call.now_ms, state.pace)
        .update(runs, Some(&launch).filter(|_| !request.skip_launch));
    let behavior = launch.behavior;
    let machine = machine_mut(&mut state, name, id)?;
    if let Some(name) = request.name.filter(|name| !name.is_empty()) {
        machine.name = name;
    }
    machine.image_ref = image_ref(&request.config.image, digest);
    machine.config = raw;
    machine.cordoned |= skip_service_registration;
    machine.behavior = behavior;
    machine.renew(call.now_ms);
    take_lease(call, machine, request.lease_ttl)?;
    life.lead(machine);
    begun(call, &mut state, name, id)
}

pub(super) fn destroy(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    let forced = call.flag("force") || call.flag("kill");
    let pace = state.pace;
    // By force also where the host is lost: flyctl counts on it when it replaces a machine.
    let now = if forced {
        let machine = living(&state, name, id)?;
        machine.check_lease(call.nonce(), call.now_ms)?;
        machine
    } else {
        allowed(call, &state, name, id)?
    };
    if now.state.is_running() && !forced {
        let text = format!("unable to destroy machine, it is {}", now.state.as_str());
        return Err(Refusal::precondition(text));
    }
    let machine = machine_mut(&mut state, name, id)?;
    machine.lease = None;
    Life::from(call.now_ms, pace).destroy("user").lead(machine);
    state.advance(call.now_ms);
    Ok(Answer::done())
}

/// Reads a request, and the config in it as it was sent.
fn read<T: DeserializeOwned>(call: &Call<'_>) -> Result<(T, Value), Refusal> {
    let request = call.json()?;
    let mut body: Value = call.json()?;
    Ok((request, body.get_mut("config").map(Value::take).unwrap_or_default()))
}

/// Takes the lease that a request asks for beside what it is about, or renews its own.
fn take_lease(call: &Call<'_>, machine: &mut Machine, ttl_s: Option<u64>) -> Result<(), Refusal> {
    if let Some(ttl_s) = ttl_s.filter(|ttl_s| *ttl_s > 0) {
        machine.take_lease(call.nonce(), ttl_s, String::new(), call.now_ms)?;
    }
    Ok(())
}

/// The environment orders what is no behavior.
pub(super) fn misordered(text: &str) -> Refusal {
    Refusal::invalid(format!("invalid_argument: {text}: the sandbox knows {WORDS}"))
}

/// Tells of a machine once what was ordered has begun, its nonce included.
fn begun(call: &Call<'_>, state: &mut State, name: &str, id: &str) -> Outcome {
    state.advance(call.now_ms);
    let machine = machine(state, name, id)?;
    Ok(Answer::ok(machine.json(call.now_ms, &state.pace, Told::Nonce)))
}
