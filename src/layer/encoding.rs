//! How a layer is compressed, so that the same tar gives the same bytes.
//!
//! A tar is cut into blocks of one size, and each is compressed by itself. The bytes that
//! come out depend on the tar, the level and the version of the compressor alone, not on
//! the number of threads nor on how reads were cut.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::str::FromStr;

use bytes::Bytes;
use flate2::{Compress, FlushCompress};

use crate::image::Compression;

/// The size of a block before compression, in bytes.
///
/// Large enough that cutting costs little of the ratio, small enough that many fit into
/// memory.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// A compressor and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// One gzip member whose blocks end on byte borders; every reader understands it.
    Gzip {
        /// From 1, fast, to 9, small.
        level: u32,
    },
    /// One Zstandard frame a block.
    Zstd {
        /// From 1, fast, to 19, small.
        level: i32,
    },
}

impl Encoding {
    /// gzip at the level where zlib-rs gives the most for its time.
    pub const GZIP: Self = Self::Gzip { level: 3 };
    /// zstd at the level that leaves a twentieth more than its default, in less time: smaller
    /// than any gzip, at three times its speed. `tests/bench/README.md` has the numbers.
    pub const ZSTD: Self = Self::Zstd { level: 2 };

    /// Returns the compression, as media types name it.
    pub fn compression(self) -> Compression {
        match self {
            Self::Gzip { .. } => Compression::Gzip,
            Self::Zstd { .. } => Compression::Zstd,
        }
    }

    /// Returns what comes before the first block.
    pub(super) fn head(self) -> Bytes {
        match self {
            // RFC 1952: no name, no time, no operating system, for they would differ.
            Self::Gzip { .. } => Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]),
            Self::Zstd { .. } => Bytes::new(),
        }
    }

    /// Compresses one block. Blocks are put together in their order.
    ///
    /// # Errors
    ///
    /// Fails when the compressor does, which it has no reason to.
    pub(super) fn block(self, block: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip { level } => deflate(block, level),
            Self::Zstd { level } => zstd_frame(block, level),
        }
    }

    /// Returns what comes after the last block: `crc` is that of the whole tar.
    pub(super) fn tail(self, crc: u32, size_bytes: u64) -> Bytes {
        match self {
            Self::Gzip { .. } => {
                // An empty last deflate block, then CRC and size modulo 2^32.
                let mut tail = vec![3, 0];
                tail.extend(crc.to_le_bytes());
                #[expect(clippy::cast_possible_truncation, reason = "RFC 1952 asks for it")]
                tail.extend((size_bytes as u32).to_le_bytes());
                tail.into()
            }
            Self::Zstd { .. } => Bytes::new(),
        }
    }
}

thread_local! {
    static DEFLATE: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
    static ZSTD: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> =
        const { RefCell::new(None) };
}

/// Compresses `block` to deflate blocks that end on a byte border and are not the last.
fn deflate(block: &[u8], level: u32) -> io::Result<Vec<u8>> {
    DEFLATE.with_borrow_mut(|kept| {
        let compress = match kept {
            Some((kept_level, compress)) if *kept_level == level => {
                compress.reset();
                compress
            }
            _ => &mut kept.insert((level, Compress::new(flate2::Compression::new(level), false))).1,
        };
        let mut out = Vec::with_capacity(block.len() / 2);
        let mut rest = block;
        loop {
            out.reserve(64 * 1024);
            let taken = compress.total_in();
            compress.compress_vec(rest, &mut out, FlushCompress::Sync).map_err(io::Error::other)?;
            let taken = usize::try_from(compress.total_in() - taken).map_err(io::Error::other)?;
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    })
}

fn zstd_frame(block: &[u8], level: i32) -> io::Result<Vec<u8>> {
    ZSTD.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some((kept_level, compressor)) if *kept_level == level => compressor,
            _ => &mut kept.insert((level, zstd::bulk::Compressor::new(level)?)).1,
        };
        compressor.compress(block)
    })
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
        }
    }
}

/// The text names no compression, or a level that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a compression: write `gzip`, `gzip:1` to `gzip:9`, `zstd`, or `zstd:1` to `zstd:19`"
)]
pub struct ParseEncodingError(String);

impl FromStr for Encoding {
    type Err = ParseEncodingError;

    /// Reads `gzip`, `zstd`, or either with `:LEVEL`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseEncodingError(text.to_owned());
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        match (name, level.map(str::parse)) {
            ("gzip", None) => Ok(Self::GZIP),
            ("zstd", None) => Ok(Self::ZSTD),
            ("gzip", Some(Ok(level @ 1..=9))) => Ok(Self::Gzip { level }),
            ("zstd", Some(Ok(level @ 1..=19))) => {
                Ok(Self::Zstd { level: level.try_into().map_err(|_large| wrong())? })
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_prints_as_it_is_read() {
        for text in ["gzip:1", "gzip:9", "zstd:1", "zstd:19"] {
            assert_eq!(text.parse::<Encoding>().unwrap().to_string(), text);
        }
        assert_eq!("zstd".parse(), Ok(Encoding::ZSTD));
        for text in ["", "gz", "gzip:0", "gzip:10", "zstd:20", "zstd:x", "zstd:"] {
            assert!(text.parse::<Encoding>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_block_that_does_not_shrink_is_whole_too() {
        let noise: Vec<u8> = (0..BLOCK_BYTES as u64 / 8)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes())
            .collect();
        let packed = deflate(&noise, 3).unwrap();
        let mut whole = Vec::new();
        whole.extend_from_slice(&packed);
        whole.extend_from_slice(&[3, 0]);
        let mut out = Vec::new();
        io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&*whole), &mut out).unwrap();
        assert_eq!(out, noise);
    }
}
