//! How the app is built and deployed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fly::config::GoDuration;

use super::{Vm, tables};

tables! {
    #[expect(clippy::struct_field_names, reason = "the file's own names")]
    Build {
        builder: String,
        args: BTreeMap<String, String>,
        buildpacks: Vec<String>,
        image: String,
        settings: BTreeMap<String, Value>,
        builtin: String,
        dockerfile: String,
        ignorefile: String,
        #[serde(rename = "build-target")]
        build_target: String,
        compose: Option<Compose>,
        compression: String,
        compression_level: Option<i64>,
    }

    Compose {
        file: String,
    }

    Deploy {
        strategy: String,
        max_unavailable: Option<f64>,
        wait_timeout: Option<GoDuration>,
        release_command: String,
        release_command_timeout: Option<GoDuration>,
        release_command_vm: Option<Vm>,
        seed_command: String,
    }

    Experimental {
        cmd: Vec<String>,
        entrypoint: Vec<String>,
        exec: Vec<String>,
        auto_rollback: bool,
        enable_consul: bool,
        enable_etcd: bool,
        lazy_load_images: bool,
        /// There even if empty: Go leaves out no struct.
        attached: Option<Attached>,
        machine_config: String,
    }

    Attached {
        secrets: Option<AttachedSecrets>,
    }

    AttachedSecrets {
        export: BTreeMap<String, String>,
    }
}
