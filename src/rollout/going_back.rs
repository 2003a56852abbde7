//! After a failure: machines get back what they ran before.

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use crate::event::MachineStep;

use super::crew::Crew;
use super::journal::Fate;
use super::plan::{Change, Existing, LeftAlone, Plan};
use super::watch::Watched;

/// What has become of the machines.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// IDs of the machines that were given back what they ran before.
    pub(super) restored: Vec<String>,
    /// Machines that do not run what they ran before.
    pub(super) left: Vec<LeftAlone>,
}

/// Takes back all that the journal knows to be changed, several machines at once. Machines that
/// were made are destroyed first: they may hold the room that others need.
pub(super) async fn go_back(crew: &Crew<'_>, plan: &Plan) -> Outcome {
    let mut outcome = Outcome::default();
    for (machine, group) in crew.journal.all_made() {
        match crew.destroy(&machine, &group).await {
            Ok(()) => crew.journal.unmade(&machine),
            Err(error) => {
                outcome.left.push(LeftAlone { machine, reason: error.to_string() });
            }
        }
    }
    let changed =
        plan.all_changes().filter(|change| crew.journal.fate(&change.from().id) != Fate::Untouched);
    let restored = stream::iter(changed).map(async |change| {
        let id = change.from().id.clone();
        (id, restore(crew, change).await)
    });
    let mut restored = restored.buffer_unordered(crew.settings.max_concurrent);
    while let Some((machine, restored)) = restored.next().await {
        match restored {
            Ok(true) => outcome.restored.push(machine),
            Ok(false) => {}
            Err(reason) => outcome.left.push(LeftAlone { machine, reason }),
        }
    }
    outcome.restored.sort();
    outcome.left.sort_by(|a, b| a.machine.cmp(&b.machine));
    outcome
}

/// Gives a machine back what it ran; returns whether it had been changed.
async fn restore(crew: &Crew<'_>, change: &Change) -> Result<bool, String> {
    let from = change.from();
    let restored = match crew.journal.fate(&from.id) {
        Fate::Untouched => return Ok(false),
        Fate::Changed(version) => restore_config(crew, from, &version).await.map(|()| true),
        Fate::Changing => restore_unknown(crew, from).await,
        Fate::Replaced(_) => wake(crew, from).await.map(|()| true),
        Fate::Destroyed => Err("it was destroyed".to_owned()),
    };
    let step = match &restored {
        Ok(true) => MachineStep::Restored,
        Ok(false) => return restored,
        Err(reason) => MachineStep::NotRestored { reason: reason.clone() },
    };
    if restored.is_ok() {
        crew.journal.note(&from.id, Fate::Untouched);
    }
    crew.watch.report(&from.id, &from.group, step);
    restored
}

/// It was asked to change and did not answer: whether it has is to be seen.
async fn restore_unknown(crew: &Crew<'_>, from: &Existing) -> Result<bool, String> {
    let now = crew.watch.client.machine(crew.watch.app, &from.id).await;
    let now = now.map_err(|error| error.to_string())?;
    if now.version() == from.version {
        crew.journal.note(&from.id, Fate::Untouched);
        return Ok(false);
    }
    restore_config(crew, from, now.version()).await.map(|()| true)
}

async fn restore_config(crew: &Crew<'_>, from: &Existing, version: &str) -> Result<(), String> {
    crew.leases.check(&from.id, &from.group).map_err(|failure| failure.to_string())?;
    crew.watch.report(&from.id, &from.group, MachineStep::Restoring);
    let skip_launch = !from.is_running();
    let restored = crew.put(from, version, from.to_restore(), skip_launch).await;
    let restored = restored.map_err(|error| error.to_string())?;
    let since_ms = restored.events.iter().map(|event| event.timestamp).max().unwrap_or(0);
    await_recovery(crew, from, restored.version(), since_ms).await
}

/// Starts the machines again that were to make way for others which are not there yet: all that
/// an interruption leaves time for.
pub(super) async fn wake_those_without_another(crew: &Crew<'_>, plan: &Plan) {
    let stopped = plan.all_changes().map(Change::from);
    let stopped = stopped.filter(|from| crew.journal.fate(&from.id) == Fate::Replaced(None));
    join_all(stopped.filter(|from| from.is_reachable && from.is_running()).map(async |from| {
        let (client, app) = (crew.watch.client, crew.watch.app);
        let nonce = crew.leases.nonce(&from.id);
        if let Err(error) = client.start_machine(app, &from.id, nonce.as_ref()).await {
            tracing::warn!(machine = %from.id, %error, "it stays stopped");
        }
    }))
    .await;
}

/// It has only been stopped.
async fn wake(crew: &Crew<'_>, from: &Existing) -> Result<(), String> {
    if !from.is_reachable || !from.is_running() {
        return Ok(());
    }
    crew.watch.report(&from.id, &from.group, MachineStep::Restoring);
    let (client, app) = (crew.watch.client, crew.watch.app);
    let nonce = crew.leases.nonce(&from.id);
    let started = client.start_machine(app, &from.id, nonce.as_ref()).await;
    started.map_err(|error| error.to_string())?;
    await_recovery(crew, from, &from.version, from.newest_event_ms).await
}

/// Waits until it is as well as it was. One that was not well before needs no waiting for.
async fn await_recovery(
    crew: &Crew<'_>,
    from: &Existing,
    version: &str,
    since_ms: u64,
) -> Result<(), String> {
    if !from.is_well || !crew.settings.watches() {
        return Ok(());
    }
    let (machine, group) = (from.id.as_str(), from.group.as_str());
    let well = crew.watch.until_well(Watched { machine, group, version, since_ms }).await;
    well.map_err(|reason| format!("it has its former configuration, but {reason}"))
}
