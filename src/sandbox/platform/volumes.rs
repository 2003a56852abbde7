//! Volumes. They hold nothing; machines have them or do not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{app, app_mut};
use crate::fly::wire::MachineConfig;
use crate::sandbox::app::{App, Volume};
use crate::sandbox::capacity::{NEAREST, is_region};
use crate::sandbox::machine::{new_id, timestamp};
use crate::sandbox::state::State;

/// As large as a volume may be, in GB.
const MOST_GB: u64 = 500;

pub(in crate::sandbox) fn view(app: &App, volume: &Volume) -> Value {
    let holder = app.holder(&volume.id);
    json!({
        "id": volume.id,
        "name": volume.name,
        "region": volume.region,
        "state": "created",
        "size_gb": volume.size_gb,
        "zone": "0000",
        "encrypted": volume.encrypted,
        "fstype": volume.fstype,
        "host_status": holder.map_or("ok", |machine| machine.host.as_str()),
        "attached_machine_id": holder.map(|machine| &machine.id),
        "attached_alloc_id": null,
        "snapshot_retention": volume.snapshot_retention,
        "auto_backup_enabled": volume.auto_backup_enabled,
        "created_at": timestamp(volume.created_at_ms),
    })
}

fn find<'a>(app: &'a App, id: &str) -> Result<&'a Volume, Refusal> {
    let volume = app.volumes.iter().find(|volume| volume.id == id);
    volume.ok_or_else(|| Refusal::not_found(&format!("volume {id}")))
}

pub(super) fn list(call: &Call<'_>, name: &str) -> Outcome {
    let state = call.core.state();
    let app = app(&state, name)?;
    Ok(Answer::ok(app.volumes.iter().map(|volume| view(app, volume)).collect()))
}

pub(super) fn get(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let app = app(&state, name)?;
    Ok(Answer::ok(view(app, find(app, id)?)))
}

/// What a volume may be asked to be; what is null is left to the platform.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    name: String,
    region: Option<String>,
    size_gb: Option<u64>,
    encrypted: Option<bool>,
    fstype: Option<String>,
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
    snapshot_id: Option<String>,
    source_volume_id: Option<String>,
}

/// Makes a volume. What it is made for (`compute`, `compute_image`) and which zones it must
/// not share do not matter here: there is one host.
pub(super) fn create(call: &Call<'_>, name: &str) -> Outcome {
    let wanted: Wanted = call.json()?;
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if wanted.name.is_empty() || wanted.name.len() > 30 || !wanted.name.chars().all(named) {
        let text = "invalid_argument: name must be at most 30 lower-case letters, digits and _";
        return Err(Refusal::invalid(text));
    }
    if wanted.snapshot_id.is_some() {
        return Err(Refusal::not_found("snapshot"));
    }
    let source = wanted.source_volume_id.as_deref().map(|id| find(app, id)).transpose()?.cloned();
    let usual_gb = source.as_ref().map_or(1, |source| source.size_gb);
    let volume = Volume {
        id: format!("vol_{}", new_id()),
        name: wanted.name,
        region: wanted.region.filter(|r| !r.is_empty()).unwrap_or_else(|| NEAREST.into()),
        size_gb: wanted.size_gb.unwrap_or(usual_gb),
        encrypted: wanted.encrypted.unwrap_or(true),
        fstype: wanted.fstype.unwrap_or_else(|| "ext4".into()),
        snapshot_retention: wanted.snapshot_retention.unwrap_or(5),
        auto_backup_enabled: wanted.auto_backup_enabled.unwrap_or(true),
        created_at_ms: call.now_ms,
    };
    if !is_region(&volume.region) {
        let text = format!("invalid_argument: region {} is unknown", volume.region);
        return Err(Refusal::invalid(text));
    }
    check_size(volume.size_gb)?;
    check_retention(volume.snapshot_retention)?;
    if !matches!(volume.fstype.as_str(), "ext4" | "raw") {
        return Err(Refusal::invalid("invalid_argument: fstype must be ext4 or raw"));
    }
    let told = view(app, &volume);
    app.volumes.push(volume);
    Ok(Answer::ok(told))
}

fn check_size(size_gb: u64) -> Result<(), Refusal> {
    if (1..=MOST_GB).contains(&size_gb) {
        return Ok(());
    }
    let text = format!("invalid_argument: size_gb must be between 1 and {MOST_GB}");
    Err(Refusal::invalid(text))
}

fn check_retention(days: u64) -> Result<(), Refusal> {
    if (1..=60).contains(&days) {
        return Ok(());
    }
    Err(Refusal::invalid("invalid_argument: snapshot_retention must be between 1 and 60"))
}

/// Changes how a volume is kept safe.
pub(super) fn update(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let wanted: Wanted = call.json()?;
    change(call, name, id, |volume| {
        if let Some(days) = wanted.snapshot_retention {
            check_retention(days)?;
            volume.snapshot_retention = days;
        }
        volume.auto_backup_enabled =
            wanted.auto_backup_enabled.unwrap_or(volume.auto_backup_enabled);
        Ok(())
    })
    .map(Answer::ok)
}

/// Makes a volume larger.
pub(super) fn extend(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Extend {
        size_gb: u64,
    }
    let Extend { size_gb } = call.json()?;
    let told = change(call, name, id, |volume| {
        check_size(size_gb)?;
        if size_gb < volume.size_gb {
            return Err(Refusal::unprocessable("a volume cannot be made smaller"));
        }
        volume.size_gb = size_gb;
        Ok(())
    })?;
    Ok(Answer::ok(json!({"volume": told, "needs_restart": false})))
}

fn change(
    call: &Call<'_>,
    name: &str,
    id: &str,
    change: impl FnOnce(&mut Volume) -> Result<(), Refusal>,
) -> Result<Value, Refusal> {
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    let volume = app.volumes.iter_mut().find(|volume| volume.id == id);
    change(volume.ok_or_else(|| Refusal::not_found(&format!("volume {id}")))?)?;
    let app = &*app;
    Ok(view(app, find(app, id)?))
}

/// Destroys a volume that no machine has.
pub(super) fn destroy(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let mut state = call.core.state();
    let app = app_mut(&mut state, name)?;
    let mut told = view(app, find(app, id)?);
    if let Some(machine) = app.holder(id) {
        let text = format!("volume {id} is attached to machine {}", machine.id);
        return Err(Refusal::precondition(text));
    }
    app.volumes.retain(|volume| volume.id != id);
    if let Some(members) = told.as_object_mut() {
        members.insert("state".into(), "pending_destroy".into());
    }
    Ok(Answer::ok(told))
}

/// Returns the volume that a config mounts. Refuses one that is not there, or that a machine
/// other than `id` has.
pub(super) fn mountable<'s>(
    state: &'s State,
    name: &str,
    id: Option<&str>,
    config: &MachineConfig,
) -> Result<Option<&'s Volume>, Refusal> {
    let app = app(state, name)?;
    let Some(volume) = config.mounts.first().and_then(|mount| mount.volume.as_deref()) else {
        return Ok(None);
    };
    let volume = find(app, volume)?;
    let holder = app.holder(&volume.id).filter(|holder| Some(holder.id.as_str()) != id);
    if let Some(holder) = holder {
        let text = format!("volume {} is in use by machine {}", volume.id, holder.id);
        return Err(Refusal::precondition(text));
    }
    let named = config.mounts.first().and_then(|mount| mount.name.as_deref());
    if named.is_some_and(|named| !named.is_empty() && named != volume.name) {
        let text = format!("invalid_argument: volume {} is named {}", volume.id, volume.name);
        return Err(Refusal::invalid(text));
    }
    Ok(Some(volume))
}

/// Refuses a volume that is not in the region of its machine.
pub(super) fn check_region(volume: Option<&Volume>, region: &str) -> Result<(), Refusal> {
    match volume {
        Some(volume) if volume.region != region => {
            let Volume { id, region: there, .. } = volume;
            let text =
                format!("volume {id} is in region {there}, the machine would be in {region}");
            Err(Refusal::unprocessable(text))
        }
        _ => Ok(()),
    }
}
