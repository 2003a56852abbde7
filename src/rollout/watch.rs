//! Watching a machine that was changed until it is well, or never will be.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::event::{Event, MachineStep, Reporter};
use crate::fly::wire::{Machine, MachineConfig};
use crate::fly::{AppName, Client, Error as FlyError};

use super::judge::{Exit, Verdict, exits, judge};
use super::settings::Patience;

/// The platform takes one wait a second for a machine, and five reads.
const BETWEEN_WAITS: Duration = Duration::from_secs(1);
const BETWEEN_READS: Duration = Duration::from_millis(500);
/// Short, so that an exit which leads to none of the states is seen by its event.
const ONE_WAIT: Duration = Duration::from_secs(3);
/// Log lines that are shown of a machine that failed.
const LOG_LINES: usize = 20;
const LOGS_WITHIN: Duration = Duration::from_secs(5);

/// Who is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) machine: &'a str,
    pub(super) group: &'a str,
    /// The version that it was given.
    pub(super) version: &'a str,
    /// When the newest thing happened to it before, in milliseconds since 1970.
    pub(super) since_ms: u64,
}

/// Whoever watches machines.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) client: &'a Client,
    pub(super) app: &'a AppName,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) patience: &'a Patience,
}

/// What was told of a machine already.
#[derive(Debug, Default)]
struct Told {
    state: String,
    checks: Option<(usize, usize)>,
    exits: usize,
    log_token: Option<String>,
    /// When the machine was changed, in milliseconds since 1970: what it wrote before that is
    /// of no interest.
    changed_ms: u64,
}

impl Watch<'_> {
    /// Watches a machine until it is well. A failure is told in one sentence, as soon as it is
    /// known; what fails in between and may pass does not count.
    pub(super) async fn until_well(&self, watched: Watched<'_>) -> Result<(), String> {
        let within = self.patience.wait_timeout;
        let mut deadline = Instant::now() + within;
        let mut started: Option<Instant> = None;
        let mut was_seen = false;
        let mut told = Told::default();
        let mut last = Verdict::Starting;
        loop {
            if started.is_none() {
                self.wait(watched, deadline).await?;
            }
            match self.client.machine(self.app, watched.machine).await {
                Ok(seen) => {
                    was_seen = true;
                    let exits = exits(&seen, watched.since_ms);
                    let crashed_anew = exits.len() > told.exits;
                    self.tell(watched, &seen, &exits, &mut told).await;
                    last = judge(&seen, &exits);
                    match &last {
                        Verdict::Done => return Ok(()),
                        Verdict::Failed(reason) => {
                            if exits.is_empty() {
                                self.tell_logs(watched.machine, &mut told).await;
                            }
                            return Err(reason.clone());
                        }
                        Verdict::Starting => started = None,
                        Verdict::Running | Verdict::Checking { .. } => {
                            if started.is_none() {
                                deadline = Instant::now() + within;
                            }
                            if crashed_anew {
                                started = None;
                            }
                            let from = *started.get_or_insert_with(Instant::now);
                            let long_enough = from.elapsed() >= self.patience.without_checks;
                            if last == Verdict::Running && long_enough {
                                self.tell_where_it_listens(watched, &seen).await;
                                return Ok(());
                            }
                        }
                    }
                    self.tell_checks(watched, &last, &mut told);
                }
                Err(FlyError::MachineNotFound { .. }) if was_seen => {
                    return Err("it was destroyed by somebody else".to_owned());
                }
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
            if Instant::now() >= deadline {
                self.tell_logs(watched.machine, &mut told).await;
                return Err(self.late(watched, &last).await);
            }
            sleep(BETWEEN_READS).await;
        }
    }

    /// Waits for any state that says something. The states are read afterwards, with the
    /// events, so what the answer says does not matter.
    async fn wait(&self, watched: Watched<'_>, deadline: Instant) -> Result<(), String> {
        let begun = Instant::now();
        let within = ONE_WAIT.min(deadline - begun);
        let states = ["started", "stopped", "failed", "destroyed"];
        let (machine, version) = (watched.machine, Some(watched.version));
        match self.client.wait_machine(self.app, machine, &states, version, within).await {
            Ok(Some(_)) => return Ok(()),
            // Some waits can never succeed, and are refused: the state tells why.
            Ok(None) | Err(FlyError::Refused(_)) => {}
            Err(error) if passes(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
        sleep_until((begun + BETWEEN_WAITS).min(deadline)).await;
        Ok(())
    }

    /// Waits until a machine has stopped, or is gone, for whatever reason.
    pub(super) async fn until_stopped(&self, machine: &str) -> Result<(), FlyError> {
        let deadline = Instant::now() + self.patience.wait_timeout;
        loop {
            let begun = Instant::now();
            let states = ["stopped", "suspended", "failed", "destroyed"];
            let waited = self.client.wait_machine(self.app, machine, &states, None, ONE_WAIT).await;
            match waited {
                Ok(Some(_)) | Err(FlyError::MachineNotFound { .. }) => return Ok(()),
                Err(error) if !passes(&error) || Instant::now() >= deadline => return Err(error),
                Ok(None) if Instant::now() >= deadline => return Ok(()),
                Ok(None) | Err(_) => sleep_until(begun + BETWEEN_WAITS).await,
            }
        }
    }

    async fn tell(&self, watched: Watched<'_>, seen: &Machine, exits: &[Exit], told: &mut Told) {
        let update = seen.events.iter().find(|event| event.kind == "update");
        told.changed_ms = update.map_or(0, |event| event.timestamp).max(watched.since_ms);
        if let Some(exit) = exits.first().filter(|_| exits.len() > told.exits) {
            told.exits = exits.len();
            let step = MachineStep::Exited {
                reason: exit.describe(),
                exit_code: exit.exit_code(),
                signal: exit.signal(),
                oom_killed: exit.how.oom_killed,
                restart_count: exit.restart_count,
                restarting: exit.how.restarting,
            };
            self.report(watched.machine, watched.group, step);
            self.tell_logs(watched.machine, told).await;
        }
        if told.state != seen.state {
            told.state.clone_from(&seen.state);
            let step = MachineStep::State { state: seen.state.clone() };
            self.report(watched.machine, watched.group, step);
        }
    }

    fn tell_checks(&self, watched: Watched<'_>, verdict: &Verdict, told: &mut Told) {
        if let Verdict::Checking { passing, total } = *verdict
            && told.checks != Some((passing, total))
        {
            told.checks = Some((passing, total));
            self.report(watched.machine, watched.group, MachineStep::Checks { passing, total });
        }
    }

    /// Says of the machine what happened to it.
    pub(super) fn report(&self, machine: &str, group: &str, step: MachineStep) {
        self.reporter.report(Event::Machine {
            machine: machine.to_owned(),
            group: group.to_owned(),
            step,
        });
    }

    /// Shows the last lines that a machine wrote since it was changed, and since they were shown,
    /// where they can be had: deploy tokens may not read logs.
    async fn tell_logs(&self, machine: &str, told: &mut Told) {
        let page = self.client.log_page(self.app, machine, told.log_token.as_deref());
        let Ok(Ok(mut page)) = timeout(LOGS_WITHIN, page).await else { return };
        told.log_token = page.next_token;
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(told.changed_ms);
        page.lines.retain(|line| {
            let written = humantime::parse_rfc3339_weak(&line.timestamp);
            written.map_or(true, |written| written > since)
        });
        let skipped = page.lines.len().saturating_sub(LOG_LINES);
        for line in page.lines.into_iter().skip(skipped) {
            let (machine, line) = (machine.to_owned(), line.message);
            self.reporter.report(Event::MachineLog { machine, line });
        }
    }

    /// Warns when a machine without checks serves where the proxy does not reach it.
    async fn tell_where_it_listens(&self, watched: Watched<'_>, seen: &Machine) {
        if let Some(config) = seen.known_config()
            && let Some(deaf) = self.does_not_listen(watched.machine, config).await
        {
            self.reporter.report(Event::Warning {
                code: "rollout.not-listening",
                message: format!("machine {} [{}]: {deaf}", watched.machine, watched.group),
            });
        }
    }

    /// Says that nothing listens where a service expects it, if that is known.
    async fn does_not_listen(&self, machine: &str, config: &MachineConfig) -> Option<String> {
        let tcp = config.services.iter().filter(|s| s.protocol.as_deref() != Some("udp"));
        let mut ports: Vec<u16> = tcp.filter_map(|service| service.internal_port).collect();
        ports.dedup();
        if ports.is_empty() {
            return None;
        }
        let sockets = timeout(LOGS_WITHIN, self.client.machine_sockets(self.app, machine));
        // A machine that tells of no socket at all does not tell.
        let sockets = sockets.await.ok()?.ok().filter(|sockets| !sockets.is_empty())?;
        let deaf = ports.iter().find(|port| !sockets.iter().any(|s| s.serves_tcp(**port)))?;
        Some(format!("nothing listens on 0.0.0.0:{deaf}, where the proxy expects it"))
    }

    async fn late(&self, watched: Watched<'_>, last: &Verdict) -> String {
        let within = humantime::format_duration(self.patience.wait_timeout);
        let Verdict::Checking { passing, total } = last else {
            return format!("it has not started after {within}");
        };
        let text = format!("{passing} of {total} health checks pass after {within}");
        let Ok(seen) = self.client.machine(self.app, watched.machine).await else { return text };
        let failing = seen.checks.iter().find(|check| check.status != "passing");
        let output = failing
            .and_then(|check| Some(format!("; `{}` says: {}", check.name, check.first_line()?)));
        let deaf = match seen.known_config() {
            Some(config) => self.does_not_listen(watched.machine, config).await,
            None => None,
        };
        let deaf = deaf.map(|deaf| format!("; {deaf}"));
        format!("{text}{}{}", output.unwrap_or_default(), deaf.unwrap_or_default())
    }
}

/// A machine that was just made is not seen everywhere at once.
fn passes(error: &FlyError) -> bool {
    error.is_transient() || matches!(error, FlyError::MachineNotFound { .. })
}
