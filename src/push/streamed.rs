//! Sending an image that is read in one pass, as often as it takes.

use std::sync::{Arc, Mutex};

use super::inventory::Inventory;
use super::ledger::Ledger;
use super::{Error, Push, facts, locked, pass, reuse};
use crate::event::Event;
use crate::image::ImageConfig;
use crate::source::{Image, Interrupt, SkipLayers, Streamed};

/// How many passes may end well and still leave layers to be sent: one to learn what is
/// new, one to send it, one for layers that were not where they were said to be.
const MAX_PASSES: usize = 3;

/// An image on its way.
pub(super) struct Sending<'a> {
    push: &'a Push<'a>,
    image: &'a Streamed,
    ledger: Arc<Mutex<Ledger>>,
}

impl<'a> Sending<'a> {
    pub(super) fn new(push: &'a Push<'a>, image: &'a Streamed, inventory: Inventory) -> Self {
        push.reporter.report(Event::ImageOpened {
            kind: image.kind().to_owned(),
            path: image.path().display().to_string(),
        });
        Self { push, image, ledger: Arc::new(Mutex::new(Ledger::new(inventory))) }
    }

    pub(super) fn ledger(&self) -> &Mutex<Ledger> {
        &self.ledger
    }

    /// Sees to it that every layer is in the repository.
    ///
    /// # Errors
    ///
    /// Fails when the source cannot be read or the registry does not do its part.
    pub(super) async fn complete(&mut self) -> Result<ImageConfig, Error> {
        if self.image.may_hold_others() {
            // Layers of the others must not be sent, so it must be known which they are.
            let image = self.describe().await?;
            self.learn(&image).await?;
        }
        let retry = self.push.registry.retry();
        let image = retry
            .run(self.push.registry.patience(), "send the layers", async |_| {
                for _ in 0..MAX_PASSES {
                    let (image, failure) = pass::run(self.push, self.image, &self.ledger).await?;
                    self.learn(&image).await?;
                    match failure {
                        _ if locked(&self.ledger).is_complete(&image) => return Ok(image),
                        Some(failure) => return Err(failure),
                        // Layers that were only hashed turned out to be new.
                        None => {}
                    }
                }
                Err(Error::Inconsistent)
            })
            .await?;
        Ok(image.config)
    }

    /// Reads what the archive says of its image, without its layers.
    async fn describe(&self) -> Result<Image, Error> {
        let image = self.image.clone();
        let read = move || image.read(&Interrupt::default(), &mut SkipLayers);
        Ok(tokio::task::spawn_blocking(read).await.map_err(|_panic| Error::Interrupted)??)
    }

    /// Takes in what the image is made of, and looks into what the registry is said to have.
    async fn learn(&self, image: &Image) -> Result<(), Error> {
        let bytes = image.uncompressed_bytes.unwrap_or_default();
        self.push.check(&facts(&image.config, bytes))?;
        let doubts = {
            let mut ledger = locked(&self.ledger);
            ledger.learn(image)?;
            let diff_ids = image.config.diff_ids();
            for &diff_id in diff_ids {
                ledger.inventory().recall(diff_id);
            }
            ledger.inventory().doubts(diff_ids.iter().copied())
        };
        reuse::settle(self.push, doubts, |note| note(locked(&self.ledger).inventory())).await
    }
}
