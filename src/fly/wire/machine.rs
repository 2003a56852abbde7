//! Machines, as the platform tells of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::http::clean;

use super::{Lease, LeaseNonce, MachineConfig, MachineEvent, null_as_default};

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its ID; it never changes.
    pub id: String,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// What it does now, such as `started`.
    ///
    /// <https://fly.io/docs/machines/machine-states/>
    #[serde(default)]
    pub state: String,
    /// Where it runs.
    #[serde(default)]
    pub region: String,
    /// The image it runs, as the platform resolved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_ref: Option<ImageRef>,
    /// ID of the configuration it has: every update makes a new one.
    #[serde(default)]
    pub instance_id: String,
    /// The same as `instance_id`, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its address within the organization's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// When it was created, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was last changed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Its configuration; missing while its host cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<MachineConfig>,
    /// What is known of the configuration while its host cannot be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete_config: Option<MachineConfig>,
    /// What happened to it, newest first.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<MachineEvent>,
    /// How its health checks stand; empty until the first probe.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckStatus>,
    /// `ok`, `unknown` or `unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_status: Option<String>,
    /// Whether the proxy sends it no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// Proves the lease that creating it with `lease_ttl` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<LeaseNonce>,
    /// The lease on it, without its nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl Machine {
    /// Returns its configuration, or what is known of it.
    pub fn known_config(&self) -> Option<&MachineConfig> {
        self.config.as_ref().or(self.incomplete_config.as_ref())
    }

    /// Returns the ID of its configuration, under whichever name it was told.
    pub fn version(&self) -> &str {
        match &self.version {
            Some(version) if self.instance_id.is_empty() => version,
            _ => &self.instance_id,
        }
    }
}

/// An image, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Host of the registry.
    #[serde(default)]
    pub registry: String,
    /// Name within the registry.
    #[serde(default)]
    pub repository: String,
    /// The tag it was asked for by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Digest of its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The labels in its configuration.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
}

impl ImageRef {
    /// Returns it in one piece, by digest if that is known, else by tag.
    pub fn reference(&self) -> Option<String> {
        if self.registry.is_empty() || self.repository.is_empty() {
            return None;
        }
        let name = format!("{}/{}", self.registry, self.repository);
        let known = |text: &&String| !text.is_empty();
        match (self.digest.as_ref().filter(known), self.tag.as_ref().filter(known)) {
            (Some(digest), _) => Some(format!("{name}@{digest}")),
            (None, Some(tag)) => Some(format!("{name}:{tag}")),
            (None, None) => None,
        }
    }
}

/// How a health check stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Its name: the key in `checks`, or `servicecheck-…`.
    #[serde(default)]
    pub name: String,
    /// `passing`, `warning` or `critical`.
    #[serde(default)]
    pub status: String,
    /// What the last probe got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// When it was last probed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
}

impl CheckStatus {
    /// Returns the first line of what the check saw, fit to be shown.
    pub fn first_line(&self) -> Option<String> {
        let line = self.output.as_deref()?.trim().lines().next()?;
        Some(clean(line)).filter(|line| !line.is_empty())
    }
}
