//! What a strategy demands of the machines.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::fly::config::{AppConfig, Strategy};
use crate::fly::wire::{Dns, MachineConfig};
use crate::rollout::{Settings, Target};

use super::{Change, Conflict, Plan, checks};

/// A machine that shows whether the new image runs, and is gone before others are touched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Canary {
    /// The process group whose machines it stands for.
    pub group: String,
    /// Where it is made.
    pub region: String,
    /// What it runs.
    #[serde(skip)]
    pub config: Box<MachineConfig>,
}

/// Adds what the strategy needs, and fails when it cannot do what the plan wants.
pub(super) fn prepare(
    plan: &mut Plan,
    target: &Target,
    image: &str,
    settings: &Settings,
) -> Result<(), Conflict> {
    match settings.strategy {
        Strategy::Rolling | Strategy::Immediate => Ok(()),
        Strategy::Canary => {
            if let Some(change) = with_volume(plan) {
                let group = change.from().group.clone();
                return Err(Conflict::CanaryWithVolume { group });
            }
            plan.canaries = canaries(plan, target, image)?;
            Ok(())
        }
        Strategy::Bluegreen => bluegreen(plan, settings),
    }
}

fn canaries(plan: &Plan, target: &Target, image: &str) -> Result<Vec<Canary>, Conflict> {
    let groups = plan.changes.iter().filter_map(|(group, changes)| {
        // What does not run tells nothing of what will.
        let change = changes.iter().find(|change| !change.skip_launch()).or(changes.first())?;
        Some((group, change))
    });
    groups.map(|(group, change)| canary(group, change, target, image)).collect()
}

/// A canary runs what a new machine of its group would, in the size of those that are there.
fn canary(group: &str, change: &Change, target: &Target, image: &str) -> Result<Canary, Conflict> {
    let mut config = match target {
        Target::Config(config) => config.machine_config(group, image, None)?,
        Target::ImageAlone => change.config().clone(),
    };
    config.guest = change.from().config.guest.clone().or(config.guest);
    config.standbys.clear();
    config.metadata.insert("fly_canary".to_owned(), "true".to_owned());
    config.dns = Some(Dns { skip_registration: Some(true), ..config.dns.unwrap_or_default() });
    let region = target.config().and_then(AppConfig::primary_region);
    let region = region.unwrap_or(&change.from().region).to_owned();
    Ok(Canary { group: group.to_owned(), region, config: Box::new(config) })
}

fn bluegreen(plan: &Plan, settings: &Settings) -> Result<(), Conflict> {
    if let Some(change) = with_volume(plan) {
        return Err(Conflict::BluegreenWithVolume { machine: change.from().id.clone() });
    }
    let mut changes = plan.all_changes().peekable();
    if changes.peek().is_none() {
        return Ok(());
    }
    if settings.watch && changes.all(|change| checks(change.config()) == 0) {
        return Err(Conflict::BluegreenWithoutChecks);
    }
    let reachable = plan.all_changes().map(Change::from).filter(|from| from.is_reachable);
    let images: BTreeSet<_> = reachable
        .chain(&plan.unchanged)
        .map(|from| from.image.clone())
        .filter(|image| !image.is_empty())
        .collect();
    if images.len() > 1 {
        return Err(Conflict::MixedImages { images: images.into_iter().collect() });
    }
    Ok(())
}

fn with_volume(plan: &Plan) -> Option<&Change> {
    plan.all_changes().find(|change| !change.config().mounts.is_empty())
}
