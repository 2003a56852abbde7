//! All that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Value;

use super::app::{App, PERSONAL};
use super::behavior::Behaviors;
use super::capacity::Rooms;
use super::machine::{ImageFlaw, Launch, Machine, MachineState};
use super::pace::Pace;
use crate::fly::wire::MachineConfig;
use crate::image::{Digest, Reference};

/// The registry whose part the sandbox plays.
const FLY_REGISTRY: &str = "registry.fly.io";

/// All that changes.
#[derive(Debug)]
pub(super) struct State {
    apps: BTreeMap<String, App>,
    changed: BTreeSet<String>,
    /// Organizations that have no app yet.
    organizations: BTreeSet<String>,
    pub(super) behaviors: Behaviors,
    pub(super) rooms: Rooms,
    /// Apps that may not be deployed by bluegreen.
    pub(super) without_bluegreen: BTreeSet<String>,
    /// Manifests of images that were weighed, and whether they fit on a machine.
    pub(super) fits: BTreeMap<Digest, bool>,
    /// The apps that builds were announced for, which nobody asks for again.
    pub(super) builds: Vec<String>,
    pub(super) pace: Pace,
    address: SocketAddr,
}

impl State {
    pub(super) fn new(apps: BTreeMap<String, App>, pace: Pace, address: SocketAddr) -> Self {
        Self {
            apps,
            changed: BTreeSet::new(),
            organizations: BTreeSet::from([PERSONAL.to_owned()]),
            behaviors: Behaviors::default(),
            rooms: Rooms::default(),
            without_bluegreen: BTreeSet::new(),
            fits: BTreeMap::new(),
            builds: Vec::new(),
            pace,
            address,
        }
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

    /// Returns a machine to change, whatever state it is in.
    pub(super) fn machine_mut(&mut self, app: &str, machine: &str) -> Option<&mut Machine> {
        self.app_mut(app)?.machines.get_mut(machine)
    }

    /// Returns all apps, in the order of their names.
    pub(super) fn apps(&self) -> impl Iterator<Item = (&String, &App)> {
        self.apps.iter()
    }

    /// Returns the app of that name, made in `organization` if it is new, or nothing if none
    /// may be so named.
    pub(super) fn ensure_app(
        &mut self,
        name: &str,
        organization: &str,
        now_ms: u64,
    ) -> Option<&mut App> {
        if !is_name(name) || !is_name(organization) {
            return None;
        }
        let number = self.apps.values().map(|app| app.number).max().unwrap_or(0) + 1;
        self.changed.insert(name.to_owned());
        let fresh = || App {
            number,
            organization: organization.to_owned(),
            created_at_ms: now_ms,
            ..App::default()
        };
        Some(self.apps.entry(name.to_owned()).or_insert_with(fresh))
    }

    /// Takes an app out of the world, with all that it has.
    pub(super) fn remove_app(&mut self, name: &str) -> bool {
        self.changed.insert(name.to_owned());
        self.apps.remove(name).is_some()
    }

    /// Makes an organization known, whether it has apps or not.
    pub(super) fn found_organization(&mut self, slug: &str) {
        self.organizations.insert(slug.to_owned());
    }

    /// Returns the slugs of all organizations.
    pub(super) fn organizations(&self) -> BTreeSet<&str> {
        let of_apps = self.apps.values().map(|app| app.organization.as_str());
        self.organizations.iter().map(String::as_str).chain(of_apps).collect()
    }

    /// Returns the number of an organization.
    pub(super) fn organization_number(slug: &str) -> u64 {
        u64::from(crc32fast::hash(slug.as_bytes()))
    }

    /// Lets everything happen that is due. Machines that come to their end give their room
    /// back.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let pace = self.pace;
        for (name, app) in &mut self.apps {
            let mut written = None;
            for machine in app.machines.values_mut().filter(|m| !m.ahead.is_empty()) {
                let Some(lines) = machine.advance(now_ms, &pace) else { continue };
                written.get_or_insert_with(Vec::new).extend(lines);
                if machine.state == MachineState::Destroyed {
                    self.rooms.give_back(name, &machine.region);
                }
            }
            if let Some(written) = written {
                self.changed.insert(name.clone());
                app.write(written.into_iter());
            }
        }
    }

    /// Resolves an image of this registry for a machine of `app`; nothing if the reference
    /// names another registry. Apps share the images of their organization alone.
    pub(super) fn resolve(&self, app: &str, reference: &str) -> Option<Result<Digest, String>> {
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
        let organization = self.app(app).map(|app| &app.organization);
        let owner = self.app(parsed.repository.as_str());
        let shared = owner.filter(|owner| Some(&owner.organization) == organization);
        Some(
            shared
                .and_then(|app| app.repository.resolve(&name))
                .ok_or_else(|| format!("failed to get manifest {reference}: manifest unknown")),
        )
    }

    /// Says what a machine of `app` is launched with, and which manifest its image has.
    ///
    /// Fails with what the machine's environment orders, if that is not understood.
    pub(super) fn launch<'a>(
        &self,
        app: &str,
        machine: &str,
        raw: &Value,
        config: &'a MachineConfig,
    ) -> Result<(Launch<'a>, Option<Digest>), String> {
        let behavior = self.behaviors.of(app, machine, raw)?;
        let (digest, flaw) = match self.resolve(app, &config.image) {
            None => (None, None),
            Some(Ok(digest)) => {
                let too_large = self.fits.get(&digest) == Some(&false);
                (Some(digest), too_large.then_some(ImageFlaw::TooLarge))
            }
            Some(Err(error)) => (None, Some(ImageFlaw::NotThere(error))),
        };
        Ok((Launch { config, behavior, flaw }, digest))
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

/// Whether an app or an organization may be called so.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let address = SocketAddr::from(([127, 0, 0, 1], 5000));
        State::new(BTreeMap::new(), Pace::default(), address)
    }

    #[test]
    fn only_images_of_this_registry_and_organization_are_looked_for() {
        let mut state = state();
        let digest = Digest::of(b"manifest");
        state.ensure_app("api", PERSONAL, 0).unwrap();
        state.ensure_app("shop", "acme", 0).unwrap();
        let repository = &mut state.ensure_app("web", PERSONAL, 0).unwrap().repository;
        repository.manifests.insert(digest, crate::image::MediaType::new("m"));
        repository.tags.insert("v1".into(), digest);
        assert_eq!(state.resolve("web", "nginx:latest"), None);
        assert_eq!(state.resolve("web", "ghcr.io/web:v1"), None);
        for host in ["registry.fly.io", "127.0.0.1:5000", "localhost:5000"] {
            let resolve = |app: &str, rest: &str| state.resolve(app, &format!("{host}/{rest}"));
            assert_eq!(resolve("web", "web:v1"), Some(Ok(digest)));
            assert_eq!(resolve("api", &format!("web@{digest}")), Some(Ok(digest)));
            assert!(matches!(resolve("shop", "web:v1"), Some(Err(_))));
            assert!(matches!(resolve("web", "web:v2"), Some(Err(_))));
            assert!(matches!(resolve("web", "other:v1"), Some(Err(_))));
        }
    }

    #[test]
    fn organizations_are_those_of_apps_and_those_that_were_founded() {
        let mut state = state();
        state.ensure_app("shop", "acme", 0).unwrap();
        state.found_organization("umbrella");
        assert_eq!(Vec::from_iter(state.organizations()), ["acme", "personal", "umbrella"]);
        assert!(state.ensure_app("shop", "No Name", 0).is_none());
    }
}
