//! A machine as it was found.

use serde::Serialize;

use crate::fly::wire::{ImageRef, Machine, MachineConfig};

use crate::rollout::current::group;

/// A machine as it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Existing {
    /// Its ID.
    pub id: String,
    /// Its process group.
    pub group: String,
    /// Where it runs.
    pub region: String,
    /// The version that an update must name.
    #[serde(skip)]
    pub version: String,
    /// The platform's word for its state.
    pub state: String,
    /// Whether its host can be reached.
    pub is_reachable: bool,
    /// The image that it runs, by digest where that is known.
    pub image: String,
    /// Its configuration.
    #[serde(skip)]
    pub config: Box<MachineConfig>,
    /// When the newest thing happened to it, in milliseconds since 1970.
    #[serde(skip)]
    pub newest_event_ms: u64,
    /// Whether it runs and all its checks pass.
    #[serde(skip)]
    pub is_well: bool,
}

impl Existing {
    /// Takes what matters of a machine that deploys manage. Without a group of its own it is in
    /// `default_group`, or in that of apps with one group.
    pub(in crate::rollout) fn of(machine: &Machine, default_group: Option<&str>) -> Self {
        let known = machine.known_config();
        let resolved = machine.image_ref.as_ref().and_then(ImageRef::reference);
        Self {
            id: machine.id.clone(),
            group: group(machine).or(default_group).unwrap_or("app").to_owned(),
            region: machine.region.clone(),
            version: machine.version().to_owned(),
            state: machine.state.clone(),
            is_reachable: machine.config.is_some()
                && machine.host_status.as_deref().is_none_or(|status| status == "ok"),
            image: resolved
                .or_else(|| known.map(|config| config.image.clone()))
                .unwrap_or_default(),
            config: Box::new(known.cloned().unwrap_or_default()),
            newest_event_ms: machine.events.iter().map(|e| e.timestamp).max().unwrap_or(0),
            is_well: machine.state == "started"
                && machine.checks.iter().all(|check| check.status == "passing"),
        }
    }

    /// Returns whether something runs in it, or should.
    pub(in crate::rollout) fn is_running(&self) -> bool {
        matches!(
            self.state.as_str(),
            "started" | "starting" | "restarting" | "replacing" | "updating"
        )
    }

    /// Returns its configuration as going back restores it. A tag may point elsewhere by then,
    /// so the image is named by digest where that is known.
    pub(in crate::rollout) fn to_restore(&self) -> MachineConfig {
        let mut config = (*self.config).clone();
        if !config.image.contains('@') && self.image.contains('@') {
            config.image.clone_from(&self.image);
        }
        config
    }
}
