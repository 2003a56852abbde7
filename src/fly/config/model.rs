//! fly.toml as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::fly::wire::{Autostop, HttpOptions, ProxyProtoOptions, TlsOptions};

use super::shapes::{Named, PortNumber, Span, Text, Words, by_name, env, one_or_many};

/// The whole file. Keys that are not here are looked at by `keys`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    pub(super) app: Option<String>,
    pub(super) primary_region: Option<String>,
    pub(super) kill_signal: Option<String>,
    pub(super) kill_timeout: Option<Span>,
    pub(super) swap_size_mb: Option<u64>,
    pub(super) host_dedication_id: Option<String>,
    #[serde(deserialize_with = "env")]
    pub(super) env: BTreeMap<String, String>,
    #[serde(deserialize_with = "by_name::<_, NamedProcess>")]
    pub(super) processes: BTreeMap<String, String>,
    pub(super) http_service: Option<HttpService>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) services: Vec<Service>,
    #[serde(deserialize_with = "by_name::<_, NamedCheck>")]
    pub(super) checks: BTreeMap<String, Check>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) compute: Vec<Vm>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) computes: Vec<Vm>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) vm: Vec<Vm>,
    #[serde(alias = "mount", deserialize_with = "one_or_many")]
    pub(super) mounts: Vec<Mount>,
    #[serde(alias = "metric", deserialize_with = "one_or_many")]
    pub(super) metrics: Vec<Metrics>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) restart: Vec<Restart>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) files: Vec<File>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) statics: Vec<Static>,
    pub(super) experimental: Experimental,
    pub(super) deploy: Deploy,
    pub(super) build: Build,
}

impl Document {
    /// Returns all sizes, in the order in which the spellings are joined.
    pub(super) fn sizes(&self) -> impl DoubleEndedIterator<Item = &Vm> {
        self.compute.iter().chain(&self.computes).chain(&self.vm)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct HttpService {
    pub(super) internal_port: Option<PortNumber>,
    pub(super) force_https: bool,
    pub(super) auto_stop_machines: Option<Autostop>,
    pub(super) auto_start_machines: Option<bool>,
    pub(super) min_machines_running: Option<u64>,
    pub(super) processes: Vec<String>,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) tls_options: Option<TlsOptions>,
    pub(super) http_options: Option<HttpOptions>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    pub(super) protocol: Option<String>,
    pub(super) internal_port: Option<PortNumber>,
    pub(super) auto_stop_machines: Option<Autostop>,
    pub(super) auto_start_machines: Option<bool>,
    pub(super) min_machines_running: Option<u64>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) ports: Vec<Port>,
    pub(super) concurrency: Option<Concurrency>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) tcp_checks: Vec<Check>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) http_checks: Vec<Check>,
    pub(super) processes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the file's own names")]
pub(super) struct Port {
    pub(super) port: Option<PortNumber>,
    pub(super) start_port: Option<PortNumber>,
    pub(super) end_port: Option<PortNumber>,
    pub(super) handlers: Vec<String>,
    pub(super) force_https: bool,
    pub(super) tls_options: Option<TlsOptions>,
    pub(super) http_options: Option<HttpOptions>,
    pub(super) proxy_proto_options: Option<ProxyProtoOptions>,
}

/// A table, or `"soft,hard"`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Concurrency {
    pub(super) kind: Option<String>,
    pub(super) soft_limit: Option<u64>,
    pub(super) hard_limit: Option<u64>,
}

impl<'de> Deserialize<'de> for Concurrency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Table {
            #[serde(rename = "type")]
            kind: Option<String>,
            soft_limit: Option<u64>,
            hard_limit: Option<u64>,
        }
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a table, or a text such as `20,25`")]
        enum Either {
            Table(Table),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Table(Table { kind, soft_limit, hard_limit }) => {
                Ok(Self { kind, soft_limit, hard_limit })
            }
            Either::Text(text) => {
                let limits = text.split_once(',').and_then(|(soft, hard)| {
                    Some((soft.trim().parse().ok()?, hard.trim().parse().ok()?))
                });
                let (soft, hard) = limits.ok_or_else(|| {
                    serde::de::Error::custom(format!("`{text}` is not of the form `SOFT,HARD`"))
                })?;
                Ok(Self {
                    kind: Some("requests".to_owned()),
                    soft_limit: Some(soft),
                    hard_limit: Some(hard),
                })
            }
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    pub(super) port: Option<PortNumber>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) interval: Option<Span>,
    pub(super) timeout: Option<Span>,
    pub(super) grace_period: Option<Span>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) tls_skip_verify: Option<bool>,
    pub(super) tls_server_name: Option<String>,
    #[serde(deserialize_with = "by_name::<_, NamedHeader>")]
    pub(super) headers: BTreeMap<String, Text>,
    pub(super) processes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Vm {
    pub(super) size: Option<String>,
    pub(super) memory: Option<Text>,
    pub(super) processes: Vec<String>,
    pub(super) cpu_kind: Option<String>,
    pub(super) cpus: Option<u64>,
    pub(super) memory_mb: Option<u64>,
    pub(super) max_memory_mb: Option<u64>,
    pub(super) gpus: Option<u64>,
    pub(super) gpu_kind: Option<String>,
    pub(super) host_dedication_id: Option<String>,
    pub(super) persist_rootfs: Option<String>,
    pub(super) kernel_args: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Mount {
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) auto_extend_size_threshold: Option<u64>,
    pub(super) auto_extend_size_increment: Option<String>,
    pub(super) auto_extend_size_limit: Option<String>,
    pub(super) processes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Metrics {
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) https: bool,
    pub(super) processes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Restart {
    pub(super) policy: Option<String>,
    pub(super) retries: Option<u64>,
    pub(super) processes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) guest_path: String,
    pub(super) raw_value: Option<String>,
    pub(super) secret_name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Static {
    pub(super) guest_path: String,
    pub(super) url_prefix: String,
    pub(super) tigris_bucket: String,
    pub(super) index_document: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Experimental {
    pub(super) cmd: Option<Words>,
    pub(super) entrypoint: Option<Words>,
    pub(super) exec: Option<Words>,
    pub(super) kill_timeout: Option<Span>,
    pub(super) metrics_port: Option<u16>,
    pub(super) metrics_path: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Deploy {
    pub(super) strategy: Option<String>,
    pub(super) max_unavailable: Option<f64>,
    pub(super) wait_timeout: Option<Span>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Build {
    pub(super) image: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedProcess {
    name: String,
    #[serde(default)]
    command: String,
}

impl Named for NamedProcess {
    type Entry = String;

    fn into_entry(self) -> (String, String) {
        (self.name, self.command)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedCheck {
    name: String,
    #[serde(flatten)]
    check: Check,
}

impl Named for NamedCheck {
    type Entry = Check;

    fn into_entry(self) -> (String, Check) {
        (self.name, self.check)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedHeader {
    name: String,
    #[serde(default)]
    value: Text,
}

impl Named for NamedHeader {
    type Entry = Text;

    fn into_entry(self) -> (String, Text) {
        (self.name, self.value)
    }
}
