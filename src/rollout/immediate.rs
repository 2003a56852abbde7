//! The immediate strategy: all machines at once, and none is watched.

use futures_util::{StreamExt as _, stream};

use super::crew::{Crew, Stop, first_failure};
use super::plan::Plan;

/// Makes and changes all machines. One that fails does not keep the others; the first failure is
/// told in the end.
///
/// # Cancel safety
///
/// Dropping it leaves machines half-way; the journal knows which.
pub(super) async fn run(crew: &Crew<'_>, plan: &Plan) -> Result<(), Stop> {
    let at_once = crew.settings.max_concurrent;
    let creates = stream::iter(&plan.creates).map(|create| crew.create(create));
    let mut all: Vec<_> = creates.buffer_unordered(at_once).collect().await;
    let changes = stream::iter(plan.all_changes()).map(|change| crew.change(change));
    all.extend(changes.buffer_unordered(at_once).collect::<Vec<_>>().await);
    first_failure(all)
}
