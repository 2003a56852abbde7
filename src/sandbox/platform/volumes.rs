//! Volumes. They hold nothing; machines have them or do not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal, app, app_mut};
use crate::fly::wire::MachineConfig;
use crate::sandbox::machine::{Machine, new_id, timestamp};
use crate::sandbox::state::{App, State, Volume};

/// Returns the machine that has a volume.
fn holder<'a>(app: &'a App, volume: &str) -> Option<&'a Machine> {
    let mounts = |config: MachineConfig| {
        config.mounts.iter().any(|mount| mount.volume.as_deref() == Some(volume))
    };
    app.machines
        .values()
        .filter(|machine| !machine.state.is_gone())
        .find(|machine| mounts(machine.parsed_config()))
}

fn view(app: &App, volume: &Volume) -> Value {
    json!({
        "id": volume.id,
        "name": volume.name,
        "region": volume.region,
        "state": "created",
        "size_gb": volume.size_gb,
        "zone": "0000",
        "encrypted": true,
        "fstype": "ext4",
        "host_status": "ok",
        "attached_machine_id": holder(app, &volume.id).map(|machine| &machine.id),
        "attached_alloc_id": null,
        "snapshot_retention": 5,
        "auto_backup_enabled": true,
        "created_at": timestamp(volume.created_at_ms),
    })
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let app = app(&state, name)?;
    Ok(Answer::ok(app.volumes.iter().map(|volume| view(app, volume)).collect()))
}

pub(super) fn create(call: &Call<'_>, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Create {
        name: String,
        region: Option<String>,
        size_gb: Option<u64>,
    }
    let request: Create = call.json()?;
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    let volume = Volume {
        id: format!("vol_{}", new_id()),
        name: request.name,
        region: request.region.unwrap_or_else(|| "iad".into()),
        size_gb: request.size_gb.unwrap_or(1),
        created_at_ms: call.now_ms,
    };
    let told = view(app, &volume);
    app.volumes.push(volume);
    Ok(Answer::ok(told))
}

/// Refuses a config with volumes that are not there or that a machine other than `id` has.
pub(super) fn check(
    state: &State,
    name: &str,
    id: Option<&str>,
    config: &MachineConfig,
) -> Result<(), Refusal> {
    let app = app(state, name)?;
    for volume in config.mounts.iter().filter_map(|mount| mount.volume.as_deref()) {
        if app.volumes.iter().all(|known| known.id != volume) {
            return Err(Refusal::not_found(&format!("volume {volume}")));
        }
        if holder(app, volume).is_some_and(|machine| Some(machine.id.as_str()) != id) {
            let text = format!("volume {volume} is attached to another machine");
            return Err(Refusal::precondition(text));
        }
    }
    Ok(())
}
