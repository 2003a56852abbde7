//! The file as a whole, and what is not of the network.

use std::collections::BTreeMap;

use crate::fly::config::{GoDuration, MachineCheck};

use super::{Build, Deploy, Experimental, HttpService, Service, TopLevelCheck, tables};

tables! {
    /// The whole file.
    Document {
        app: String,
        primary_region: String,
        kill_signal: Option<String>,
        kill_timeout: Option<GoDuration>,
        swap_size_mb: Option<u64>,
        console_command: String,
        experimental: Option<Experimental>,
        build: Option<Build>,
        deploy: Option<Deploy>,
        env: BTreeMap<String, String>,
        processes: BTreeMap<String, String>,
        mounts: Vec<Mount>,
        http_service: Option<HttpService>,
        services: Vec<Service>,
        checks: BTreeMap<String, TopLevelCheck>,
        files: Vec<File>,
        host_dedication_id: String,
        /// JSON, or the path of a file with it.
        machine_config: String,
        /// The container that runs the deployed image.
        container: String,
        machine_checks: Vec<MachineCheck>,
        restart: Vec<Restart>,
        vm: Vec<Vm>,
        statics: Vec<Static>,
        metrics: Vec<Metrics>,
    }

    Mount {
        source: String,
        destination: String,
        initial_size: String,
        snapshot_retention: Option<i64>,
        scheduled_snapshots: Option<bool>,
        auto_extend_size_threshold: u64,
        auto_extend_size_increment: String,
        auto_extend_size_limit: String,
        processes: Vec<String>,
    }

    File {
        guest_path: String,
        local_path: String,
        secret_name: String,
        /// Plain text, not base64.
        raw_value: String,
        processes: Vec<String>,
    }

    Restart {
        policy: String,
        retries: u64,
        processes: Vec<String>,
    }

    Vm {
        size: String,
        memory: String,
        cpu_kind: String,
        cpus: u64,
        memory_mb: u64,
        max_memory_mb: u64,
        gpus: u64,
        gpu_kind: String,
        host_dedication_id: String,
        persist_rootfs: String,
        kernel_args: Vec<String>,
        processes: Vec<String>,
    }

    Static {
        guest_path: String,
        url_prefix: String,
        /// There even if empty: flyctl never leaves it out.
        tigris_bucket: Option<String>,
        index_document: String,
    }

    Metrics {
        port: u16,
        path: String,
        https: bool,
        processes: Vec<String>,
    }
}
