//! What a machine looks like, seen once.

use crate::fly::wire::{ExitEvent, Machine, MachineEvent};

use super::plan::checks;

/// What a machine looks like, seen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not run yet.
    Starting,
    /// It runs and has no checks.
    Running,
    /// It runs and not all checks pass.
    Checking { passing: usize, total: usize },
    /// All checks pass, or it was stopped because somebody wanted it, or has run to its end.
    Done,
    /// It will not become well.
    Failed(String),
}

/// An end of a machine's process that nobody had asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) how: ExitEvent,
    /// How often the machine has been restarted, if the platform tells.
    pub(super) restart_count: Option<u64>,
}

impl Exit {
    pub(super) fn exit_code(&self) -> i64 {
        match self.how.exit_code {
            0 => self.how.guest_exit_code,
            code => code,
        }
    }

    pub(super) fn signal(&self) -> Option<i64> {
        [self.how.signal, self.how.guest_signal].into_iter().find(|signal| *signal > 0)
    }

    fn went_well(&self) -> bool {
        self.exit_code() == 0 && self.signal().is_none() && !self.how.oom_killed
    }

    /// Says it in one sentence.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("its process exited with code {}", self.exit_code());
        if let Some(signal) = self.signal() {
            text = format!("{text} by signal {signal}");
        }
        if self.how.oom_killed {
            text.push_str(" because it ran out of memory");
        }
        match self.restart_count {
            Some(1) => text.push_str(", after one restart"),
            Some(count) if count > 1 => text = format!("{text}, after {count} restarts"),
            _ => {}
        }
        text
    }
}

/// Returns the ends that nobody had asked for, newest first, of what began after `since_ms`.
pub(super) fn exits(machine: &Machine, since_ms: u64) -> Vec<Exit> {
    let new = machine
        .events
        .iter()
        .take_while(|event| event.kind != "update" && event.timestamp > since_ms);
    new.filter(|event| event.kind == "exit").filter_map(exit).collect()
}

fn exit(event: &MachineEvent) -> Option<Exit> {
    let how = event.exit_event().filter(|how| !how.requested_stop)?;
    Some(Exit { how, restart_count: event.restart_count() })
}

/// Judges a machine by its state, its checks, and what has ended since it was changed.
///
/// One end that is followed by another start may pass: what a machine needs may not have been
/// there yet. The platform's own client goes by the second one, too.
pub(super) fn judge(machine: &Machine, exits: &[Exit]) -> Verdict {
    let config = machine.known_config();
    let checks = config.map_or(0, checks);
    let serves = checks > 0 || config.is_some_and(|config| !config.services.is_empty());
    if let Some(exit) = exits.first() {
        let crashed = serves || !exit.went_well();
        let again = exits.len() > 1 || exit.restart_count.is_some_and(|count| count > 1);
        if crashed && (again || !exit.how.restarting) {
            return Verdict::Failed(exit.describe());
        }
        if !crashed && !exit.how.restarting {
            return Verdict::Done;
        }
    }
    match machine.state.as_str() {
        "failed" | "launch_failed" | "destroyed" | "destroying" | "replaced" | "migrated" => {
            let cause = launch_error(machine).map(|error| format!(": {error}"));
            Verdict::Failed(format!(
                "it is in state `{}`{}",
                machine.state,
                cause.unwrap_or_default()
            ))
        }
        // A machine that the proxy has put to sleep was awake before.
        "stopped" | "suspended" if was_put_to_sleep(machine) => Verdict::Done,
        "started" => {
            let seen =
                || machine.checks.iter().filter(|c| !c.name.starts_with("bg_deployments_compat"));
            let passing = seen().filter(|check| check.status == "passing").count();
            match (checks, seen().count()) {
                (0, _) => Verdict::Running,
                (_, seen) if seen > 0 && passing == seen => Verdict::Done,
                (total, seen) => Verdict::Checking { passing, total: total.max(seen) },
            }
        }
        _ => Verdict::Starting,
    }
}

fn was_put_to_sleep(machine: &Machine) -> bool {
    let since_update = machine.events.iter().take_while(|event| event.kind != "update");
    let newest =
        since_update.filter(|event| event.kind == "exit").find_map(MachineEvent::exit_event);
    newest.is_some_and(|exit| exit.requested_stop)
}

/// Returns what the platform tells of a launch that failed.
pub(super) fn launch_error(machine: &Machine) -> Option<String> {
    machine.events.iter().take_while(|event| event.kind != "update").find_map(MachineEvent::error)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn look(machine: Value) -> Verdict {
        let machine = serde_json::from_value(machine).unwrap();
        judge(&machine, &exits(&machine, 10))
    }

    fn exit(timestamp: u64, exit: &Value) -> Value {
        json!({"type": "exit", "timestamp": timestamp, "request": {"exit_event": exit}})
    }

    #[test]
    fn an_exit_that_is_final_is_a_failure_with_its_reason() {
        let out_of_memory = json!({"exit_code": 137, "oom_killed": true, "restarting": false});
        let machine = json!({
            "id": "e1", "state": "stopped",
            "events": [{"type": "start", "timestamp": 13}, exit(12, &out_of_memory)],
        });
        assert_eq!(
            look(machine),
            Verdict::Failed("its process exited with code 137 because it ran out of memory".into())
        );
        let killed = json!({"exit_code": 139, "signal": 11, "guest_signal": -1});
        let machine = json!({"id": "e1", "state": "stopped", "events": [exit(12, &killed)]});
        assert_eq!(
            look(machine),
            Verdict::Failed("its process exited with code 139 by signal 11".into())
        );
    }

    #[test]
    fn the_second_crash_is_one_too_many() {
        let crash = json!({"exit_code": 1, "restarting": true});
        let once = json!([{"type": "start", "timestamp": 13}, exit(12, &crash)]);
        let machine = json!({"id": "e1", "state": "started", "events": once});
        assert_eq!(look(machine), Verdict::Running);
        let twice = json!([exit(15, &crash), exit(12, &crash)]);
        let machine = json!({"id": "e1", "state": "started", "events": twice});
        assert_eq!(look(machine), Verdict::Failed("its process exited with code 1".into()));
        // Fly keeps few events, but counts on.
        let mut counted = exit(15, &crash);
        counted["request"]["restart_count"] = json!(3);
        let machine = json!({"id": "e1", "state": "starting", "events": [counted]});
        let reason = "its process exited with code 1, after 3 restarts";
        assert_eq!(look(machine), Verdict::Failed(reason.into()));
    }

    #[test]
    fn what_happened_before_the_update_does_not_count() {
        let crash = json!({"exit_code": 1});
        for events in [
            json!([exit(9, &crash)]),
            json!([{"type": "update", "timestamp": 20}, exit(15, &crash)]),
            json!([exit(15, &json!({"exit_code": 1, "requested_stop": true}))]),
        ] {
            let machine = json!({"id": "e1", "state": "started", "events": events});
            assert_eq!(look(machine.clone()), Verdict::Running, "{machine}");
        }
    }

    #[test]
    fn running_to_the_end_is_fine_unless_the_machine_serves() {
        let events = json!([exit(12, &json!({"exit_code": 0}))]);
        let job = json!({"id": "e1", "state": "stopped", "events": events});
        assert_eq!(look(job), Verdict::Done);
        let server = json!({
            "id": "e1", "state": "stopped", "events": events,
            "config": {"services": [{"internal_port": 80}]},
        });
        assert_eq!(look(server), Verdict::Failed("its process exited with code 0".into()));
    }

    #[test]
    fn checks_must_all_be_seen_to_pass() {
        let with = |checks: Value| {
            look(json!({
                "id": "e1", "state": "started", "checks": checks,
                "config": {"checks": {"a": {}, "b": {}}},
            }))
        };
        assert_eq!(with(json!(null)), Verdict::Checking { passing: 0, total: 2 });
        assert_eq!(
            with(json!([{"name": "a", "status": "passing"}, {"name": "b", "status": "critical"}])),
            Verdict::Checking { passing: 1, total: 2 }
        );
        assert_eq!(
            with(json!([{"name": "a", "status": "passing"}, {"name": "b", "status": "passing"}])),
            Verdict::Done
        );
    }

    #[test]
    fn states_without_a_way_back_are_failures() {
        for state in ["failed", "destroyed", "launch_failed"] {
            assert!(matches!(look(json!({"id": "e1", "state": state})), Verdict::Failed(_)));
        }
        for state in ["stopped", "created", "starting", "replacing", "updating"] {
            assert_eq!(look(json!({"id": "e1", "state": state})), Verdict::Starting, "{state}");
        }
        let launch =
            json!({"type": "launch", "timestamp": 11, "request": {"error": "no such image"}});
        let machine = json!({"id": "e1", "state": "failed", "events": [launch]});
        let reason = "it is in state `failed`: no such image";
        assert_eq!(look(machine), Verdict::Failed(reason.into()));
    }
}
