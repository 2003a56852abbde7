//! Machines that run one command and are gone.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::Event;
use crate::fly::Error as FlyError;
use crate::fly::wire::{Machine, MachineConfig};

use super::crew::{Crew, NewMachine};
use super::journal::Journal;
use super::judge::{Exit, launch_error};

const BETWEEN_READS: Duration = Duration::from_millis(500);
/// Reads of the machine for each read of its log.
const READS_A_LOG: u32 = 2;
/// How long lines may be on their way after a command has failed.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(5);
/// What the platform writes last.
const LAST_LINE: &str = "Main child exited";

/// A command that is run in a machine of its own.
pub(super) struct Command<'c> {
    /// As it is shown.
    pub(super) text: &'c str,
    /// The group of its machine.
    pub(super) group: &'c str,
    pub(super) config: MachineConfig,
    pub(super) region: Option<&'c str>,
    /// How long it may take; nothing for as long as it wants.
    pub(super) within: Option<Duration>,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum CommandError {
    /// Its machine could not be made.
    NotStarted(FlyError),
    /// It failed.
    Failed { machine: String, reason: String },
}

/// Runs a command to its end, and shows what it writes. Whatever comes, its machine is gone
/// after.
pub(super) async fn run(crew: &Crew<'_>, command: Command<'_>) -> Result<(), CommandError> {
    let begun = Instant::now();
    let Command { text, group, config, region, within } = command;
    let launch = NewMachine { group, region, config, skip_launch: false, cordoned: false };
    let made = crew.launch(launch, Journal::passing).await.map_err(CommandError::NotStarted)?;
    let (machine, shown) = (made.id.clone(), text.to_owned());
    let reporter = crew.watch.reporter;
    reporter.report(Event::CommandStarted { machine: machine.clone(), command: shown.clone() });
    let mut log = Some(Log { crew, machine: &machine, token: None });
    let end = until_end(crew, &machine, within.map(|within| begun + within), &mut log).await;
    let ended_by_itself = matches!(end, Ok(_) | Err(Trouble::Gone));
    let reason = match end {
        Ok(exit) if exit.exit_code() == 0 && exit.signal().is_none() => None,
        Ok(exit) => Some(exit.describe()),
        Err(trouble) => Some(trouble.into_text(within)),
    };
    tell_the_rest(log, reason.is_some()).await;
    if ended_by_itself || crew.destroy(&machine, group).await.is_ok() {
        crew.journal.unmade(&machine);
    }
    if let Some(reason) = reason {
        return Err(CommandError::Failed { machine, reason });
    }
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    reporter.report(Event::CommandSucceeded { machine, command: shown, elapsed_ms });
    Ok(())
}

/// Why it is not known how a command ended.
enum Trouble {
    Late,
    Gone,
    NotLaunched(String),
    Unknown(FlyError),
}

impl Trouble {
    fn into_text(self, within: Option<Duration>) -> String {
        match self {
            Self::Late => {
                let within = within.unwrap_or_default();
                format!("it has not ended after {}", humantime::format_duration(within))
            }
            Self::Gone => "its machine is gone, and nobody knows how it ended".to_owned(),
            Self::NotLaunched(text) => format!("its machine could not be launched: {text}"),
            Self::Unknown(error) => error.to_string(),
        }
    }
}

async fn until_end<'c>(
    crew: &'c Crew<'_>,
    machine: &str,
    deadline: Option<Instant>,
    log: &mut Option<Log<'c, '_>>,
) -> Result<Exit, Trouble> {
    let mut was_seen = false;
    for read in 0u32.. {
        match crew.watch.client.machine(crew.watch.app, machine).await {
            Ok(seen) => {
                was_seen = true;
                if let Some(exit) = ended(&seen) {
                    return Ok(exit);
                }
                if matches!(seen.state.as_str(), "failed" | "launch_failed") {
                    let error = launch_error(&seen).unwrap_or(seen.state);
                    return Err(Trouble::NotLaunched(error));
                }
                if seen.state == "destroyed" {
                    return Err(Trouble::Gone);
                }
            }
            Err(FlyError::MachineNotFound { .. }) if was_seen => return Err(Trouble::Gone),
            Err(error) if error.is_transient() || !was_seen => {}
            Err(error) => return Err(Trouble::Unknown(error)),
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        if read % READS_A_LOG == 0 {
            follow(log).await;
        }
        sleep(BETWEEN_READS).await;
    }
    Err(Trouble::Late)
}

/// Returns how the command ended, if it has. Events are newest first.
fn ended(machine: &Machine) -> Option<Exit> {
    let exit = machine.events.iter().find(|event| event.kind == "exit")?;
    Some(Exit { how: exit.exit_event()?, restart_count: None })
}

/// The log of a machine, as far as it was shown.
struct Log<'c, 'm> {
    crew: &'c Crew<'c>,
    machine: &'m str,
    token: Option<String>,
}

impl Log<'_, '_> {
    /// Shows what is new; returns whether that was the last.
    async fn show(&mut self) -> Result<bool, FlyError> {
        let watch = &self.crew.watch;
        let page = watch.client.log_page(watch.app, self.machine, self.token.as_deref()).await?;
        self.token = page.next_token;
        let mut is_last = false;
        for line in page.lines {
            is_last |= line.message.contains(LAST_LINE);
            let machine = self.machine.to_owned();
            watch.reporter.report(Event::MachineLog { machine, line: line.message });
        }
        Ok(is_last)
    }
}

/// Shows what is new in a log; gives it up where it may not be read.
async fn follow(log: &mut Option<Log<'_, '_>>) {
    if let Some(open) = log
        && let Err(error) = open.show().await
        && !error.is_transient()
    {
        tracing::debug!(%error, "the log is not followed");
        *log = None;
    }
}

/// Shows what a command wrote last. Lines take their time, and those of a failure are wanted.
async fn tell_the_rest(log: Option<Log<'_, '_>>, failed: bool) {
    let Some(mut log) = log else { return };
    let deadline = Instant::now() + if failed { LAST_LINES_WITHIN } else { Duration::ZERO };
    loop {
        match log.show().await {
            Ok(false) if Instant::now() < deadline => sleep(BETWEEN_READS).await,
            _ => return,
        }
    }
}
