//! The pipeline of one layer: read, hash, compress, hash, hand on.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Encoding;
use super::encoding::BLOCK_BYTES;
use crate::image::{DiffId, Digest, Hasher};

/// How many blocks may be in memory, of all layers together.
///
/// Each takes at most 1 MiB before compression and hardly more after it, and never both
/// for long.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// Makes a budget that keeps `threads` compressing threads busy, with as much again for
    /// what waits to be sent.
    pub fn for_threads(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new(4 * threads + 8)))
    }

    /// Makes every wait for a permit fail from now on, which ends the reading of layers.
    pub fn close(&self) {
        self.0.close();
    }

    fn take(&self, runtime: &Handle) -> Result<OwnedSemaphorePermit, PackError> {
        let permit = runtime.block_on(Arc::clone(&self.0).acquire_owned());
        permit.map_err(|_closed| PackError::Unwanted)
    }
}

/// Why a layer was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The tar cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The other end of the pipeline is gone, or the budget is closed.
    #[error("the layer is not wanted any more")]
    Unwanted,
}

/// Makes the two ends of a layer's pipeline.
pub fn channel(encoding: Encoding, budget: &Budget) -> (Packing, Blob) {
    // The budget is the bound; the channel only carries what has a permit.
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        Packing { encoding, budget: budget.clone(), sender },
        Blob { receiver, hasher: Hasher::default(), ended: false },
    )
}

/// The end of the pipeline that takes in the tar.
#[derive(Debug)]
pub struct Packing {
    encoding: Encoding,
    budget: Budget,
    sender: mpsc::UnboundedSender<Piece>,
}

/// What goes through the pipeline, in order.
#[derive(Debug)]
enum Piece {
    Ready(Bytes),
    Block(oneshot::Receiver<io::Result<Vec<u8>>>, OwnedSemaphorePermit),
    Taken(Bytes, OwnedSemaphorePermit),
    /// The tar was read to its end. Without it, the pipeline broke off.
    End,
}

/// What is known of a layer's tar once it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TarHash {
    /// Digest of the tar.
    pub diff_id: DiffId,
    /// Size of the tar in bytes.
    pub uncompressed_bytes: u64,
}

impl TarHash {
    /// Hashes the tar in `content` and does nothing else with it.
    ///
    /// # Errors
    ///
    /// Fails when `content` cannot be read to its end.
    pub fn of(content: &mut dyn Read) -> io::Result<Self> {
        let mut hasher = Hasher::default();
        let mut block = vec![0; 256 * 1024];
        loop {
            match content.read(&mut block) {
                Ok(0) => break,
                Ok(count) => hasher.update(block.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::finish(hasher))
    }

    fn finish(hasher: Hasher) -> Self {
        let uncompressed_bytes = hasher.size_bytes();
        Self { diff_id: DiffId(hasher.finish()), uncompressed_bytes }
    }
}

impl Packing {
    /// Reads the tar in `content` to its end and feeds the pipeline with it.
    ///
    /// This blocks: call it from a thread of [`tokio::task::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// Fails when `content` cannot be read, or nobody wants the blob any more.
    pub fn pack(self, content: &mut dyn Read, runtime: &Handle) -> Result<TarHash, PackError> {
        let Self { encoding, budget, sender } = self;
        let send = |piece| sender.send(piece).map_err(|_closed| PackError::Unwanted);
        let mut hasher = Hasher::default();
        let mut crc = crc32fast::Hasher::new();
        send(Piece::Ready(encoding.head()))?;
        loop {
            let permit = budget.take(runtime)?;
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            content.take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
            let last = block.len() < BLOCK_BYTES;
            // No block at all would be no frame at all, which zstd takes for a cut one.
            if block.is_empty() && hasher.size_bytes() > 0 {
                break;
            }
            hasher.update(&block);
            if matches!(encoding, Encoding::Gzip { .. }) {
                crc.update(&block);
            }
            let (done, waiting) = oneshot::channel();
            rayon::spawn_fifo(move || {
                let compressed = encoding.block(&block);
                drop(block);
                // Nobody waits any more when the upload has failed.
                let _nobody_waits = done.send(compressed);
            });
            send(Piece::Block(waiting, permit))?;
            if last {
                break;
            }
        }
        send(Piece::Ready(encoding.tail(crc.finalize(), hasher.size_bytes())))?;
        send(Piece::End)?;
        Ok(TarHash::finish(hasher))
    }
}

impl Packing {
    /// Feeds the pipeline with `content`, a blob that is compressed already, as it is.
    /// `unpack` gets a reader of it, and reads it to the end to hash the tar in it.
    ///
    /// This blocks, as [`Packing::pack`] does. The encoding plays no part.
    ///
    /// # Errors
    ///
    /// Fails when `content` cannot be read, `unpack` fails, or nobody wants the blob any more.
    pub fn pass(
        self,
        content: &mut dyn Read,
        runtime: &Handle,
        unpack: impl FnOnce(&mut dyn Read) -> io::Result<TarHash>,
    ) -> Result<TarHash, PackError> {
        let Self { budget, sender, .. } = self;
        let mut tee = Tee { content, budget, runtime, sender, block: None, unwanted: false };
        let hash = unpack(&mut tee).and_then(|hash| {
            // A decoder may know its end before the file's.
            io::copy(&mut tee, &mut io::sink()).map(|_| hash)
        });
        match hash {
            _ if tee.unwanted => Err(PackError::Unwanted),
            Err(error) => Err(PackError::Read(error)),
            Ok(hash) => {
                tee.flush()?;
                tee.sender.send(Piece::End).map_err(|_closed| PackError::Unwanted)?;
                Ok(hash)
            }
        }
    }
}

/// Reads a blob, and hands on what was read.
struct Tee<'a> {
    content: &'a mut dyn Read,
    budget: Budget,
    runtime: &'a Handle,
    sender: mpsc::UnboundedSender<Piece>,
    block: Option<(Vec<u8>, OwnedSemaphorePermit)>,
    unwanted: bool,
}

impl Tee<'_> {
    fn flush(&mut self) -> Result<(), PackError> {
        let Some((block, permit)) = self.block.take() else { return Ok(()) };
        let piece = Piece::Taken(block.into(), permit);
        self.sender.send(piece).map_err(|_closed| PackError::Unwanted)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let (mut block, permit) = match self.block.take() {
            Some(begun) => begun,
            None => (Vec::with_capacity(BLOCK_BYTES), self.budget.take(self.runtime)?),
        };
        block.extend_from_slice(bytes);
        let full = block.len() >= BLOCK_BYTES;
        self.block = Some((block, permit));
        if full { self.flush() } else { Ok(()) }
    }
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(BLOCK_BYTES / 4);
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let count = self.content.read(buffer)?;
        self.keep(buffer.get(..count).unwrap_or_default()).map_err(|error| {
            self.unwanted = true;
            io::Error::other(error)
        })?;
        Ok(count)
    }
}

/// The end of the pipeline that gives out the blob.
#[derive(Debug)]
pub struct Blob {
    receiver: mpsc::UnboundedReceiver<Piece>,
    hasher: Hasher,
    ended: bool,
}

/// The next bytes of a blob, and the memory that they take.
#[derive(Debug)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Given back when the chunk is dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

/// The tar could not be read to its end, so there is no blob. Whoever read it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the layer broke off")]
pub struct Aborted;

/// What is known of a blob once it has been given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Digest of the blob.
    pub digest: Digest,
    /// Size of the blob in bytes.
    pub size_bytes: u64,
}

impl Blob {
    /// Gives out the next bytes, or nothing at the end.
    ///
    /// # Errors
    ///
    /// Fails when the other end of the pipeline broke off.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Aborted> {
        loop {
            let (bytes, permit) = match self.receiver.recv().await {
                Some(Piece::Ready(bytes)) if bytes.is_empty() => continue,
                Some(Piece::Ready(bytes)) => (bytes, None),
                Some(Piece::Taken(bytes, permit)) => (bytes, Some(permit)),
                Some(Piece::Block(waiting, permit)) => match waiting.await {
                    Ok(Ok(compressed)) => (compressed.into(), Some(permit)),
                    Ok(Err(_)) | Err(_) => return Err(Aborted),
                },
                Some(Piece::End) => {
                    self.ended = true;
                    return Ok(None);
                }
                None if self.ended => return Ok(None),
                None => return Err(Aborted),
            };
            self.hasher.update(&bytes);
            return Ok(Some(Chunk { bytes, _permit: permit }));
        }
    }

    /// Returns digest and size, once [`Blob::next`] has given out nothing more.
    ///
    /// # Errors
    ///
    /// Fails before that.
    pub fn finish(self) -> Result<Packed, Aborted> {
        if !self.ended {
            return Err(Aborted);
        }
        let size_bytes = self.hasher.size_bytes();
        Ok(Packed { digest: self.hasher.finish(), size_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out its content at most `step` bytes a read.
    struct Slow<'a> {
        rest: &'a [u8],
        step: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.step.min(self.rest.len()).min(buffer.len());
            let (now, later) = self.rest.split_at(n);
            buffer[..n].copy_from_slice(now);
            self.rest = later;
            Ok(n)
        }
    }

    fn content(size: u32) -> Vec<u8> {
        (0..size / 4)
            .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> (n % 29)).to_le_bytes())
            .collect()
    }

    async fn packed(
        tar: Vec<u8>,
        step: usize,
        encoding: Encoding,
        budget: Budget,
    ) -> (Vec<u8>, TarHash, Packed) {
        let (packing, mut blob) = channel(encoding, &budget);
        let reading = tokio::task::spawn_blocking(move || {
            packing.pack(&mut Slow { rest: &tar, step }, &Handle::current())
        });
        let mut out = Vec::new();
        while let Some(chunk) = blob.next().await.unwrap() {
            out.extend_from_slice(&chunk.bytes);
        }
        (out, reading.await.unwrap().unwrap(), blob.finish().unwrap())
    }

    #[tokio::test]
    async fn the_blob_holds_the_tar_and_both_digests_are_right() {
        for size in [0, 8, 1024, 1 << 20, 3_333_332] {
            for encoding in [Encoding::GZIP, Encoding::ZSTD] {
                let tar = content(size);
                let (blob, hash, packed) =
                    packed(tar.clone(), 77_777, encoding, Budget::for_threads(1)).await;
                let mut back = Vec::new();
                match encoding {
                    // A reader that stops after the first member must see it all.
                    Encoding::Gzip { .. } => {
                        flate2::read::GzDecoder::new(&*blob).read_to_end(&mut back).unwrap()
                    }
                    Encoding::Zstd { .. } => {
                        zstd::Decoder::new(&*blob).unwrap().read_to_end(&mut back).unwrap()
                    }
                };
                assert!(back == tar, "{encoding} {size}");
                assert_eq!(hash.diff_id, DiffId(Digest::of(&tar)));
                assert_eq!(hash.uncompressed_bytes, u64::from(size));
                assert_eq!(packed.digest, Digest::of(&blob));
                assert_eq!(packed.size_bytes, blob.len() as u64);
            }
        }
    }

    #[tokio::test]
    async fn the_bytes_depend_neither_on_reads_nor_on_the_budget() {
        let tar = content(2_500_000);
        for encoding in [Encoding::GZIP, Encoding::ZSTD] {
            let (first, _, _) =
                packed(tar.clone(), usize::MAX, encoding, Budget::for_threads(8)).await;
            let (second, _, _) =
                packed(tar.clone(), 4097, encoding, Budget(Arc::new(Semaphore::new(1)))).await;
            assert!(first == second, "{encoding}");
        }
    }

    #[tokio::test]
    async fn no_more_blocks_are_read_than_there_are_permits() {
        let budget = Budget(Arc::new(Semaphore::new(3)));
        let (packing, mut blob) = channel(Encoding::ZSTD, &budget);
        let reading = tokio::task::spawn_blocking(move || {
            packing.pack(&mut io::repeat(7).take(50 << 20), &Handle::current())
        });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(blob.receiver.len(), 3 + 1, "three blocks and the empty head");
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(blob.next().await.unwrap().unwrap());
        }
        assert_eq!(budget.0.available_permits(), 0);
        drop(held);
        while blob.next().await.unwrap().is_some() {}
        assert_eq!(reading.await.unwrap().unwrap().uncompressed_bytes, 50 << 20);
    }

    #[tokio::test]
    async fn a_blob_that_is_compressed_already_goes_through_as_it_is() {
        for size in [0, 3_000_000] {
            let tar = content(size);
            let compressed = zstd::bulk::compress(&tar, 1).unwrap();
            let (packing, mut blob) = channel(Encoding::GZIP, &Budget::for_threads(1));
            let given = compressed.clone();
            let reading = tokio::task::spawn_blocking(move || {
                let unpack = |blob: &mut dyn Read| TarHash::of(&mut zstd::Decoder::new(blob)?);
                packing.pass(&mut &*given, &Handle::current(), unpack)
            });
            let mut out = Vec::new();
            while let Some(chunk) = blob.next().await.unwrap() {
                out.extend_from_slice(&chunk.bytes);
            }
            assert!(out == compressed, "{size}");
            assert_eq!(reading.await.unwrap().unwrap().diff_id, DiffId(Digest::of(&tar)));
            assert_eq!(blob.finish().unwrap().digest, Digest::of(&compressed));
        }
    }

    #[tokio::test]
    async fn a_blob_that_does_not_unpack_is_none() {
        let (packing, mut blob) = channel(Encoding::ZSTD, &Budget::for_threads(1));
        let reading = tokio::task::spawn_blocking(move || {
            let unpack = |blob: &mut dyn Read| TarHash::of(&mut zstd::Decoder::new(blob)?);
            packing.pass(&mut &b"no zstd at all"[..], &Handle::current(), unpack)
        });
        assert_eq!(blob.next().await.unwrap_err(), Aborted);
        assert!(matches!(reading.await.unwrap(), Err(PackError::Read(_))));
    }

    #[tokio::test]
    async fn a_tar_that_cannot_be_read_gives_no_blob() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let (packing, mut blob) = channel(Encoding::ZSTD, &Budget::for_threads(1));
        let reading =
            tokio::task::spawn_blocking(move || packing.pack(&mut Broken, &Handle::current()));
        assert_eq!(blob.next().await.unwrap_err(), Aborted);
        assert_eq!(blob.finish().unwrap_err(), Aborted);
        assert_eq!(reading.await.unwrap().unwrap_err().to_string(), "disk on fire");
    }

    #[tokio::test]
    async fn a_reader_stops_when_nobody_takes_the_blob_or_the_budget_is_closed() {
        let budget = Budget::for_threads(1);
        let (packing, blob) = channel(Encoding::ZSTD, &budget);
        drop(blob);
        let reading = tokio::task::spawn_blocking(move || {
            packing.pack(&mut io::repeat(0), &Handle::current())
        });
        assert!(reading.await.unwrap().is_err());
        let (packing, _blob) = channel(Encoding::ZSTD, &budget);
        let reading = tokio::task::spawn_blocking(move || {
            packing.pack(&mut io::repeat(0), &Handle::current())
        });
        budget.close();
        assert!(reading.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn the_digests_of_known_bytes_are_pinned() {
        let budget = Budget::for_threads(1);
        let mut digests = Vec::new();
        for encoding in [Encoding::GZIP, Encoding::ZSTD] {
            let (_, _, packed) = packed(content(2_000_000), 5000, encoding, budget.clone()).await;
            digests.push(packed.digest.short());
        }
        assert_eq!(digests, ["756c96b236be", "786ab6cce02d"]);
    }
}
