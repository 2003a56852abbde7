//! Services: what the proxy sends to a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{Check, Rest, null_as_default};

/// A port of the machine that the proxy serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `tcp` or `udp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The port that the process listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_port: Option<u16>,
    /// Whether idle machines are stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostop: Option<Autostop>,
    /// Whether stopped machines are started for a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
    /// Machines that are kept running in the primary region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_machines_running: Option<u64>,
    /// The public ports.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// How much is sent to one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Health checks on the internal port.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Written as `null`, as the platform's own client does.
    #[serde(default)]
    pub force_instance_key: Option<String>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What happens to idle machines: on the wire `false`, `true` or `"suspend"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autostop {
    /// They go on.
    Off,
    /// They are stopped.
    Stop,
    /// They are suspended.
    Suspend,
}

impl Serialize for Autostop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::Stop => serializer.serialize_bool(true),
            Self::Suspend => serializer.serialize_str("suspend"),
        }
    }
}

impl<'de> Deserialize<'de> for Autostop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::Stop),
            Value::String(word) if word == "off" => Ok(Self::Off),
            Value::String(word) if word == "stop" => Ok(Self::Stop),
            Value::String(word) if word == "suspend" => Ok(Self::Suspend),
            other => Err(de::Error::custom(format!(
                "`{other}` is not one of `off`, `stop`, `suspend`, true and false"
            ))),
        }
    }
}

/// A public port, or a range of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The first port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_port: Option<u16>,
    /// The last port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<u16>,
    /// What the proxy does to connections: `http`, `tls`, `pg_tls`, `proxy_proto`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<String>,
    /// Whether HTTP is redirected to HTTPS.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub force_https: bool,
    /// How TLS is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_options: Option<TlsOptions>,
    /// How HTTP is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_options: Option<HttpOptions>,
    /// How the PROXY protocol is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_proto_options: Option<ProxyProtoOptions>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How much is sent to one machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    /// `connections` or `requests`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// From here on other machines are preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit: Option<u64>,
    /// More is never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<u64>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How the proxy speaks TLS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsOptions {
    /// Protocols that are offered.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// Versions that are spoken.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Whether a self-signed certificate is used where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_self_signed: Option<bool>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How the proxy speaks HTTP.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpOptions {
    /// Whether answers are compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Whether the machine speaks HTTP/2 without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h2_backend: Option<bool>,
    /// Seconds of silence after which a connection is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
    /// Seconds that a request's headers may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_read_timeout: Option<u64>,
    /// What is changed in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HttpResponseOptions>,
    /// Where it is remembered which machine a request was replayed to.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub replay_cache: Vec<ReplayCache>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Where the proxy remembers which machine a request was replayed to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayCache {
    /// What the paths of such requests begin with.
    #[serde(default)]
    pub path_prefix: String,
    /// How long it is remembered, in seconds.
    #[serde(default)]
    pub ttl_seconds: i64,
    /// `cookie` or `header`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The cookie or header that it goes by.
    #[serde(default)]
    pub name: String,
    /// Whether a request may ask for it to be passed over.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub allow_bypass: bool,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What the proxy changes in answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpResponseOptions {
    /// Headers to set: a text, several, or `false` to remove one.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub headers: BTreeMap<String, Value>,
    /// Whether the proxy adds no headers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pristine: Option<bool>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}

/// How the proxy speaks the PROXY protocol.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyProtoOptions {
    /// `v1` or `v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Settings that are not named here.
    #[serde(flatten)]
    pub rest: Rest,
}
