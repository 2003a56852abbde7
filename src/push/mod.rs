//! From an image to its digest in a registry.
//!
//! What the registry has is not read, compressed or sent again: the images that it holds
//! already say which `diff_id` is which blob, and some say what a layer was made of. The rest
//! is sent while it is read: layer by layer where each can be opened by itself, otherwise in
//! as many passes over the source as it takes. The manifest goes last, so that no tag ever
//! points to an image that is not whole.

mod crew;
mod error;
mod format;
mod indexed;
mod inventory;
mod known;
mod ledger;
mod pack;
mod pass;
mod reuse;
mod rules;
mod streamed;
mod transfer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use format::{Format, ZstdNeedsOci};
pub use known::Survey;
pub use rules::Platform;

use inventory::{Inventory, Memory};
use known::annotated;
use rules::Facts;

use crate::event::{Event, Reporter};
use crate::image::{
    Descriptor, DiffId, Digest, ImageConfig, Manifest, ManifestFormat, Reference, Tag,
};
use crate::layer::{Memo, Place};
use crate::registry::{self, Registry};
use crate::source::Layout;

/// How often the registry may turn out to have lost blobs that it listed.
const MAX_REPAIRS: usize = 2;

/// What is to be pushed, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The tag that stands for this very image: where the registry has it, the image is there.
    pub identity: Option<Tag>,
    /// Further tags that shall point to it. Without any tag it is stored by its digest alone.
    pub tags: Vec<Tag>,
    /// Images that may share layers with this one, such as the one that runs now. Those of
    /// other registries are passed over.
    pub previous: Vec<Reference>,
    /// How layers and manifest are written.
    pub format: Format,
    /// What the image must be made for.
    pub platform: Platform,
    /// What is believed to be there already.
    pub reuse: Reuse,
    /// What this machine remembers of layers.
    pub memo: Option<Arc<Memo>>,
}

/// What is believed to be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Whole images by their identity, and layers.
    Images,
    /// Layers, by their digests: the image is read, whatever its identity says.
    Layers,
    /// Nothing: everything is read and sent.
    Nothing,
}

/// An image that is in the registry, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is, by digest.
    pub reference: Reference,
    /// The tag that stands for this very image, if it has one.
    pub identity: Option<Tag>,
}

/// A push: what, where to, and who wants to know.
///
/// It has three steps: [`Push::survey`] learns what the registry has; [`Push::adopt`] ends
/// the matter if the image is there; [`Push::send`] sends what is missing. Each may be made
/// again.
///
/// # Cancel safety
///
/// Use `cancel`: a future that is dropped leaves open uploads to the registry.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a reporter has nothing to show")]
pub struct Push<'a> {
    /// The registry, and the repository in it.
    pub registry: &'a Registry,
    /// What is pushed, and how.
    pub request: &'a Request,
    /// Who is told.
    pub reporter: &'a Arc<dyn Reporter>,
    /// Ends the push.
    pub cancel: &'a CancellationToken,
}

/// How long a push gets to cancel its uploads.
const TIDY_TIME: Duration = Duration::from_millis(1500);

impl Push<'_> {
    /// Learns what the registry has: two requests for each image that may share layers.
    ///
    /// # Errors
    ///
    /// Fails when the registry does not answer or refuses, and with [`Error::Interrupted`]
    /// when `cancel` fires.
    pub async fn survey(&self) -> Result<Survey, Error> {
        let own = self.own();
        let tags = self.tags().map(|tag| own.with_tag(tag.clone()));
        let references: Vec<_> = match self.request.reuse {
            Reuse::Nothing => Vec::new(),
            _ => tags.chain(self.request.previous.iter().cloned()).collect(),
        };
        let identity = self.request.identity.as_ref();
        self.or_cancelled(known::gather(self.registry, &references, identity)).await
    }

    /// Takes the image that the identity tag points to, if there is one of the right kind,
    /// and sees to the other tags. Nothing means that there is none.
    ///
    /// # Errors
    ///
    /// Fails when the registry does, when the image cannot run, and with
    /// [`Error::Interrupted`] when `cancel` fires.
    pub async fn adopt(&self, survey: &Survey) -> Result<Option<Pushed>, Error> {
        let start = Instant::now();
        let Some(seen) = survey.identical.as_ref().filter(|_| self.request.reuse == Reuse::Images)
        else {
            return Ok(None);
        };
        let (manifest, digest) = (&seen.stored.manifest, seen.stored.digest);
        let Some(config) = &seen.config else { return Ok(None) };
        if manifest.format() != Some(self.request.format.manifest())
            || manifest.digest() != digest
            || manifest.layers.len() != config.diff_ids().len()
        {
            return Ok(None);
        }
        self.check(&facts(config, 0))?;
        let reference = self.own().with_digest(digest);
        self.reporter.report(Event::ImageFound { reference: reference.clone() });
        match self.or_cancelled(self.store_manifest(manifest, &survey.tagged)).await {
            // Then it is not whole after all.
            Err(Error::Registry(registry::Error::BlobsUnknown { .. })) => return Ok(None),
            stored => stored?,
        }
        let inventory = self.inventory(survey);
        self.report(start, &reference, config.diff_ids(), &inventory, 0);
        Ok(Some(self.pushed(reference)))
    }

    /// Sends what the registry has not got of an image.
    ///
    /// # Errors
    ///
    /// Fails when the source is no sound image, when the registry refuses or goes away, and
    /// with [`Error::Interrupted`] when `cancel` fires. Whatever happens, no tag points to an
    /// image that is not whole, open uploads are cancelled, and the same call may be made
    /// again.
    pub async fn send(&self, layout: &Layout, survey: Survey) -> Result<Pushed, Error> {
        tokio::select! {
            // It looks at `cancel` itself where something must be put right; elsewhere it may
            // simply end.
            result = self.send_missing(layout, survey) => result,
            () = cancelled_and_tidied(self.cancel) => Err(Error::Interrupted),
        }
    }

    async fn send_missing(&self, layout: &Layout, survey: Survey) -> Result<Pushed, Error> {
        let start = Instant::now();
        let mut work = match layout {
            Layout::Indexed(image) => Work::Indexed(indexed::Sending::new(self, image, &survey)?),
            Layout::Streamed(image) => {
                Work::Streamed(streamed::Sending::new(self, image, self.inventory(&survey)))
            }
        };
        let fixed_config = match layout {
            Layout::Indexed(image) => image.fixed_config(),
            Layout::Streamed(_) => None,
        };
        let mut configs = survey.configs;
        for _ in 0..=MAX_REPAIRS {
            let (config, config_bytes) = match (&mut work, fixed_config) {
                (Work::Indexed(sending), Some(config)) => {
                    // Not `try_join`: what is being sent when the other fails is not dropped.
                    let sent = self.store_config(config, &mut configs);
                    let (config, bytes) = tokio::join!(sending.complete(), sent);
                    (config?, bytes?)
                }
                (work, _) => {
                    let config = match work {
                        Work::Indexed(sending) => sending.complete().await?,
                        Work::Streamed(sending) => sending.complete().await?,
                    };
                    let bytes = self.store_config(&config, &mut configs).await?;
                    (config, bytes)
                }
            };
            let manifest = self.manifest(&config, &mut work)?;
            match self.or_cancelled(self.store_manifest(&manifest, &survey.tagged)).await {
                Err(Error::Registry(registry::Error::BlobsUnknown { digests })) => {
                    tracing::warn!(?digests, "the registry lost blobs of an image that it holds");
                    work.inventory(|inventory| inventory.forget(&digests));
                    configs.retain(|config| !digests.is_empty() && !digests.contains(config));
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let reference = self.own().with_digest(manifest.digest());
                    self.remember(&config, &manifest, &work);
                    work.inventory(|inventory| {
                        let diff_ids = config.diff_ids();
                        self.report(start, &reference, diff_ids, inventory, config_bytes);
                    });
                    return Ok(self.pushed(reference));
                }
            }
        }
        Err(registry::Error::BlobsUnknown { digests: Vec::new() }.into())
    }

    fn pushed(&self, reference: Reference) -> Pushed {
        Pushed { reference, identity: self.request.identity.clone() }
    }

    fn own(&self) -> Reference {
        Reference::new(self.registry.host().clone(), self.registry.repository().clone())
    }

    /// Returns all tags that shall point to the image.
    fn tags(&self) -> impl Iterator<Item = &Tag> {
        let Request { identity, tags, .. } = self.request;
        tags.iter().chain(identity.as_ref().filter(|identity| !tags.contains(identity)))
    }

    fn inventory(&self, survey: &Survey) -> Inventory {
        let memory = self.request.memo.clone().filter(|_| self.reuses_layers());
        let memory = memory.map(|memo| Memory { memo, host: self.registry.host().clone() });
        let own = self.registry.repository().clone();
        Inventory::new(own, self.request.format, survey.layers.clone(), memory)
    }

    fn reuses_layers(&self) -> bool {
        self.request.reuse != Reuse::Nothing
    }

    /// Notes on this machine what is in the registry now.
    fn remember(&self, config: &ImageConfig, manifest: &Manifest, work: &Work<'_>) {
        let Some(memo) = &self.request.memo else { return };
        for (&diff_id, blob) in config.diff_ids().iter().zip(&manifest.layers) {
            let place = Place {
                host: self.registry.host().clone(),
                repository: self.registry.repository().clone(),
                blob: blob.clone(),
            };
            memo.remember_place(diff_id, place);
        }
        if let Work::Indexed(sending) = work {
            sending.remember(memo);
        }
        memo.save();
    }

    fn report(
        &self,
        start: Instant,
        reference: &Reference,
        diff_ids: &[DiffId],
        inventory: &Inventory,
        config_bytes: u64,
    ) {
        inventory.reused(diff_ids).into_iter().for_each(|event| self.reporter.report(event));
        let totals = inventory.totals(diff_ids);
        self.reporter.report(Event::Pushed {
            reference: reference.clone(),
            tags: self.tags().map(ToString::to_string).collect(),
            layers: diff_ids.len(),
            reused: diff_ids.len() - totals.sent,
            sent: totals.sent,
            sent_bytes: totals.sent_bytes + config_bytes,
            elapsed_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }

    async fn or_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, registry::Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            result = work => result.map_err(Error::from),
            () = self.cancel.cancelled() => Err(Error::Interrupted),
        }
    }

    /// Checks the rules of who will run the image.
    fn check(&self, facts: &Facts<'_>) -> Result<(), Error> {
        if let Some(message) = self.request.platform.check(*facts)? {
            self.reporter.report(Event::Warning { code: "push.nearly-too-large", message });
        }
        Ok(())
    }

    /// Sees to it that the config is in the repository; returns the bytes that were sent.
    async fn store_config(
        &self,
        config: &ImageConfig,
        there: &mut Vec<Digest>,
    ) -> Result<u64, Error> {
        let digest = config.digest();
        if there.contains(&digest) {
            return Ok(0);
        }
        // It is small, and hardly ever there: to ask would cost as much as to send it.
        let bytes = Bytes::copy_from_slice(config.bytes());
        self.or_cancelled(self.registry.put_blob(&bytes, digest)).await?;
        there.push(digest);
        Ok(bytes.len() as u64)
    }

    fn manifest(&self, config: &ImageConfig, work: &mut Work<'_>) -> Result<Manifest, Error> {
        let format = self.request.format.manifest();
        let mut layers = work
            .inventory(|inventory| inventory.descriptors(config.diff_ids()))
            .ok_or(Error::Interrupted)?;
        // Docker's manifests have no annotations.
        if format == ManifestFormat::Oci
            && let Work::Indexed(sending) = work
        {
            let keys = sending.keys();
            layers = layers.into_iter().zip(keys).map(|(blob, key)| annotated(blob, key)).collect();
        }
        let config = Descriptor::of(format.config_type(), config.bytes());
        Ok(Manifest::new(format, config, layers))
    }

    async fn store_manifest(
        &self,
        manifest: &Manifest,
        tagged: &[(Tag, Digest)],
    ) -> Result<(), registry::Error> {
        let digest = manifest.digest();
        if self.tags().next().is_none() {
            return self.registry.put_manifest(manifest, None).await;
        }
        for tag in self.tags() {
            if !tagged.contains(&(tag.clone(), digest)) {
                self.registry.put_manifest(manifest, Some(tag)).await?;
            }
        }
        Ok(())
    }
}

/// The image on its way, by the way in which it can be read.
enum Work<'a> {
    Indexed(indexed::Sending<'a>),
    Streamed(streamed::Sending<'a>),
}

impl Work<'_> {
    fn inventory<T>(&mut self, work: impl FnOnce(&mut Inventory) -> T) -> T {
        match self {
            Self::Indexed(sending) => work(sending.inventory()),
            Self::Streamed(sending) => work(locked(sending.ledger()).inventory()),
        }
    }
}

fn facts(config: &ImageConfig, uncompressed_bytes: u64) -> Facts<'_> {
    Facts {
        os: config.os(),
        architecture: config.architecture(),
        layers: config.diff_ids().len(),
        uncompressed_bytes,
    }
}

async fn cancelled_and_tidied(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(TIDY_TIME).await;
}

/// A ledger is whole between any two of its methods, whoever panicked.
fn locked<T>(ledger: &Mutex<T>) -> MutexGuard<'_, T> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
