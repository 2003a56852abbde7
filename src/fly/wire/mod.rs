//! What travels between a client and the platform, as types.
//!
//! The Machines API's own document is the authority for the names; where the platform
//! answers otherwise than it says, the field's comment tells. Every type is read and
//! written, for the sandbox answers with the same types that the client reads.
//!
//! Settings that no type here names are kept in `rest`: a configuration that is read,
//! changed and written back loses nothing.

mod address;
mod app;
mod check;
mod event;
mod guest;
mod lease;
mod log;
mod machine;
mod machine_config;
mod process;
mod release;
mod request;
mod service;
mod token;
mod volume;

pub use address::{AddressKind, AssignIp, IpAddress, IpAddressList, IpNetwork};
pub use app::{App, CreateApp, Organization};
pub use check::{Check, Header};
pub use event::{ExitEvent, MachineEvent};
pub use guest::{Guest, Init, Mount};
pub use lease::{CreateLease, Lease, LeaseAnswer, LeaseNonce};
pub use log::{LogAnswer, LogAttributes, LogEntry, LogMeta};
pub use machine::{CheckStatus, ImageRef, Machine};
pub use machine_config::{
    Container, Dns, File, MachineConfig, Metrics, Restart, Static, StopConfig,
};
pub use process::{ListenSocket, Process};
pub use release::{CreateRelease, Release, ReleaseAnswer, ReleaseList, UpdateRelease};
pub use request::{CreateMachine, ErrorBody, StopMachine, UpdateMachine, WaitResponse};
pub use service::{
    Autostop, Concurrency, HttpOptions, HttpResponseOptions, Port, ProxyProtoOptions, ReplayCache,
    Service, TlsOptions,
};
pub use token::{CurrentTokens, TokenInfo};
pub use volume::{CreateVolume, Volume};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Settings that the types do not name, in alphabetical order.
pub type Rest = Map<String, Value>;

/// Reads `null` as empty: the platform's lists and maps may be either.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod document_tests;
