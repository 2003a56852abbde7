//! An app, and what belongs to it, as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{LogLine, MAX_LOG_LINES, Machine};
use super::registry::Repository;
use crate::fly::wire;

/// The organization that everybody has.
pub(super) const PERSONAL: &str = "personal";

/// An app, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct App {
    /// Its number among all apps, from 1.
    pub(super) number: u64,
    /// The slug of the organization that it belongs to.
    pub(super) organization: String,
    /// The private network that it is in.
    pub(super) network: String,
    /// What it is for, such as `postgres_cluster`; mostly nothing.
    pub(super) role: String,
    /// The key that it was made with, so that it is made once.
    pub(super) idempotency_key: String,
    pub(super) created_at_ms: u64,
    pub(super) repository: Repository,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) volumes: Vec<Volume>,
    pub(super) ips: Vec<Ip>,
    /// Oldest first.
    pub(super) releases: Vec<RecordedRelease>,
    pub(super) log: Vec<LogLine>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            number: 0,
            organization: PERSONAL.to_owned(),
            network: "default".to_owned(),
            role: String::new(),
            idempotency_key: String::new(),
            created_at_ms: 0,
            repository: Repository::default(),
            machines: BTreeMap::new(),
            volumes: Vec::new(),
            ips: Vec::new(),
            releases: Vec::new(),
            log: Vec::new(),
        }
    }
}

impl App {
    /// Returns Fly's word for it: an app is `pending` until it is first deployed.
    pub(super) fn status(&self) -> &'static str {
        let untouched = self.machines.is_empty() && self.releases.is_empty();
        if untouched { "pending" } else { "deployed" }
    }

    /// Returns the machines that are not gone.
    pub(super) fn living(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values().filter(|machine| !machine.state.is_gone())
    }

    /// Returns the machine that a volume is attached to.
    pub(super) fn holder(&self, volume: &str) -> Option<&Machine> {
        self.living().find(|machine| {
            let mounts = machine.config.get("mounts").and_then(Value::as_array);
            let mut mounts = mounts.into_iter().flatten();
            mounts.any(|mount| mount.get("volume").and_then(Value::as_str) == Some(volume))
        })
    }

    /// Adds what machines wrote.
    pub(super) fn write(&mut self, lines: impl Iterator<Item = LogLine>) {
        for line in lines {
            let number = self.log.last().map_or(0, |last| last.number) + 1;
            self.log.push(LogLine { number, ..line });
        }
        let surplus = self.log.len().saturating_sub(MAX_LOG_LINES);
        self.log.drain(..surplus);
    }
}

/// A volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) size_gb: u64,
    pub(super) encrypted: bool,
    pub(super) fstype: String,
    pub(super) snapshot_retention: u64,
    pub(super) auto_backup_enabled: bool,
    pub(super) created_at_ms: u64,
}

/// An IP address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ip {
    pub(super) address: String,
    pub(super) region: String,
    pub(super) service_name: String,
    pub(super) shared: bool,
    pub(super) egress: bool,
    /// The network that a private address is of.
    pub(super) network: Option<String>,
    pub(super) created_at_ms: u64,
}

/// A release, with all that was recorded of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedRelease {
    /// The release as the platform tells of it.
    pub release: wire::Release,
    /// ID of the build that it was made with, or 0.
    pub build_id: i64,
    /// The app's configuration, whole.
    pub definition: Value,
    /// The notes of the last change, or null.
    pub metadata: Value,
    /// The states that it has been in, oldest first; the first is `pending`.
    pub statuses: Vec<String>,
}
