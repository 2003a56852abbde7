//! Requests that change machines, and answers that are no machine.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MachineConfig, is_false};

/// Asks for a new machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateMachine {
    /// Its name; the platform makes one up if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it shall run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it shall run.
    pub config: MachineConfig,
    /// Whether it is left stopped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_launch: bool,
    /// Whether the proxy sends it nothing until it is uncordoned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_service_registration: bool,
    /// Seconds of a lease that is taken at once; the answer holds its nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ttl: Option<u64>,
}

/// Gives a machine a new configuration, whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateMachine {
    /// What it shall run.
    pub config: MachineConfig,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that is replaced; any other is refused with 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// Whether it is left stopped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_launch: bool,
    /// Whether the proxy sends it nothing until it is uncordoned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_service_registration: bool,
    /// Seconds of a lease that is taken at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_ttl: Option<u64>,
}

/// Stops a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopMachine {
    /// The signal, such as `SIGTERM`, in place of the one that the machine is configured for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How long the process may take, such as `10s`; after `0s`, which the platform's own
    /// client sends, as long as the machine is configured for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// The answer to waiting for a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitResponse {
    /// Whether the state was reached.
    #[serde(default)]
    pub ok: bool,
    /// The state that was reached, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The version that the machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// ID of the event that led to the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The text, in some answers; it goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A word for it, such as `insufficient_capacity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl ErrorBody {
    /// Makes the body that the platform sends for `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), ..Self::default() }
    }

    /// Returns the text, if there is any.
    pub fn text(&self) -> Option<&str> {
        self.message.as_deref().or(self.error.as_deref()).filter(|text| !text.is_empty())
    }
}
