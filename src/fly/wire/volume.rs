//! Volumes.

use serde::{Deserialize, Serialize};

use super::{Guest, null_as_default};

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its ID.
    pub id: String,
    /// Its name; several volumes of an app may share one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// What becomes of it, such as `created` or `pending_destroy`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: String,
    /// Where it is; machines elsewhere cannot have it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub region: String,
    /// Its size, in GB.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size_gb: u64,
    /// The machine that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_machine_id: Option<String>,
    /// What had it before there were machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_alloc_id: Option<String>,
    /// `ok`, `unknown` or `unreachable`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub host_status: String,
    /// The part of the region that it is in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub zone: String,
    /// Whether it is encrypted.
    #[serde(default, deserialize_with = "null_as_default")]
    pub encrypted: bool,
    /// How many days snapshots are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_retention: Option<u64>,
    /// Whether snapshots are made daily.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_backup_enabled: Option<bool>,
    /// When it was created, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created_at: String,
}

impl Volume {
    /// Returns whether a machine could have it: nothing has it, and its host is there.
    pub fn is_free(&self) -> bool {
        let nobody = |holder: &Option<String>| holder.as_deref().is_none_or(str::is_empty);
        nobody(&self.attached_machine_id)
            && nobody(&self.attached_alloc_id)
            && self.host_status == "ok"
    }
}

/// Asks for a volume. What is not said is sent as `null`, as the platform's own client does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateVolume {
    /// Its name.
    pub name: String,
    /// Where it shall be.
    #[serde(default)]
    pub region: String,
    /// Its size, in GB.
    #[serde(default)]
    pub size_gb: Option<u64>,
    /// Whether it is encrypted.
    #[serde(default)]
    pub encrypted: Option<bool>,
    /// Whether it shall be on other hardware than the volumes of the same name.
    #[serde(default)]
    pub require_unique_zone: Option<bool>,
    /// Whether it shall be on other hardware than all volumes of the app.
    #[serde(default)]
    pub unique_zone_app_wide: Option<bool>,
    /// How many days snapshots are kept.
    #[serde(default)]
    pub snapshot_retention: Option<u64>,
    /// Whether snapshots are made daily.
    #[serde(default)]
    pub auto_backup_enabled: Option<bool>,
    /// `ext4` or `raw`.
    #[serde(default)]
    pub fstype: Option<String>,
    /// The snapshot that it begins with.
    #[serde(default)]
    pub snapshot_id: Option<String>,
    /// The volume that it is a copy of.
    #[serde(default)]
    pub source_volume_id: Option<String>,
    /// What the machine needs that will have it, so that its host has room for both.
    #[serde(default)]
    pub compute: Option<Guest>,
    /// The image that the machine will run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_image: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_is_free_when_nothing_has_it_and_its_host_is_well() {
        for (value, free) in [
            (json!({"id": "v", "host_status": "ok", "attached_machine_id": null}), true),
            (json!({"id": "v", "host_status": "ok", "attached_machine_id": "e1"}), false),
            (json!({"id": "v", "host_status": "ok", "attached_alloc_id": "a1"}), false),
            (json!({"id": "v", "host_status": "unreachable"}), false),
            (json!({"id": "v"}), false),
        ] {
            let volume: Volume = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(volume.is_free(), free, "{value}");
        }
    }
}
