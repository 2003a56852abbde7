//! What a machine is made of and how its process begins.

use serde::{Deserialize, Serialize};

use super::{Rest, null_as_default};

/// The size of a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Guest {
    /// `shared` or `performance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_kind: Option<String>,
    /// Number of CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
    /// Memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// The most memory that the machine may grow to, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_mb: Option<u64>,
    /// Number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Kind of the GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_kind: Option<String>,
    /// The dedicated host it must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_dedication_id: Option<String>,
    /// `never`, `always` or `restart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persist_rootfs: Option<String>,
    /// Further arguments of the kernel.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub kernel_args: Vec<String>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How the machine's process begins. A field that is not set is the image's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Init {
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Replaces entrypoint and command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// Swap in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_size_mb: Option<u64>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A volume's place in a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// ID of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Name of the volume; several volumes of an app may share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Folder in the machine.
    #[serde(default)]
    pub path: String,
    /// How full the volume is, in percent, when it is extended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend_threshold_percent: Option<u64>,
    /// By how much it is extended, in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_size_gb: Option<u64>,
    /// The size it is extended to at most, in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gb_limit: Option<u64>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}
