//! Whether an image fits on a machine's disk, which is found out where it is unpacked.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;

use crate::image::{Compression, Descriptor, Digest, Manifest};
use crate::sandbox::core::Core;

/// No image that is worth a look shrinks to less than this part of itself.
const MOST_SHRUNK: u64 = 20;

/// Finds out whether the image that a machine of `app` is to run fits, unless that is known.
pub(in crate::sandbox) async fn weigh(core: &Core, app: &str, reference: &str) {
    let resolved = {
        let state = core.state();
        state.resolve(app, reference).and_then(Result::ok).filter(|d| !state.fits.contains_key(d))
    };
    if let Some(digest) = resolved {
        let fits = fits(core, &digest).await;
        core.state().fits.insert(digest, fits);
    }
}

async fn fits(core: &Core, manifest: &Digest) -> bool {
    let bytes = core.content.read(manifest).await.unwrap_or_default();
    let Ok(manifest) = Manifest::parse(&bytes) else { return true };
    let packed: u64 = manifest.layers.iter().map(|layer| layer.size).sum();
    if packed < core.rootfs_bytes / MOST_SHRUNK {
        return true;
    }
    let mut left = core.rootfs_bytes;
    for layer in &manifest.layers {
        match left.checked_sub(unpacked_bytes(core, layer, left).await) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// Counts the bytes of a layer, to a little more than `enough`. What cannot be unpacked
/// counts as far as it could.
async fn unpacked_bytes(core: &Core, layer: &Descriptor, enough: u64) -> u64 {
    let Ok(mut blocks) = core.content.open(&layer.digest).await else { return 0 };
    let mut unpacker = match layer.media_type.layer_compression() {
        Some(Compression::Gzip) => Unpacker::Gzip(Box::new(MultiGzDecoder::new(Count(0)))),
        Some(Compression::Zstd) => match zstd::stream::write::Decoder::new(Count(0)) {
            Ok(decoder) => Unpacker::Zstd(Box::new(decoder)),
            Err(_no_memory) => return 0,
        },
        Some(Compression::None) | None => Unpacker::Plain(Count(0)),
    };
    while let Some(Ok(block)) = blocks.next().await {
        if unpacker.write(&block).is_err() || unpacker.count() > enough {
            break;
        }
    }
    unpacker.count()
}

enum Unpacker {
    Plain(Count),
    Gzip(Box<MultiGzDecoder<Count>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Count>>),
}

impl Unpacker {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(count) => count.write_all(block),
            Self::Gzip(decoder) => decoder.write_all(block).and_then(|()| decoder.flush()),
            Self::Zstd(decoder) => decoder.write_all(block).and_then(|()| decoder.flush()),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Plain(count) => count.0,
            Self::Gzip(decoder) => decoder.get_ref().0,
            Self::Zstd(decoder) => decoder.get_ref().0,
        }
    }
}

/// Counts bytes and keeps none.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
