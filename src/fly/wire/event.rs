//! What happened to a machine, as the platform tells it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::clean;

/// Something that happened to a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineEvent {
    /// Its ID.
    #[serde(default)]
    pub id: String,
    /// `launch`, `start`, `exit`, `update`, `stop` or `destroy`, among others.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The state that it led to.
    #[serde(default)]
    pub status: String,
    /// Who caused it: `flyd` or `user`.
    #[serde(default)]
    pub source: String,
    /// When it happened, in milliseconds since 1970.
    #[serde(default)]
    pub timestamp: u64,
    /// What it carries; the form depends on `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
}

impl MachineEvent {
    /// Returns how the process ended, if this event is about that.
    ///
    /// The monitor's account, where there is one, is the later and better one.
    pub fn exit_event(&self) -> Option<ExitEvent> {
        let request = self.request.as_ref()?;
        let told = request
            .pointer("/MonitorEvent/exit_event")
            .filter(|told| !told.is_null())
            .or_else(|| request.get("exit_event"))?;
        ExitEvent::deserialize(told).ok()
    }

    /// Returns what went wrong, if the event tells of something; fit to be shown.
    pub fn error(&self) -> Option<String> {
        let error = self.request.as_ref()?.get("error")?.as_str()?;
        Some(clean(error)).filter(|error| !error.is_empty())
    }

    /// Returns how often the machine has been restarted since it was launched, if told.
    pub fn restart_count(&self) -> Option<u64> {
        self.request.as_ref()?.get("restart_count")?.as_u64()
    }
}

/// How a machine's main process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the platform's own fields")]
pub struct ExitEvent {
    /// Exit code of the machine.
    pub exit_code: i64,
    /// Exit code of the process within it.
    pub guest_exit_code: i64,
    /// The signal that ended the machine; -1 or 0 for none.
    pub signal: i64,
    /// The signal that ended the process.
    pub guest_signal: i64,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// Whether somebody asked for the stop.
    pub requested_stop: bool,
    /// Whether the platform starts it again.
    pub restarting: bool,
    /// Whether the process panicked the guest.
    #[serde(skip_serializing_if = "super::is_false")]
    pub error: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_monitors_account_of_an_exit_goes_first() {
        let mut event = MachineEvent {
            kind: "exit".into(),
            request: Some(json!({
                "exit_event": {"exit_code": 0, "exited_at": "2026-01-01T00:00:00Z"},
                "MonitorEvent": {"exit_event": {"exit_code": 137, "oom_killed": true}},
                "restart_count": 2,
            })),
            ..MachineEvent::default()
        };
        let exit = event.exit_event().unwrap();
        assert_eq!((exit.exit_code, exit.oom_killed), (137, true));
        assert_eq!(event.restart_count(), Some(2));

        event.request = Some(json!({"exit_event": {"exit_code": 1}, "MonitorEvent": null}));
        assert_eq!(event.exit_event().unwrap().exit_code, 1);
        event.request = Some(json!({"anything": "else"}));
        assert_eq!(event.exit_event(), None);
    }
}
