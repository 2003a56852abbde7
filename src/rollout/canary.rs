//! The canary strategy: one more machine of each group shows that the new image runs, and is
//! gone before any other is touched.

use futures_util::future::join_all;

use super::crew::{Crew, NewMachine, Stop, first_failure};
use super::journal::Journal;
use super::plan::{Canary, Plan};
use super::rolling;

/// Tries one machine of each group that changes, then does as [`rolling`] does.
pub(super) async fn run(crew: &Crew<'_>, plan: &Plan) -> Result<(), Stop> {
    let tries = plan.canaries.iter().map(async |canary| crew.watchful(fly(crew, canary).await));
    first_failure(join_all(tries).await)?;
    rolling::run(crew, plan).await
}

async fn fly(crew: &Crew<'_>, canary: &Canary) -> Result<(), Stop> {
    let group = canary.group.as_str();
    let launch = NewMachine {
        group,
        region: Some(&canary.region),
        config: canary.config.as_ref().clone(),
        skip_launch: false,
        cordoned: false,
    };
    let made = crew.launch(launch, Journal::passing).await?;
    crew.settle(group, &made, 0).await?;
    crew.destroy(&made.id, group).await?;
    crew.journal.unmade(&made.id);
    Ok(())
}
