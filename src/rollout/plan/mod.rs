//! From what runs and what is wanted to what is to be done. No clock, no network.

mod change;
mod conflict;
mod existing;
mod groups;
mod strategy;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fly::config::AppConfig;
use crate::fly::wire::{AddressKind, MachineConfig};

use super::{Current, Settings, Target};

pub use change::{Change, Replace, Update};
pub use conflict::Conflict;
pub use existing::Existing;
pub use groups::{Create, Spare};
pub use strategy::Canary;
pub use volumes::{NewVolume, VolumeSource};

use change::Verdict;
use volumes::FreeVolumes;

/// What is to be done, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Addresses that a fresh app gets.
    pub addresses: Vec<AddressKind>,
    /// Whether services want a dedicated address that nobody has agreed to pay for.
    pub unpaid_address: bool,
    /// Volumes that a fresh app gets.
    pub volumes: Vec<NewVolume>,
    /// Machines by which a canary deploy tries the image first.
    pub canaries: Vec<Canary>,
    /// Machines that process groups without any get.
    pub creates: Vec<Create>,
    /// Machines that get another configuration, by process group.
    pub changes: BTreeMap<String, Vec<Change>>,
    /// Machines of groups that the configuration has no more.
    pub destroys: Vec<Existing>,
    /// Machines that run this image and configuration already.
    pub unchanged: Vec<Existing>,
    /// Machines that cannot be brought to it now.
    pub left_alone: Vec<LeftAlone>,
    /// Whether nothing was deployed to the app before.
    pub is_first: bool,
}

/// A machine that stays as it is, though it should not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// ID of the machine.
    pub machine: String,
    /// Why, in half a sentence.
    pub reason: String,
}

impl Plan {
    /// Returns whether no machine is to be touched.
    pub fn is_empty(&self) -> bool {
        self.creates.is_empty() && self.changes.is_empty() && self.destroys.is_empty()
    }

    /// Returns all changes, by process group and machine.
    pub fn all_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values().flatten()
    }

    /// Returns the IDs of the machines that must be leased.
    pub(super) fn leased(&self) -> Vec<&str> {
        let reachable = |machine: &&Existing| machine.is_reachable;
        let changed = self.all_changes().map(Change::from).filter(reachable);
        let destroyed = self.destroys.iter().filter(reachable);
        changed.chain(destroyed).map(|machine| machine.id.as_str()).collect()
    }
}

/// Compares what there is with what `target`, `image` and `settings` want.
///
/// # Errors
///
/// Fails when they do not fit: nothing has been done then.
pub fn plan(
    current: &Current,
    target: &Target,
    image: &str,
    settings: &Settings,
) -> Result<Plan, Conflict> {
    let default_group = target.config().map(AppConfig::default_group);
    let group_of = |machine: &_| Existing::of(machine, default_group.as_deref());
    let all: Vec<(Existing, bool)> = current
        .machines
        .iter()
        .map(|machine| {
            let existing = group_of(machine);
            let within = settings.scope.has(machine, &existing.group);
            (existing, within)
        })
        .collect();
    groups::check_scope(&all, target, settings)?;
    if let Some(config) = target.config() {
        let chosen: Vec<String> = settings.scope.groups.iter().cloned().collect();
        config.check_groups(&chosen)?;
    }

    let mut free = FreeVolumes::of(&current.volumes);
    let mut plan = Plan { is_first: current.is_first(), ..Plan::default() };
    let wanted = target.config().map(AppConfig::groups);
    for (existing, _) in all.iter().filter(|(_, within)| *within) {
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&existing.group)) {
            plan.destroys.push(existing.clone());
            continue;
        }
        let next = target.next(&existing.group, image, &existing.config)?;
        match change::judge(existing, next, settings, &mut free)? {
            Verdict::Unchanged => plan.unchanged.push(existing.clone()),
            Verdict::LeftAlone(reason) => {
                plan.left_alone.push(LeftAlone { machine: existing.id.clone(), reason });
            }
            Verdict::Change(change) => {
                plan.changes.entry(existing.group.clone()).or_default().push(change);
            }
        }
    }
    if let Some(config) = target.config() {
        groups::add_machines(&mut plan, &all, current, config, image, settings, &mut free)?;
    }
    free.check(&current.app.name)?;
    strategy::prepare(&mut plan, target, image, settings)?;
    Ok(plan)
}

/// Returns the number of health checks that a configuration has.
pub(super) fn checks(config: &MachineConfig) -> usize {
    config.checks.len() + config.services.iter().map(|service| service.checks.len()).sum::<usize>()
}
