//! How a process ends, and whether it is started again.

use serde_json::{Value, json};
use std::time::Duration;

use super::log::{Line, line};
use super::model::timestamp;
use crate::fly::wire::MachineConfig;
use crate::sandbox::behavior::Behavior;
use crate::sandbox::pace::Pace;

/// How often a machine that fails is started again, unless its config says otherwise.
const MAX_RETRIES: u64 = 10;

/// Groups whose machines run a command to its end.
const COMMANDS: [&str; 2] = ["fly_app_release_command", "fly_app_test_machine_command"];

/// The end of a process that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct End {
    /// How long it lived.
    pub(in crate::sandbox) after: Duration,
    pub(in crate::sandbox) code: i32,
    pub(in crate::sandbox) oom_killed: bool,
}

impl End {
    /// Returns how the process of a machine ends, if it does.
    pub(super) fn of(config: &MachineConfig, behavior: Behavior, pace: &Pace) -> Option<Self> {
        let (after, code, oom_killed) = match behavior {
            Behavior::CrashAtStart { exit_code, oom_killed } => (pace.exit, exit_code, oom_killed),
            Behavior::CrashLater(after) => (after, 1, false),
            Behavior::Exit { code, after } => (after.unwrap_or(pace.exit), code, false),
            _ if runs_once(config) => (pace.exit, 0, false),
            _ => return None,
        };
        Some(Self { after, code, oom_killed })
    }

    /// Returns whether the machine is started again, having been so `restarts` times.
    pub(super) fn is_followed_by_a_start(&self, config: &MachineConfig, restarts: u64) -> bool {
        let restart = config.restart.as_ref();
        match restart.and_then(|restart| restart.policy.as_deref()) {
            Some("no") => false,
            Some("always") => true,
            _ => {
                let retries = restart.and_then(|restart| restart.max_retries);
                let retries = retries.filter(|retries| *retries > 0).unwrap_or(MAX_RETRIES);
                self.code != 0 && restarts < retries
            }
        }
    }
}

/// Whether a machine is there for one run of a command: it is not restarted, and it is
/// destroyed afterwards or belongs to a group of such machines.
fn runs_once(config: &MachineConfig) -> bool {
    let policy = config.restart.as_ref().and_then(|restart| restart.policy.as_deref());
    let group = config.metadata.get("fly_process_group").map(String::as_str);
    let command = group.is_some_and(|group| COMMANDS.contains(&group));
    policy == Some("no") && (config.auto_destroy == Some(true) || command)
}

/// What is told of the end of a process.
#[derive(Debug, Default)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) oom_killed: bool,
    pub(super) requested_stop: bool,
    pub(super) restarting: bool,
    /// How often the machine was restarted before.
    pub(super) restart_count: u64,
}

impl Exit {
    /// Somebody wanted it.
    pub(super) fn wanted() -> Self {
        Self { requested_stop: true, ..Self::default() }
    }

    /// Returns what its event carries.
    pub(super) fn request(&self, at_ms: u64) -> Value {
        let signal = if self.oom_killed { 9 } else { -1 };
        let exit_event = json!({
            "exit_code": self.code,
            "guest_exit_code": self.code,
            "guest_signal": signal,
            "signal": signal,
            "oom_killed": self.oom_killed,
            "requested_stop": self.requested_stop,
            "restarting": self.restarting,
            "exited_at": timestamp(at_ms),
        });
        json!({
            "exit_event": exit_event,
            "MonitorEvent": {"exit_event": exit_event},
            "restart_count": self.restart_count,
        })
    }

    /// Returns what the machine writes at its end.
    pub(super) fn lines(&self) -> Vec<Line> {
        let code = self.code;
        if self.oom_killed {
            return vec![
                line("app", "error", "Out of memory: Killed process 314 (app)"),
                line("init", "info", " INFO Main child exited with signal (with signal 'SIGKILL')"),
                line("init", "info", " INFO Process appears to have been OOM killed!"),
            ];
        }
        let mut lines = Vec::new();
        if code != 0 {
            lines.push(line("app", "error", "fatal: the sandbox was ordered to fail"));
        }
        let exited = format!(" INFO Main child exited normally with code: {code}");
        lines.push(line("init", "info", &exited));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: Value) -> MachineConfig {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_policy_decides_what_follows_an_exit() {
        let failed = End { after: Duration::ZERO, code: 3, oom_killed: false };
        let done = End { code: 0, ..failed };
        for (restart, end, restarts, expected) in [
            (json!({"policy": "no"}), failed, 0, false),
            (json!({"policy": "always"}), done, 1_000, true),
            (json!({"policy": "on-failure"}), done, 0, false),
            (json!({"policy": "on-failure", "max_retries": 2}), failed, 1, true),
            (json!({"policy": "on-failure", "max_retries": 2}), failed, 2, false),
            (json!({"policy": "on-failure"}), failed, 9, true),
            (json!(null), failed, 10, false),
        ] {
            let config = config(json!({"image": "i", "restart": restart}));
            assert_eq!(end.is_followed_by_a_start(&config, restarts), expected, "{config:?}");
        }
    }

    #[test]
    fn a_command_runs_once_and_a_server_that_is_not_restarted_goes_on() {
        let pace = Pace::default();
        let end = |config, behavior| End::of(&config, behavior, &pace).map(|end| end.code);
        let release = config(json!({
            "image": "i", "restart": {"policy": "no"},
            "metadata": {"fly_process_group": "fly_app_release_command"},
        }));
        let once = json!({"image": "i", "restart": {"policy": "no"}, "auto_destroy": true});
        let server = config(json!({"image": "i", "restart": {"policy": "no"}}));
        assert_eq!(end(release.clone(), Behavior::Healthy), Some(0));
        assert_eq!(end(config(once), Behavior::Healthy), Some(0));
        assert_eq!(end(server.clone(), Behavior::Healthy), None);
        assert_eq!(end(release, Behavior::Exit { code: 4, after: None }), Some(4));
        assert_eq!(end(server, Behavior::CrashLater(Duration::ZERO)), Some(1));
    }
}
