//! The apps, and what belongs to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::{Launch, LogLine, MAX_LOG_LINES, Machine};
use super::options::{Behavior, Pace};
use super::registry::Repository;
use crate::fly::wire::{self, MachineConfig};
use crate::image::{Digest, Reference};

/// The registry whose part the sandbox plays.
const FLY_REGISTRY: &str = "registry.fly.io";

/// All that changes.
#[derive(Debug)]
pub(super) struct State {
    apps: BTreeMap<String, App>,
    changed: BTreeSet<String>,
    behavior: BTreeMap<String, Behavior>,
    /// Builds that were announced, which nobody asks for again.
    pub(super) builds: u64,
    pub(super) pace: Pace,
    address: SocketAddr,
}

/// An app, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct App {
    /// Its number among all apps, from 1.
    pub(super) number: u64,
    pub(super) repository: Repository,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) volumes: Vec<Volume>,
    pub(super) ips: Vec<Ip>,
    /// Oldest first.
    pub(super) releases: Vec<Recorded>,
    pub(super) log: Vec<LogLine>,
}

/// A volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) size_gb: u64,
    pub(super) created_at_ms: u64,
}

/// An IP address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ip {
    pub(super) address: String,
    pub(super) region: String,
    pub(super) shared: bool,
    pub(super) created_at_ms: u64,
}

/// A release with what was recorded beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Recorded {
    pub(super) release: wire::Release,
    pub(super) definition: Value,
    pub(super) metadata: Value,
}

impl State {
    pub(super) fn new(apps: BTreeMap<String, App>, pace: Pace, address: SocketAddr) -> Self {
        let (changed, behavior) = (BTreeSet::new(), BTreeMap::new());
        Self { apps, changed, behavior, builds: 0, pace, address }
    }

    /// Returns an app to look at.
    pub(super) fn app(&self, name: &str) -> Option<&App> {
        self.apps.get(name)
    }

    /// Returns an app to change; it counts as changed.
    pub(super) fn app_mut(&mut self, name: &str) -> Option<&mut App> {
        let app = self.apps.get_mut(name)?;
        self.changed.insert(name.to_owned());
        Some(app)
    }

    /// Returns all apps, in the order of their names.
    pub(super) fn apps(&self) -> impl Iterator<Item = (&String, &App)> {
        self.apps.iter()
    }

    /// Returns the app of that name, made if it is new, or nothing if none may be so named.
    pub(super) fn ensure_app(&mut self, name: &str) -> Option<&mut App> {
        if !is_app_name(name) {
            return None;
        }
        let number = self.apps.values().map(|app| app.number).max().unwrap_or(0) + 1;
        self.changed.insert(name.to_owned());
        let fresh = || App { number, ..App::default() };
        Some(self.apps.entry(name.to_owned()).or_insert_with(fresh))
    }

    /// Takes an app out of the world, with all that it has.
    pub(super) fn remove_app(&mut self, name: &str) -> bool {
        self.changed.insert(name.to_owned());
        self.apps.remove(name).is_some()
    }

    pub(super) fn set_behavior(&mut self, app: &str, behavior: Behavior) {
        self.behavior.insert(app.to_owned(), behavior);
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now_ms: u64) {
        for (name, app) in &mut self.apps {
            let written: Vec<_> =
                app.machines.values_mut().filter_map(|machine| machine.advance(now_ms)).collect();
            if written.is_empty() {
                continue;
            }
            self.changed.insert(name.clone());
            for line in written.into_iter().flatten() {
                let number = app.log.last().map_or(0, |last| last.number) + 1;
                app.log.push(LogLine { number, ..line });
            }
            let surplus = app.log.len().saturating_sub(MAX_LOG_LINES);
            app.log.drain(..surplus);
        }
    }

    /// Resolves an image of this registry; nothing if the reference names another one.
    pub(super) fn resolve(&self, reference: &str) -> Option<Result<Digest, String>> {
        let parsed: Reference = reference.parse().ok()?;
        let host = parsed.registry.as_str();
        let local = format!("localhost:{}", self.address.port());
        if host != FLY_REGISTRY && host != self.address.to_string() && host != local {
            return None;
        }
        let name = match (&parsed.digest, &parsed.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        };
        let app = self.app(parsed.repository.as_str());
        Some(
            app.and_then(|app| app.repository.resolve(&name))
                .ok_or_else(|| format!("failed to get manifest {reference}: manifest unknown")),
        )
    }

    /// Says what a machine of `app` is launched with, and which manifest its image has.
    pub(super) fn launch<'a>(
        &self,
        app: &str,
        raw: &Value,
        config: &'a MachineConfig,
    ) -> (Launch<'a>, Option<Digest>) {
        let behavior = Behavior::of_config(raw)
            .or_else(|| self.behavior.get(app).copied())
            .unwrap_or_default();
        let (digest, image_error) = match self.resolve(&config.image) {
            None => (None, None),
            Some(Ok(digest)) => (Some(digest), None),
            Some(Err(error)) => (None, Some(error)),
        };
        (Launch { config, behavior, image_error }, digest)
    }

    /// Returns the apps that changed since the last call: name and JSON, or no JSON if the
    /// app is gone.
    pub(super) fn take_changed(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|name| {
                let json = self.apps.get(&name).and_then(|app| serde_json::to_vec_pretty(app).ok());
                (name, json)
            })
            .collect()
    }
}

fn is_app_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_of_this_registry_are_looked_for() {
        let address = SocketAddr::from(([127, 0, 0, 1], 5000));
        let mut state = State::new(BTreeMap::new(), Pace::default(), address);
        let digest = Digest::of(b"manifest");
        let repository = &mut state.ensure_app("web").unwrap().repository;
        repository.manifests.insert(digest, crate::image::MediaType::new("m"));
        repository.tags.insert("v1".into(), digest);
        assert_eq!(state.resolve("nginx:latest"), None);
        assert_eq!(state.resolve("ghcr.io/web:v1"), None);
        for host in ["registry.fly.io", "127.0.0.1:5000", "localhost:5000"] {
            assert_eq!(state.resolve(&format!("{host}/web:v1")), Some(Ok(digest)));
            assert_eq!(state.resolve(&format!("{host}/web@{digest}")), Some(Ok(digest)));
            assert!(matches!(state.resolve(&format!("{host}/web:v2")), Some(Err(_))));
            assert!(matches!(state.resolve(&format!("{host}/other:v1")), Some(Err(_))));
        }
    }
}
