//! The bluegreen strategy: a second set of machines, then a switch.
//!
//! Until the green machines are ready, they can be taken away again and nothing has happened.
//! From then on both sets stay until the blue ones are gone.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::event::{Event, MachineStep};
use crate::fly::Error as FlyError;
use crate::fly::wire::Machine;

use super::crew::{Crew, NewMachine, Stop, first_failure};
use super::journal::{Fate, Journal};
use super::plan::{Change, Existing, Plan, checks};
use super::rolling;

/// Marks the machines of one deploy, and those that may go.
const TAG: &str = "fly_bluegreen_deployment_tag";
const SAFE_TO_DESTROY: &str = "safe_to_destroy";

/// A machine of the new set, and the one that it takes the place of.
struct Pair<'p> {
    blue: &'p Existing,
    green: Machine,
    /// Whether the green one runs.
    runs: bool,
}

/// Makes the green machines, switches to them and stops the blue ones, which are left for the
/// end of the deploy to destroy.
///
/// # Cancel safety
///
/// Dropping it before the switch leaves machines that the journal knows as passing.
pub(super) async fn run(crew: &Crew<'_>, plan: &Plan) -> Result<(), Stop> {
    rolling::create_all(crew, plan).await?;
    let pairs = make_green(crew, plan).await?;
    let settled = pairs
        .iter()
        .filter(|pair| pair.runs)
        .map(async |pair| crew.watchful(crew.settle(&pair.blue.group, &pair.green, 0).await));
    first_failure(join_all(settled).await)?;

    let failed = each(crew, &pairs, async |pair| {
        let (watch, id) = (&crew.watch, pair.green.id.as_str());
        watch.client.uncordon_machine(watch.app, id, None).await?;
        watch.report(id, &pair.blue.group, MachineStep::Uncordoned);
        Ok(())
    });
    if let Some((_, error)) = failed.await.into_iter().next() {
        return Err(error.into());
    }
    for pair in &pairs {
        crew.journal.stays(&pair.green.id, &pair.blue.group);
        crew.journal.note(&pair.blue.id, Fate::Replaced(Some(pair.green.id.clone())));
    }
    retire(crew, &pairs).await;
    Ok(())
}

/// Makes one green machine for each blue one, which the proxy does not know yet.
async fn make_green<'p>(crew: &Crew<'_>, plan: &'p Plan) -> Result<Vec<Pair<'p>>, Stop> {
    let tag = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let tag = tag.to_string();
    let changes: Vec<_> = plan.changes.values().flat_map(|changes| with_runners(changes)).collect();
    // Many at once would race for the same room.
    let at_once = changes.len().div_ceil(3).clamp(1, crew.settings.max_concurrent);
    let made = stream::iter(changes).map(async |(change, runs)| {
        crew.go_on()?;
        let blue = change.from();
        let mut config = change.config().clone();
        config.metadata.insert(TAG.to_owned(), tag.clone());
        let launch = NewMachine {
            group: &blue.group,
            region: Some(&blue.region),
            config,
            skip_launch: !runs,
            cordoned: true,
        };
        match crew.launch(launch, Journal::passing).await {
            Ok(green) => Ok(Pair { blue, green, runs }),
            Err(error) => {
                crew.halt.cancel();
                Err(Stop::from(error))
            }
        }
    });
    let (mut pairs, mut stops) = (Vec::new(), Vec::new());
    for made in made.buffer_unordered(at_once).collect::<Vec<_>>().await {
        match made {
            Ok(pair) => pairs.push(pair),
            Err(stop) => stops.push(Err(stop)),
        }
    }
    first_failure(stops)?;
    Ok(pairs)
}

/// Says which green machines run: as the blue ones do, but of a group with checks at least one,
/// or nobody would know whether the image is any good.
fn with_runners(changes: &[Change]) -> Vec<(&Change, bool)> {
    let nobody_runs = changes.iter().all(Change::skip_launch);
    let mut wake = nobody_runs && changes.iter().any(|change| checks(change.config()) > 0);
    let runs = |change: &Change| {
        let has_checks = checks(change.config()) > 0;
        !change.skip_launch() || (has_checks && std::mem::take(&mut wake))
    };
    changes.iter().zip(changes.iter().map(runs)).collect()
}

/// Stops the blue machines, gently. What goes wrong here keeps nobody: they are destroyed in
/// the end anyway, and those on hosts that cannot be reached are only destroyed.
async fn retire(crew: &Crew<'_>, pairs: &[Pair<'_>]) {
    let (watch, pause) = (&crew.watch, crew.settings.patience.switch_pause);
    let (client, app) = (watch.client, watch.app);
    let blues: Vec<_> = pairs.iter().map(|pair| pair.blue).filter(|b| b.is_reachable).collect();
    let failed = each(crew, &blues, async |blue| {
        client.set_machine_metadata(app, &blue.id, TAG, SAFE_TO_DESTROY).await
    });
    warn(crew, "marked as safe to destroy", failed.await);
    sleep(pause).await;
    let failed = each(crew, &blues, async |blue| {
        client.cordon_machine(app, &blue.id, crew.leases.nonce(&blue.id).as_ref()).await?;
        watch.report(&blue.id, &blue.group, MachineStep::Cordoned);
        Ok(())
    });
    warn(crew, "cordoned", failed.await);
    sleep(pause).await;
    let failed = each(crew, &blues, async |blue| {
        if !blue.is_running() {
            return Ok(());
        }
        watch.report(&blue.id, &blue.group, MachineStep::Stopping);
        let (nonce, signal) = (crew.leases.nonce(&blue.id), &crew.settings.stop_signal);
        client.stop_machine(app, &blue.id, nonce.as_ref(), Some(signal)).await?;
        watch.until_stopped(&blue.id).await
    });
    warn(crew, "stopped", failed.await);
}

/// Does one thing with each of the machines, a few at a time.
async fn each<'m, M>(
    crew: &Crew<'_>,
    machines: &'m [M],
    order: impl AsyncFn(&'m M) -> Result<(), FlyError>,
) -> Vec<(&'m M, FlyError)> {
    let order = &order;
    let orders = machines.iter().map(|machine| async move { (machine, order(machine).await) });
    let done = stream::iter(orders).buffer_unordered(crew.settings.max_concurrent);
    let failed = done.filter_map(async |(machine, done)| Some((machine, done.err()?)));
    failed.collect().await
}

fn warn(crew: &Crew<'_>, what: &str, failed: Vec<(&&Existing, FlyError)>) {
    for (blue, error) in failed {
        let message = format!("machine {} [{}] is not {what}: {error}", blue.id, blue.group);
        let code = "rollout.not-retired";
        crew.watch.reporter.report(Event::Warning { code, message });
    }
}
