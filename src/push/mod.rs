//! From an image to its digest in a registry.
//!
//! What the registry has is not read, compressed or sent again: the images that it holds
//! already say which `diff_id` is which blob. The rest is sent while it is read, in as many
//! passes over the source as it takes: one, as a rule; another for layers whose names did
//! not tell whether they are new, and for those whose upload failed. The manifest goes
//! last, so that no tag ever points to an image that is not whole.

mod error;
mod format;
mod known;
mod ledger;
mod pass;
mod transfer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use format::{Format, ZstdNeedsOci};
use ledger::Ledger;

use crate::event::{Event, Reporter};
use crate::image::{Descriptor, Digest, ImageConfig, Manifest, Reference, Tag};
use crate::registry::{self, Mounted, Registry};
use crate::source::{Image, Interrupt, SkipLayers, Source};

/// The most layers that an image may have: container runtimes stop at 127.
const MAX_LAYERS: usize = 127;

/// How many passes may end well and still leave layers to be sent: one to learn what is
/// new, one to send it, one for layers that could not be mounted.
const MAX_PASSES: usize = 3;

/// How often the registry may turn out to have lost blobs that it listed.
const MAX_REPAIRS: usize = 2;

/// What images the other side can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Any: the registry is only a store.
    Any,
    /// Linux on x86-64 alone, as Fly's machines are.
    LinuxAmd64,
}

/// What is to be pushed, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the image comes from.
    pub source: Source,
    /// The tags that shall point to it. Without any it is stored by its digest alone.
    pub tags: Vec<Tag>,
    /// Images that may share layers with this one, such as the one that runs now. Those of
    /// other registries are passed over.
    pub previous: Vec<Reference>,
    /// How layers and manifest are written.
    pub format: Format,
    /// What the image must be made for.
    pub platform: Platform,
}

/// An image that is in the registry, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is, by digest.
    pub reference: Reference,
}

/// Pushes an image to the registry's repository.
///
/// # Errors
///
/// Fails when the source is no sound image, when the registry refuses or goes away, and
/// with [`Error::Interrupted`] when `cancel` fires. Whatever happens, no tag points to an
/// image that is not whole, open uploads are cancelled, and the same call may be made again.
///
/// # Cancel safety
///
/// Use `cancel`: a future that is dropped leaves open uploads to the registry.
pub async fn push(
    registry: &Registry,
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &CancellationToken,
) -> Result<Pushed, Error> {
    let run = Run { registry, request, reporter, cancel, start: Instant::now() };
    tokio::select! {
        // The run looks at `cancel` itself where something must be put right; elsewhere
        // it may simply end.
        result = run.push() => result,
        () = cancelled_and_tidied(cancel) => Err(Error::Interrupted),
    }
}

/// How long the run gets to cancel its uploads.
const TIDY_TIME: Duration = Duration::from_millis(1500);

async fn cancelled_and_tidied(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(TIDY_TIME).await;
}

struct Run<'a> {
    registry: &'a Registry,
    request: &'a Request,
    reporter: &'a Arc<dyn Reporter>,
    cancel: &'a CancellationToken,
    start: Instant,
}

impl Run<'_> {
    async fn push(&self) -> Result<Pushed, Error> {
        let Request { source, tags, .. } = self.request;
        self.reporter.report(Event::ImageOpened {
            kind: source.kind(),
            path: source.path().display().to_string(),
        });
        let host = self.registry.host();
        let own = Reference::new(host.clone(), self.registry.repository().clone());
        let candidates = tags.iter().map(|tag| own.with_tag(tag.clone()));
        let candidates: Vec<_> = candidates.chain(self.request.previous.iter().cloned()).collect();
        let known = self.or_cancelled(known::gather(self.registry, &candidates)).await?;
        let (tagged, mut configs) = (known.tagged, known.configs);
        let ledger = Ledger::new(known.layers, self.request.format);
        let ledger = Arc::new(Mutex::new(ledger));

        if source.skips_for_free() {
            let image = self.describe().await?;
            self.check(&image)?;
            locked(&ledger).learn(&image)?;
        }
        for _ in 0..=MAX_REPAIRS {
            let image = self.complete(&ledger).await?;
            let config_bytes = self.store_config(&image.config, &mut configs).await?;
            let manifest = self.manifest(&image, &ledger)?;
            match self.or_cancelled(self.store_manifest(&manifest, &tagged)).await {
                Err(Error::Registry(registry::Error::BlobsUnknown { digests })) => {
                    tracing::warn!(?digests, "the registry lost blobs of an image that it holds");
                    locked(&ledger).forget(&digests);
                    configs.clear();
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let reference = own.with_digest(manifest.digest());
                    self.report(&reference, &image, &locked(&ledger), config_bytes);
                    return Ok(Pushed { reference });
                }
            }
        }
        Err(registry::Error::BlobsUnknown { digests: Vec::new() }.into())
    }

    fn report(&self, reference: &Reference, image: &Image, ledger: &Ledger, config_bytes: u64) {
        ledger.reused(image).into_iter().for_each(|event| self.reporter.report(event));
        let totals = ledger.totals(image);
        self.reporter.report(Event::Pushed {
            reference: reference.clone(),
            tags: self.request.tags.iter().map(ToString::to_string).collect(),
            layers: image.layers.len(),
            reused: image.layers.len() - totals.sent,
            sent: totals.sent,
            sent_bytes: totals.sent_bytes + config_bytes,
            elapsed_ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
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

    /// Reads what the archive says of its image, without its layers.
    async fn describe(&self) -> Result<Image, Error> {
        let source = self.request.source.clone();
        let read = move || source.read(&Interrupt::default(), &mut SkipLayers);
        Ok(tokio::task::spawn_blocking(read).await.map_err(|_panic| Error::Interrupted)??)
    }

    /// Sees to it that every layer is in the repository.
    async fn complete(&self, ledger: &Arc<Mutex<Ledger>>) -> Result<Image, Error> {
        let retry = self.registry.retry();
        retry
            .run(self.registry.patience(), "send the layers", async |_| {
                for _ in 0..MAX_PASSES {
                    let (image, failure) = pass::run(self, ledger).await?;
                    self.check(&image)?;
                    locked(ledger).learn(&image)?;
                    self.mount(ledger, &image).await?;
                    match failure {
                        _ if locked(ledger).is_complete(&image) => return Ok(image),
                        Some(failure) => return Err(failure),
                        // Layers that were only hashed turned out to be new.
                        None => {}
                    }
                }
                Err(Error::Inconsistent)
            })
            .await
    }

    /// Checks the rules of who will run the image.
    fn check(&self, image: &Image) -> Result<(), Error> {
        let (os, architecture) = (image.config.os(), image.config.architecture());
        if self.request.platform == Platform::LinuxAmd64 && (os, architecture) != ("linux", "amd64")
        {
            return Err(Error::WrongPlatform { found: format!("{os}/{architecture}") });
        }
        if image.layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers { layers: image.layers.len(), most: MAX_LAYERS });
        }
        Ok(())
    }

    /// Takes layers that other repositories of the registry have.
    async fn mount(&self, ledger: &Mutex<Ledger>, image: &Image) -> Result<(), Error> {
        let mountable = locked(ledger).mountable(image, self.registry.repository());
        for (diff_id, digest, from) in mountable {
            match self.or_cancelled(self.registry.mount(digest, &from)).await? {
                Mounted::Yes => locked(ledger).mounted(diff_id),
                Mounted::NoBut(upload) => {
                    upload.cancel().await;
                    locked(ledger).unknown(diff_id);
                }
                Mounted::No => locked(ledger).unknown(diff_id),
            }
        }
        Ok(())
    }

    /// Sees to it that the config is in the repository; returns the bytes that were sent.
    async fn store_config(
        &self,
        config: &ImageConfig,
        there: &mut Vec<Descriptor>,
    ) -> Result<u64, Error> {
        let (digest, size) = (config.digest(), config.bytes().len() as u64);
        if there.iter().any(|there| there.digest == digest) {
            return Ok(0);
        }
        let format = self.request.format.manifest();
        there.push(Descriptor::of(format.config_type(), config.bytes()));
        self.or_cancelled(async {
            if self.registry.has_blob(digest, size).await? {
                return Ok(0);
            }
            self.registry.put_blob(&Bytes::copy_from_slice(config.bytes()), digest).await?;
            Ok(size)
        })
        .await
    }

    fn manifest(&self, image: &Image, ledger: &Mutex<Ledger>) -> Result<Manifest, Error> {
        let format = self.request.format.manifest();
        let config = Descriptor::of(format.config_type(), image.config.bytes());
        let layers = locked(ledger).descriptors(image).ok_or(Error::Interrupted)?;
        Ok(Manifest::new(format, config, layers))
    }

    async fn store_manifest(
        &self,
        manifest: &Manifest,
        tagged: &[(Tag, Digest)],
    ) -> Result<(), registry::Error> {
        let digest = manifest.digest();
        let tags = &self.request.tags;
        if tags.is_empty() {
            return self.registry.put_manifest(manifest, None).await;
        }
        for tag in tags {
            if !tagged.contains(&(tag.clone(), digest)) {
                self.registry.put_manifest(manifest, Some(tag)).await?;
            }
        }
        Ok(())
    }
}

/// A ledger is whole between any two of its methods, whoever panicked.
fn locked(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
