//! The bytes of blobs and manifests, each stored once, by digest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::image::{Digest, Hasher};

/// Bytes that are gathered before they are written to a file, and read from it at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Where content is kept.
#[derive(Debug)]
pub(super) enum Content {
    Memory(Mutex<BTreeMap<Digest, Bytes>>),
    /// The folder whose `blobs/sha256` holds a file a blob; `uploads` holds what is coming.
    Folder(PathBuf),
}

/// Bytes of a stored blob, or of a part of it.
pub(super) type Blocks = std::pin::Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Content {
    fn file(root: &std::path::Path, digest: &Digest) -> PathBuf {
        root.join("blobs/sha256").join(digest.hex())
    }

    /// Begins a blob whose digest is not known yet.
    pub(super) fn begin(&self) -> io::Result<Incoming> {
        let sink = match self {
            Self::Memory(_) => Sink::Memory(Vec::new()),
            Self::Folder(root) => {
                let temporary = NamedTempFile::new_in(root.join("uploads"))?;
                let file = Arc::new(temporary.as_file().try_clone()?);
                Sink::File { temporary, file, block: Vec::new(), writing: None }
            }
        };
        Ok(Incoming { hasher: Hasher::default(), sink })
    }

    /// Stores what has come under its digest. Storing the same content again is no error.
    pub(super) async fn finish(&self, incoming: Incoming, digest: Digest) -> io::Result<()> {
        match (self, incoming.sink) {
            (Self::Memory(blobs), Sink::Memory(bytes)) => {
                let mut blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
                blobs.insert(digest, bytes.into());
                Ok(())
            }
            (Self::Folder(root), Sink::File { temporary, file, block, writing }) => {
                if let Some(writing) = writing {
                    writing.await??;
                }
                let target = Self::file(root, &digest);
                let persist = move || {
                    (&*file).write_all(&block)?;
                    temporary.persist(target).map(drop).map_err(|error| error.error)
                };
                spawn_blocking(persist).await?
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Stores `bytes` that are at hand.
    pub(super) async fn put(&self, bytes: Bytes) -> io::Result<Digest> {
        let mut incoming = self.begin()?;
        incoming.append(&bytes).await?;
        let digest = incoming.digest();
        self.finish(incoming, digest).await?;
        Ok(digest)
    }

    /// Reads a blob block by block.
    pub(super) async fn open(&self, digest: &Digest) -> io::Result<Blocks> {
        match self {
            Self::Memory(_) => {
                let bytes = self.read(digest).await?;
                Ok(Box::pin(stream::once(async move { Ok(bytes) })))
            }
            Self::Folder(root) => {
                let path = Self::file(root, digest);
                let file = spawn_blocking(move || File::open(path)).await??;
                Ok(Box::pin(stream::try_unfold(file, |file| async move {
                    let (block, file) = spawn_blocking(move || read_block(file)).await??;
                    Ok((!block.is_empty()).then_some((block, file)))
                })))
            }
        }
    }

    /// Reads a whole blob, which should be small.
    pub(super) async fn read(&self, digest: &Digest) -> io::Result<Bytes> {
        match self {
            Self::Memory(blobs) => {
                let blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
                blobs.get(digest).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Folder(root) => {
                let path = Self::file(root, digest);
                spawn_blocking(move || fs::read(path)).await?.map(Bytes::from)
            }
        }
    }
}

fn read_block(file: File) -> io::Result<(Bytes, File)> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    (&file).take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
    Ok((block.into(), file))
}

/// A blob that is coming in: hashed as it comes and, in a folder, never held as a whole.
#[derive(Debug)]
pub(super) struct Incoming {
    hasher: Hasher,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(Vec<u8>),
    File {
        /// Removes the file unless it becomes a blob.
        temporary: NamedTempFile,
        file: Arc<File>,
        block: Vec<u8>,
        /// The block before, on its way to the disk.
        writing: Option<JoinHandle<io::Result<()>>>,
    },
}

impl Incoming {
    /// Takes in the next bytes.
    ///
    /// # Cancel safety
    ///
    /// A caller that goes away while this waits leaves either all of `bytes` or none.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Memory(held) => held.extend_from_slice(bytes),
            Sink::File { file, block, writing, .. } => {
                if block.len() + bytes.len() > BLOCK_BYTES {
                    if let Some(before) = writing.as_mut() {
                        let outcome = before.await;
                        *writing = None;
                        outcome??;
                    }
                    let full = std::mem::replace(block, Vec::with_capacity(BLOCK_BYTES));
                    let file = Arc::clone(file);
                    *writing = Some(spawn_blocking(move || (&*file).write_all(&full)));
                }
                block.extend_from_slice(bytes);
            }
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Returns how many bytes have come.
    pub(super) fn size_bytes(&self) -> u64 {
        self.hasher.size_bytes()
    }

    /// Returns the digest of what has come.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn content_comes_back_as_it_went_in_from_memory_and_from_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["blobs/sha256", "uploads"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for content in [Content::Memory(Mutex::default()), Content::Folder(folder.path().into())] {
            let mut incoming = content.begin().unwrap();
            for piece in bytes.chunks(70_001) {
                incoming.append(piece).await.unwrap();
            }
            assert_eq!(incoming.size_bytes(), 1_000_000);
            let digest = incoming.digest();
            assert_eq!(digest, Digest::of(&bytes));
            content.finish(incoming, digest).await.unwrap();
            let blocks: Vec<Bytes> =
                content.open(&digest).await.unwrap().try_collect().await.unwrap();
            assert_eq!(blocks.concat(), bytes);
            assert_eq!(content.read(&digest).await.unwrap(), bytes);
        }
    }

    #[tokio::test]
    async fn an_upload_that_is_given_up_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("uploads")).unwrap();
        let content = Content::Folder(folder.path().into());
        let mut incoming = content.begin().unwrap();
        incoming.append(b"half a layer").await.unwrap();
        drop(incoming);
        assert_eq!(fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
    }
}
