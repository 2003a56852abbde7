//! What may be wrapped around a tar.

use std::io::{self, BufReader, Read};

/// The most memory in KiB that an xz stream may ask for: the dictionary of `xz -9`.
const XZ_MEMORY_KIB: u32 = 68 * 1024;

/// The largest zstd window that is accepted, as a power of two: that of `zstd --ultra -22`
/// without `--long`.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How a tar is compressed as a whole, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
    /// xz, of any number of streams.
    Xz,
}

impl Wrapper {
    /// Recognizes a wrapper by the first bytes of the file.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// Returns its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        }
    }
}

/// Takes the wrapper off `content`, to its very end: checksums are verified, and data that
/// stops early is an error.
///
/// # Errors
///
/// Fails when a decoder cannot be set up.
pub fn inflate<'a, R: Read + 'a>(wrapper: Wrapper, content: R) -> io::Result<Box<dyn Read + 'a>> {
    let content = BufReader::with_capacity(256 * 1024, content);
    Ok(match wrapper {
        Wrapper::None => Box::new(content),
        Wrapper::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(content)),
        Wrapper::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(content)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Wrapper::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(content, true, XZ_MEMORY_KIB)),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(content: &[u8]) -> Vec<u8> {
        let mut child = std::process::Command::new("xz")
            .args(["-6", "-c"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    fn read(data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        inflate(Wrapper::of(data), data)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn each_wrapper_comes_off_also_when_it_is_there_twice_in_a_row() {
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let (first, second) = content.split_at(12_345);
        for wrap in [gzip, xz, |c: &[u8]| zstd::bulk::compress(c, 3).unwrap()] {
            assert_eq!(read(&wrap(&content)).unwrap(), content);
            assert_eq!(read(&[wrap(first), wrap(second)].concat()).unwrap(), content);
        }
        assert_eq!(read(&content).unwrap(), content);
    }

    #[test]
    fn data_that_stops_early_is_an_error_wherever_it_stops() {
        let content: Vec<u8> = (0..50_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for wrap in [gzip, xz, |c: &[u8]| zstd::bulk::compress(c, 3).unwrap()] {
            let whole = wrap(&content);
            for cut in [7, whole.len() / 2, whole.len() - 5, whole.len() - 1] {
                assert!(read(&whole[..cut]).is_err(), "{:?} cut at {cut}", Wrapper::of(&whole));
            }
        }
    }
}
