//! Looking into what the registry is said to have: all of it at once.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use super::inventory::{Doubt, Inventory};
use super::{Error, Push};
use crate::registry::{self, Mounted};

/// How many questions may be on their way at once.
const QUESTIONS: usize = 16;

/// Settles each of `doubts`: a blob that is in the repository, or can be mounted from another,
/// is noted in `inventory` as found; the others as missing.
///
/// # Errors
///
/// Fails without an answer, and when the push is cancelled.
pub(super) async fn settle(
    push: &Push<'_>,
    doubts: Vec<Doubt>,
    mut note: impl FnMut(&mut dyn FnMut(&mut Inventory)),
) -> Result<(), Error> {
    let turns = Semaphore::new(QUESTIONS);
    let mut answers: FuturesUnordered<_> = doubts
        .into_iter()
        .map(|doubt| async {
            let _turn = turns.acquire().await;
            let there = is_there(push, &doubt).await?;
            Ok::<_, registry::Error>((doubt, there))
        })
        .collect();
    let all = async {
        while let Some(answer) = answers.next().await {
            let (doubt, there) = answer?;
            note(&mut |inventory| {
                if there {
                    inventory.found(doubt.diff_id, doubt.blob.clone());
                } else {
                    inventory.not_there(doubt.diff_id);
                }
            });
        }
        Ok(())
    };
    push.or_cancelled(all).await
}

async fn is_there(push: &Push<'_>, doubt: &Doubt) -> Result<bool, registry::Error> {
    let Doubt { blob, elsewhere, .. } = doubt;
    let Some(from) = elsewhere else {
        return push.registry.has_blob(blob.digest, blob.size).await;
    };
    Ok(match push.registry.mount(blob.digest, from).await? {
        Mounted::Yes => true,
        Mounted::NoBut(upload) => {
            upload.cancel().await;
            false
        }
        Mounted::No => false,
    })
}
