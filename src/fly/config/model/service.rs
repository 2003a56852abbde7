//! Services, and the checks of them and of machines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fly::config::{GoDuration, MachineCheck};
use crate::fly::wire::Autostop;

use super::tables;

tables! {
    HttpService {
        internal_port: u16,
        force_https: bool,
        auto_stop_machines: Option<Autostop>,
        auto_start_machines: Option<bool>,
        min_machines_running: Option<u64>,
        processes: Vec<String>,
        concurrency: Option<Concurrency>,
        tls_options: Option<TlsOptions>,
        http_options: Option<HttpOptions>,
        checks: Vec<HttpCheck>,
        machine_checks: Vec<MachineCheck>,
    }

    Service {
        protocol: String,
        internal_port: u16,
        auto_stop_machines: Option<Autostop>,
        auto_start_machines: Option<bool>,
        min_machines_running: Option<u64>,
        ports: Vec<Port>,
        concurrency: Option<Concurrency>,
        tcp_checks: Vec<TcpCheck>,
        http_checks: Vec<HttpCheck>,
        machine_checks: Vec<MachineCheck>,
        processes: Vec<String>,
    }

    #[expect(clippy::struct_field_names, reason = "the file's own names")]
    Port {
        port: Option<u16>,
        start_port: Option<u16>,
        end_port: Option<u16>,
        handlers: Vec<String>,
        force_https: bool,
        tls_options: Option<TlsOptions>,
        http_options: Option<HttpOptions>,
        proxy_proto_options: Option<ProxyProtoOptions>,
    }

    Concurrency {
        #[serde(rename = "type")]
        kind: String,
        hard_limit: u64,
        soft_limit: u64,
    }

    TlsOptions {
        alpn: Vec<String>,
        versions: Vec<String>,
        default_self_signed: Option<bool>,
    }

    HttpOptions {
        compress: Option<bool>,
        response: Option<ResponseOptions>,
        h2_backend: Option<bool>,
        idle_timeout: Option<u32>,
        headers_read_timeout: Option<u32>,
        replay_cache: Vec<ReplayCache>,
    }

    ResponseOptions {
        /// A text, several, or `false` to remove one.
        headers: BTreeMap<String, Value>,
        pristine: Option<bool>,
    }

    ProxyProtoOptions {
        version: String,
    }

    TcpCheck {
        interval: Option<GoDuration>,
        timeout: Option<GoDuration>,
        grace_period: Option<GoDuration>,
    }

    HttpCheck {
        interval: Option<GoDuration>,
        timeout: Option<GoDuration>,
        grace_period: Option<GoDuration>,
        method: Option<String>,
        path: Option<String>,
        protocol: Option<String>,
        tls_skip_verify: Option<bool>,
        tls_server_name: Option<String>,
        headers: BTreeMap<String, String>,
    }

    TopLevelCheck {
        port: Option<u16>,
        #[serde(rename = "type")]
        kind: Option<String>,
        interval: Option<GoDuration>,
        timeout: Option<GoDuration>,
        grace_period: Option<GoDuration>,
        method: Option<String>,
        path: Option<String>,
        protocol: Option<String>,
        tls_skip_verify: Option<bool>,
        tls_server_name: Option<String>,
        headers: BTreeMap<String, String>,
        processes: Vec<String>,
    }
}

/// Where the proxy remembers to which machine it has replayed a request. Its fields are
/// written even if empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::fly::config) struct ReplayCache {
    pub(in crate::fly::config) path_prefix: String,
    pub(in crate::fly::config) ttl_seconds: i64,
    #[serde(rename = "type")]
    pub(in crate::fly::config) kind: String,
    pub(in crate::fly::config) name: String,
    #[serde(skip_serializing_if = "super::is_empty")]
    pub(in crate::fly::config) allow_bypass: bool,
}
