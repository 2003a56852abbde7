//! The states of a machine.

use serde::{Deserialize, Serialize};

/// A state, by Fly's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum MachineState {
    Created,
    Starting,
    Started,
    Stopping,
    Stopped,
    Restarting,
    Replacing,
    Suspending,
    Suspended,
    Failed,
    Destroying,
    Destroyed,
}

impl MachineState {
    pub(in crate::sandbox) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Restarting => "restarting",
            Self::Replacing => "replacing",
            Self::Suspending => "suspending",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }

    /// Whether the state lasts until somebody does something.
    pub(in crate::sandbox) fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Started | Self::Stopped | Self::Suspended | Self::Failed | Self::Destroyed
        )
    }

    /// Whether a process is running or about to.
    pub(in crate::sandbox) fn is_running(self) -> bool {
        matches!(self, Self::Starting | Self::Started | Self::Stopping | Self::Restarting)
    }

    /// Whether there is nothing left to change.
    pub(in crate::sandbox) fn is_gone(self) -> bool {
        matches!(self, Self::Destroying | Self::Destroyed)
    }
}
