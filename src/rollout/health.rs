//! Whether a machine that was changed is well.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::event::{Event, MachineStep, Reporter};
use crate::fly::wire::{ExitEvent, Machine, MachineEvent};
use crate::fly::{AppName, Client, Error as FlyError};

/// The platform takes one wait a second for a machine, and five reads.
const BETWEEN_WAITS: Duration = Duration::from_secs(1);
const BETWEEN_READS: Duration = Duration::from_millis(500);
/// Short, so that an exit which leads to none of the states is seen by its event.
const ONE_WAIT: Duration = Duration::from_secs(3);
/// Log lines that are shown of a machine that failed.
const LOG_LINES: usize = 20;
const LOGS_WITHIN: Duration = Duration::from_secs(5);

/// What a machine looks like, seen once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
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

/// Judges a machine by its state, checks and what happened after `since`, in milliseconds
/// since 1970.
fn judge(machine: &Machine, since: u64) -> Verdict {
    let config = machine.known_config();
    let checks = config.map_or(0, |config| {
        config.checks.len() + config.services.iter().map(|s| s.checks.len()).sum::<usize>()
    });
    let serves = checks > 0 || config.is_some_and(|config| !config.services.is_empty());
    let newest = machine
        .events
        .iter()
        .take_while(|event| event.kind != "update" && event.timestamp > since)
        .filter(|event| event.kind == "exit")
        .find_map(MachineEvent::exit_event);
    if let Some(exit) = &newest
        && !exit.requested_stop
    {
        if serves || !went_well(exit) {
            return Verdict::Failed(describe(exit));
        }
        if !exit.restarting {
            return Verdict::Done;
        }
    }
    match machine.state.as_str() {
        "failed" | "launch_failed" | "destroyed" | "destroying" | "replaced" | "migrated" => {
            Verdict::Failed(format!("it is in state `{}`", machine.state))
        }
        // A machine that the proxy has put to sleep was awake before.
        "stopped" | "suspended" if newest.is_some() => Verdict::Done,
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

fn went_well(exit: &ExitEvent) -> bool {
    exit.exit_code == 0 && exit.guest_exit_code == 0 && !exit.oom_killed
}

fn describe(exit: &ExitEvent) -> String {
    let code = if exit.exit_code == 0 { exit.guest_exit_code } else { exit.exit_code };
    let signal = if exit.signal > 0 { exit.signal } else { exit.guest_signal };
    let mut text = format!("its process exited with code {code}");
    if signal > 0 {
        text = format!("{text} by signal {signal}");
    }
    if exit.oom_killed {
        text.push_str(" because it ran out of memory");
    }
    text
}

/// Who is watched, and how.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) client: &'a Client,
    pub(super) app: &'a AppName,
    pub(super) reporter: &'a dyn Reporter,
    /// How long it may take in all.
    pub(super) within: Duration,
    /// How long a machine without checks is watched after its start.
    pub(super) without_checks: Duration,
}

impl Watch<'_> {
    /// Watches a machine until it is well. A failure is told in one sentence, as soon as
    /// it is known; what fails in between and may pass does not count.
    pub(super) async fn until_well(
        &self,
        machine: &str,
        group: &str,
        version: &str,
        since: u64,
    ) -> Result<(), String> {
        let deadline = Instant::now() + self.within;
        let mut started: Option<Instant> = None;
        let mut told = (String::new(), None);
        let mut last = Verdict::Starting;
        loop {
            if started.is_none() {
                self.wait(machine, version, deadline).await?;
            }
            match self.client.machine(self.app, machine).await {
                Ok(seen) => {
                    self.tell(machine, group, &seen, &mut told);
                    last = judge(&seen, since);
                    match &last {
                        Verdict::Done => return Ok(()),
                        Verdict::Failed(reason) => return Err(reason.clone()),
                        Verdict::Starting => started = None,
                        Verdict::Running | Verdict::Checking { .. } => {
                            let from = *started.get_or_insert_with(Instant::now);
                            if last == Verdict::Running && from.elapsed() >= self.without_checks {
                                return Ok(());
                            }
                        }
                    }
                    self.tell_checks(machine, group, &last, &mut told);
                }
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
            if Instant::now() >= deadline {
                return Err(late(&last, self.within));
            }
            sleep(BETWEEN_READS).await;
        }
    }

    /// Waits for any state that says something. The states are read afterwards, with the
    /// events, so what the answer says does not matter.
    async fn wait(&self, machine: &str, version: &str, deadline: Instant) -> Result<(), String> {
        let begun = Instant::now();
        let within = ONE_WAIT.min(deadline - begun);
        let states = ["started", "stopped", "failed", "destroyed"];
        let answer =
            self.client.wait_machine(self.app, machine, &states, Some(version), within).await;
        match answer {
            Ok(Some(_)) => return Ok(()),
            // Some waits can never succeed, and are refused: the state tells why.
            Ok(None) | Err(FlyError::Refused(_)) => {}
            Err(error) if passes(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
        sleep_until((begun + BETWEEN_WAITS).min(deadline)).await;
        Ok(())
    }

    fn tell(
        &self,
        machine: &str,
        group: &str,
        seen: &Machine,
        told: &mut (String, Option<(usize, usize)>),
    ) {
        if told.0 != seen.state {
            told.0.clone_from(&seen.state);
            self.report(machine, group, MachineStep::State { state: seen.state.clone() });
        }
    }

    fn tell_checks(
        &self,
        machine: &str,
        group: &str,
        verdict: &Verdict,
        told: &mut (String, Option<(usize, usize)>),
    ) {
        if let Verdict::Checking { passing, total } = *verdict
            && told.1 != Some((passing, total))
        {
            told.1 = Some((passing, total));
            self.report(machine, group, MachineStep::Checks { passing, total });
        }
    }

    pub(super) fn report(&self, machine: &str, group: &str, step: MachineStep) {
        self.reporter.report(Event::Machine {
            machine: machine.to_owned(),
            group: group.to_owned(),
            step,
        });
    }

    /// Shows the last lines that a failed machine wrote, where they can be had.
    pub(super) async fn show_logs(&self, machine: &str) {
        let lines = self.client.log_lines(self.app, machine);
        let Ok(Ok(lines)) = tokio::time::timeout(LOGS_WITHIN, lines).await else {
            return; // Deploy tokens may not read logs.
        };
        let skipped = lines.len().saturating_sub(LOG_LINES);
        for line in lines.into_iter().skip(skipped) {
            self.reporter.report(Event::MachineLog { machine: machine.to_owned(), line });
        }
    }
}

/// A machine that was just made is not seen everywhere at once.
fn passes(error: &FlyError) -> bool {
    error.is_transient() || matches!(error, FlyError::MachineNotFound { .. })
}

fn late(last: &Verdict, within: Duration) -> String {
    let within = humantime::format_duration(within);
    match last {
        Verdict::Checking { passing, total } => {
            format!("{passing} of {total} health checks pass after {within}")
        }
        _ => format!("it has not started after {within}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn look(machine: Value) -> Verdict {
        judge(&serde_json::from_value(machine).unwrap(), 10)
    }

    fn exit(timestamp: u64, exit: &Value) -> Value {
        json!({"type": "exit", "timestamp": timestamp, "request": {"exit_event": exit}})
    }

    #[test]
    fn an_exit_that_nobody_asked_for_is_a_failure_with_its_reason() {
        let machine = json!({
            "id": "e1", "state": "started",
            "events": [{"type": "start", "timestamp": 13},
                exit(12, &json!({"exit_code": 137, "oom_killed": true, "restarting": true}))],
        });
        assert_eq!(
            look(machine),
            Verdict::Failed("its process exited with code 137 because it ran out of memory".into())
        );
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
    }
}
