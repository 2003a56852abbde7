//! The apps, and what belongs to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::options::{Behavior, Pace};
use super::registry::Repository;

/// All that changes.
#[derive(Debug)]
pub(super) struct State {
    apps: BTreeMap<String, App>,
    changed: BTreeSet<String>,
    behavior: BTreeMap<String, Behavior>,
    pub(super) pace: Pace,
    pub(super) address: SocketAddr,
}

/// An app, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct App {
    /// Its number among all apps, from 1.
    pub(super) number: u64,
    pub(super) repository: Repository,
}

impl State {
    pub(super) fn new(apps: BTreeMap<String, App>, pace: Pace, address: SocketAddr) -> Self {
        Self { apps, changed: BTreeSet::new(), behavior: BTreeMap::new(), pace, address }
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
        Some(self.apps.entry(name.to_owned()).or_insert_with(|| App { number, ..App::default() }))
    }

    pub(super) fn set_behavior(&mut self, app: &str, behavior: Behavior) {
        self.behavior.insert(app.to_owned(), behavior);
    }

    pub(super) fn advance(&mut self, _now_ms: u64) {}

    /// Returns the apps that changed since the last call, as name and JSON.
    pub(super) fn take_changed(&mut self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .filter_map(|name| {
                let json = serde_json::to_vec_pretty(self.apps.get(&name)?).ok()?;
                Some((name, json))
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
