//! Which volumes go to which machines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fly::wire::Volume;

use super::Conflict;

/// A volume that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewVolume {
    /// The process group whose machine gets it.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Where; the platform chooses when the configuration does not.
    pub region: Option<String>,
    /// Its size in GB.
    pub size_gb: u64,
    /// For how many days its snapshots are kept.
    pub snapshot_retention: Option<u64>,
    /// Whether snapshots are made by themselves.
    pub scheduled_snapshots: Option<bool>,
}

/// Where the volume of a new machine comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// It needs none.
    None,
    /// It is there, and this is its ID.
    Free(String),
    /// It is the one that is made for the group.
    New,
}

/// The volumes that no machine has, and what could not be had of them.
pub(super) struct FreeVolumes {
    free: Vec<Volume>,
    /// By process group, name and region: how many are missing.
    missing: BTreeMap<(String, String, String), usize>,
}

impl FreeVolumes {
    pub(super) fn of(volumes: &[Volume]) -> Self {
        let free = volumes.iter().filter(|volume| volume.is_free()).cloned().collect();
        Self { free, missing: BTreeMap::new() }
    }

    /// Takes the ID of a free volume, if there is one.
    pub(super) fn try_take(&mut self, name: &str, region: Option<&str>) -> Option<String> {
        let fits = |volume: &Volume| {
            volume.name == name && region.is_none_or(|region| volume.region == region)
        };
        let place = self.free.iter().position(fits)?;
        Some(self.free.remove(place).id)
    }

    /// Takes the ID of a free volume; where there is none, [`FreeVolumes::check`] tells.
    pub(super) fn take(&mut self, group: &str, name: &str, region: Option<&str>) -> Option<String> {
        let taken = self.try_take(name, region);
        if taken.is_none() {
            let key = (group.to_owned(), name.to_owned(), region.unwrap_or_default().to_owned());
            *self.missing.entry(key).or_default() += 1;
        }
        taken
    }

    /// Fails when volumes were wanted that are not there.
    pub(super) fn check(self, app: &str) -> Result<(), Conflict> {
        let missing: Vec<_> = self.missing.into_iter().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let of = |((group, name, region), count): &((String, String, String), usize)| {
            let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
            format!("process group `{group}` needs {count} more of volume `{name}`{place}")
        };
        let command = |((_, name, region), count): &((String, String, String), usize)| {
            let place = if region.is_empty() { String::new() } else { format!(" -r {region}") };
            format!("`fly volume create {name}{place} -n {count} -a {app}`")
        };
        Err(Conflict::VolumesMissing {
            missing: missing.iter().map(of).collect::<Vec<_>>().join("; "),
            commands: missing.iter().map(command).collect::<Vec<_>>().join(" and "),
        })
    }
}
