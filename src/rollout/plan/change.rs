//! What a machine that stays in its group needs.

use serde::Serialize;

use crate::fly::wire::{Check, MachineConfig, Mount, Restart, StopConfig};
use crate::rollout::Settings;

use super::volumes::FreeVolumes;
use super::{Conflict, Existing};

/// A machine that gets another configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// In place.
    Update(Update),
    /// By a new machine, for it cannot be had in place.
    Replace(Replace),
}

/// A machine that gets another configuration in place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    /// The machine.
    #[serde(flatten)]
    pub from: Existing,
    /// What it shall run.
    pub config: Box<MachineConfig>,
    /// Whether it does not run and stays so.
    pub skip_launch: bool,
}

/// A machine that makes way for a new one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replace {
    /// The machine that goes.
    #[serde(flatten)]
    pub from: Existing,
    /// What the new one shall run.
    pub config: Box<MachineConfig>,
    /// Whether the old one does not run, so that the new one shall not.
    pub skip_launch: bool,
    /// Why, in half a sentence.
    pub reason: String,
}

impl Change {
    /// Returns the machine as it was found.
    pub fn from(&self) -> &Existing {
        match self {
            Self::Update(update) => &update.from,
            Self::Replace(replace) => &replace.from,
        }
    }

    /// Returns what shall run.
    pub fn config(&self) -> &MachineConfig {
        match self {
            Self::Update(update) => &update.config,
            Self::Replace(replace) => &replace.config,
        }
    }

    /// Returns whether it does not run and stays so.
    pub fn skip_launch(&self) -> bool {
        match self {
            Self::Update(update) => update.skip_launch,
            Self::Replace(replace) => replace.skip_launch,
        }
    }
}

pub(super) enum Verdict {
    Unchanged,
    LeftAlone(String),
    Change(Change),
}

/// Says how a machine gets the configuration `next`, which names no volume where it wants
/// another than the machine has.
pub(super) fn judge(
    from: &Existing,
    mut next: MachineConfig,
    settings: &Settings,
    free: &mut FreeVolumes,
) -> Result<Verdict, Conflict> {
    let has = from.config.mounts.first();
    let wants_other = next.mounts.first().is_some_and(|mount| mount.volume.is_none());
    if !from.is_reachable && has.is_some() && !wants_other && !next.mounts.is_empty() {
        return Ok(Verdict::LeftAlone("its volume is on a host that cannot be reached".to_owned()));
    }
    let mut reason = (!from.is_reachable).then(|| "its host cannot be reached".to_owned());

    match (has, next.mounts.first()) {
        (Some(has), None) => {
            if !settings.may_detach_volumes {
                return Err(Conflict::VolumeWouldGo {
                    machine: from.id.clone(),
                    group: from.group.clone(),
                    volume: name_of(has).to_owned(),
                });
            }
            reason = Some("fly.toml has no mount for its volume any more".to_owned());
        }
        (Some(has), Some(wants)) if wants.volume.is_none() => {
            return Err(Conflict::OtherVolume {
                machine: from.id.clone(),
                group: from.group.clone(),
                has: name_of(has).to_owned(),
                wants: name_of(wants).to_owned(),
            });
        }
        (None, Some(_)) => reason = Some("it has no volume yet".to_owned()),
        _ => {}
    }

    let dedication = |config: &MachineConfig| {
        config.guest.as_ref().and_then(|guest| guest.host_dedication_id.clone())
    };
    let wanted = dedication(&next);
    if wanted.is_some() && wanted != dedication(&from.config) {
        if let Some(has) = has.filter(|_| !next.mounts.is_empty()) {
            return Err(Conflict::VolumeBound {
                machine: from.id.clone(),
                volume: name_of(has).to_owned(),
                dedication: wanted.unwrap_or_default(),
            });
        }
        reason.get_or_insert_with(|| "it must run on another dedicated host".to_owned());
    }

    let skip_launch = skips_launch(&from.state, &next);
    if let Some(reason) = reason {
        if let Some(mount) = next.mounts.first_mut() {
            mount.volume = free.take(&from.group, name_of(mount), Some(&from.region));
        }
        let config = Box::new(next);
        let replace = Replace { from: from.clone(), config, skip_launch, reason };
        return Ok(Verdict::Change(Change::Replace(replace)));
    }
    if is_same(from, &next) {
        return Ok(Verdict::Unchanged);
    }
    let update = Update { from: from.clone(), config: Box::new(next), skip_launch };
    Ok(Verdict::Change(Change::Update(update)))
}

fn name_of(mount: &Mount) -> &str {
    mount.name.as_deref().or(mount.volume.as_deref()).unwrap_or_default()
}

/// A machine that does not run is given the configuration and left as it is; one that has
/// failed is started again. A standby that failed is, too: it was started for a reason.
fn skips_launch(state: &str, next: &MachineConfig) -> bool {
    match state {
        "started" | "starting" | "failed" => false,
        "restarting" | "replacing" | "updating" => !next.standbys.is_empty(),
        _ => true,
    }
}

/// Whether the machine has the wanted image and configuration and is in order.
fn is_same(from: &Existing, next: &MachineConfig) -> bool {
    let Some((_, digest)) = next.image.split_once('@') else {
        return false; // A tag may point elsewhere since.
    };
    let runs = from.image.split_once('@').map(|(_, digest)| digest);
    let same_image = from.config.image == next.image || runs == Some(digest);
    // A standby that was just made is `created` for a moment, and nobody starts it.
    let in_order =
        matches!(from.state.as_str(), "created" | "started" | "starting" | "stopped" | "suspended");
    if !same_image || !in_order {
        return false;
    }
    let mut now = (*from.config).clone();
    now.image.clone_from(&next.image);
    in_one_order(now) == in_one_order(next.clone())
}

/// Takes away differences that mean nothing: the order of headers, empty tables.
fn in_one_order(mut config: MachineConfig) -> MachineConfig {
    let sort = |check: &mut Check| check.headers.sort();
    config.checks.values_mut().for_each(sort);
    config.services.iter_mut().flat_map(|service| &mut service.checks).for_each(sort);
    config.restart = config.restart.filter(|restart| *restart != Restart::default());
    config.stop_config = config.stop_config.filter(|stop| *stop != StopConfig::default());
    config
}
