//! One layer on its way into the registry.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::event::{Event, Meter, Reporter};
use crate::http::{Judge as _, Verdict};
use crate::image::{Compression, DiffId};
use crate::layer::{Blob, Chunk, Packed, TarHash};
use crate::registry::{self, BodyEnd, Registry};

/// A blob up to this size is kept until its digest is known, so that it can be sent in one
/// request that can be repeated.
const SMALL_BYTES: usize = 1 << 20;

/// The most blocks that are kept for that: they use up the budget that reading needs.
const SMALL_BLOCKS: usize = 4;

/// A layer that is being read.
pub(super) struct Job {
    pub(super) member: String,
    /// What the config says that it is, where that is known.
    pub(super) expected: Option<DiffId>,
    /// What the blob is, if it is one already and the image says so.
    pub(super) known: Option<Packed>,
    /// How it is compressed in the registry.
    pub(super) compression: Compression,
    pub(super) blob: Blob,
    /// What it was found to be, once it was read to its end.
    pub(super) hash: oneshot::Receiver<TarHash>,
    /// Held until the layer is stored.
    pub(super) _slot: OwnedSemaphorePermit,
}

/// A layer that has got into the repository.
pub(super) struct Arrived {
    pub(super) member: String,
    pub(super) hash: TarHash,
    pub(super) packed: Packed,
    pub(super) compression: Compression,
}

/// Brings the layer of `job` into the repository.
///
/// # Errors
///
/// Fails when the registry does, when the layer is not the expected one, and with
/// `Interrupted` when `cancel` fires or the layer broke off. The upload is cancelled then.
pub(super) async fn transfer(
    registry: &Registry,
    job: Job,
    reporter: &dyn Reporter,
    cancel: &CancellationToken,
) -> Result<Arrived, Error> {
    let Job { member, expected, known, compression, mut blob, hash, _slot } = job;
    let layer = Layer { registry, member: &member, expected, reporter };
    let mut kept = Vec::new();
    let mut kept_bytes = 0;
    let is_small = loop {
        let Some(chunk) = blob.next().await? else { break true };
        kept_bytes += chunk.bytes.len();
        kept.push(chunk);
        if kept_bytes > SMALL_BYTES || kept.len() >= SMALL_BLOCKS {
            break false;
        }
    };
    let (hash, packed) = if is_small {
        layer.send_kept(kept, blob, hash).await?
    } else {
        layer.stream(kept, blob, hash, known, cancel).await?
    };
    reporter.report(Event::LayerSent {
        diff_id: hash.diff_id,
        digest: packed.digest,
        size_bytes: packed.size_bytes,
        uncompressed_bytes: hash.uncompressed_bytes,
    });
    Ok(Arrived { member, hash, packed, compression })
}

struct Layer<'a> {
    registry: &'a Registry,
    member: &'a str,
    expected: Option<DiffId>,
    reporter: &'a dyn Reporter,
}

impl Layer<'_> {
    /// Sends a blob whose bytes are all at hand.
    async fn send_kept(
        &self,
        kept: Vec<Chunk>,
        blob: Blob,
        hash: oneshot::Receiver<TarHash>,
    ) -> Result<(TarHash, Packed), Error> {
        let hash = self.measured(hash).await?;
        let packed = blob.finish()?;
        let mut bytes = BytesMut::new();
        for chunk in kept {
            bytes.extend_from_slice(&chunk.bytes);
        }
        let meter = self.reporter.transfer(&packed.digest.short(), Some(packed.size_bytes));
        let stored = self.registry.put_blob(&bytes.freeze(), packed.digest).await;
        stored.map_err(|error| self.error(error))?;
        meter.add(packed.size_bytes);
        Ok((hash, packed))
    }

    /// Sends a blob while it is made.
    async fn stream(
        &self,
        kept: Vec<Chunk>,
        mut blob: Blob,
        hash: oneshot::Receiver<TarHash>,
        known: Option<Packed>,
        cancel: &CancellationToken,
    ) -> Result<(TarHash, Packed), Error> {
        let upload = self.registry.begin_upload().await;
        let mut upload = upload.map_err(|error| self.error(error))?;
        let meter = self.reporter.transfer(self.short_name(), None);
        let sent = async {
            let body = body(kept, &mut blob, &meter);
            let body = Box::pin(body);
            let sent = match known {
                Some(Packed { digest, size_bytes }) => upload.put(digest, size_bytes, body).await,
                None => upload.send(body).await,
            };
            sent.map_err(|error| self.upload_error(error))?;
            let hash = self.measured(hash).await?;
            Ok((hash, blob.finish()?))
        };
        let result = tokio::select! {
            result = sent => result,
            () = cancel.cancelled() => Err(Error::Interrupted),
        };
        let (hash, packed) = match result {
            Ok(sent) => sent,
            Err(error) => {
                upload.cancel().await;
                return Err(error);
            }
        };
        if known.is_some() {
            return Ok((hash, packed));
        }
        let committed = upload.commit(packed.digest, packed.size_bytes).await;
        committed.map_err(|error| self.upload_error(error))?;
        Ok((hash, packed))
    }

    /// Waits for the digest of the layer's tar, and compares it.
    async fn measured(&self, hash: oneshot::Receiver<TarHash>) -> Result<TarHash, Error> {
        let hash = hash.await.map_err(|_broke_off| Error::Interrupted)?;
        match self.expected {
            Some(expected) if expected != hash.diff_id => Err(Error::LayerMismatch {
                member: self.member.to_owned(),
                expected,
                found: hash.diff_id,
            }),
            _ => Ok(hash),
        }
    }

    /// The error of a request that has been repeated as often as it makes sense.
    fn error(&self, source: registry::Error) -> Error {
        self.layer_error(Verdict::Final, source)
    }

    /// The error of an upload whose bytes are gone: they can be made again.
    fn upload_error(&self, source: registry::Error) -> Error {
        match source {
            registry::Error::BodyAborted => Error::Interrupted,
            source => self.layer_error(source.verdict(), source),
        }
    }

    fn layer_error(&self, verdict: Verdict, source: registry::Error) -> Error {
        Error::Layer { member: self.member.to_owned(), verdict, source: Box::new(source) }
    }

    /// Returns a name for a bar: members are mostly named by a digest.
    fn short_name(&self) -> &str {
        let name = self.member.rsplit_once("sha256/").map_or(self.member, |(_, name)| name);
        name.get(..12).unwrap_or(name)
    }
}

/// Gives out the chunks that were kept, and then those that come.
fn body<'a>(
    kept: Vec<Chunk>,
    blob: &'a mut Blob,
    meter: &'a Meter,
) -> impl Stream<Item = Result<Bytes, BodyEnd>> + Send + 'a {
    stream::unfold((kept.into_iter(), blob, None::<Chunk>), move |(mut kept, blob, last)| {
        async move {
            // The connection has taken the last chunk: its memory is free.
            drop(last);
            let next = match kept.next() {
                Some(chunk) => Ok(Some(chunk)),
                None => blob.next().await,
            };
            match next {
                Ok(None) => None,
                Ok(Some(chunk)) => {
                    meter.add(chunk.bytes.len() as u64);
                    Some((Ok(chunk.bytes.clone()), (kept, blob, Some(chunk))))
                }
                Err(_aborted) => Some((Err(BodyEnd), (kept, blob, None))),
            }
        }
    })
}
