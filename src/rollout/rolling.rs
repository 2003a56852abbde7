//! The rolling strategy: the first machine of a group alone, then a few at a time.

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use super::crew::{Crew, Stop, first_failure};
use super::plan::{Change, Plan};

/// As many process groups are worked on at once; the platform's own client has the same.
const GROUPS_AT_ONCE: usize = 16;

/// As many machines that do not run are changed at once: nobody misses them.
const COLD_AT_ONCE: usize = 30;

/// Makes what is missing and changes what is there; stops at the first failure.
///
/// # Cancel safety
///
/// Dropping it leaves machines half-way; the journal knows which.
pub(super) async fn run(crew: &Crew<'_>, plan: &Plan) -> Result<(), Stop> {
    create_all(crew, plan).await?;
    let groups = plan.changes.values().map(|changes| change_group(crew, changes));
    first_failure(stream::iter(groups).buffered(GROUPS_AT_ONCE).collect().await)
}

/// Makes the machines of new groups, one group after the other.
pub(super) async fn create_all(crew: &Crew<'_>, plan: &Plan) -> Result<(), Stop> {
    for create in &plan.creates {
        crew.create(create).await?;
    }
    Ok(())
}

/// Machines that run and machines that do not are changed side by side.
async fn change_group(crew: &Crew<'_>, changes: &[Change]) -> Result<(), Stop> {
    let (warm, cold): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| change.from().state == "started");
    let pool = crew.settings.max_unavailable.of(changes.len());
    let both = [change_all(crew, &warm, pool), change_all(crew, &cold, COLD_AT_ONCE)];
    first_failure(join_all(both).await)
}

async fn change_all(crew: &Crew<'_>, changes: &[&Change], pool: usize) -> Result<(), Stop> {
    let Some((first, others)) = changes.split_first() else { return Ok(()) };
    crew.watchful(crew.change(first).await)?;
    let others = others.iter().map(async |change| crew.watchful(crew.change(change).await));
    first_failure(stream::iter(others).buffer_unordered(pool).collect().await)
}
