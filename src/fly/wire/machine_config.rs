//! The configuration of a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, Guest, Init, Mount, Rest, Service, null_as_default};

/// What a machine runs and how.
///
/// The fields that deploys manage are typed; all others stay in `rest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineConfig {
    /// Reference of the image.
    #[serde(default)]
    pub image: String,
    /// Environment of the process.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub env: BTreeMap<String, String>,
    /// How the process begins. Always written, as the platform's own client does.
    #[serde(default, deserialize_with = "null_as_default")]
    pub init: Init,
    /// What the proxy sends to it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Health checks by name, beyond those of services.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub checks: BTreeMap<String, Check>,
    /// Notes on the machine; deploys find their machines by them.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub metadata: BTreeMap<String, String>,
    /// Its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// Its volumes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// What happens when the process ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How it is asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_config: Option<StopConfig>,
    /// Where its metrics are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Files that are written before the process begins.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Folders that the proxy serves itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statics: Vec<Static>,
    /// IDs of the machines that this one stands in for; it starts when they are gone.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub standbys: Vec<String>,
    /// Whether it is destroyed when its process ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_destroy: Option<bool>,
    /// Its name service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// What runs in it, if there is more than one image.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A container: one of several images that run in a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its name, by which other containers wait for it.
    #[serde(default)]
    pub name: String,
    /// Reference of its image.
    #[serde(default)]
    pub image: String,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What happens when the process ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    /// `no`, `always` or `on-failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How often it is started again at most, when the policy is `on-failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u64>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How a machine is asked to stop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StopConfig {
    /// How long it may take, such as `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The signal, such as `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Where a machine's metrics are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The port.
    #[serde(default)]
    pub port: u16,
    /// The path; where it is empty, the platform's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether it is asked by HTTPS.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub https: bool,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A file that is written before the process begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its path in the machine.
    #[serde(default)]
    pub guest_path: String,
    /// Its content, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_value: Option<String>,
    /// The secret that holds its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A folder that the proxy serves itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Static {
    /// The folder in the machine.
    #[serde(default)]
    pub guest_path: String,
    /// What URLs of it begin with.
    #[serde(default)]
    pub url_prefix: String,
    /// The bucket that holds it instead, or empty.
    #[serde(default)]
    pub tigris_bucket: String,
    /// The file served for a folder, or empty.
    #[serde(default)]
    pub index_document: String,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A machine's name service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// Whether the machine is left out of the app's names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_registration: Option<bool>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}
