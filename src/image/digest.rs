//! Content digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A `sha256` content digest, as OCI writes it: `sha256:` and 64 lower-case hex digits.
///
/// <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Reads 64 lower-case hex digits, as archives use them in file names.
    ///
    /// # Errors
    ///
    /// Fails on any other text.
    pub fn from_hex(hex: &str) -> Result<Self, ParseDigestError> {
        let wrong = || ParseDigestError { text: hex.to_owned() };
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
            return Err(wrong());
        };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(wrong());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high).zip(nibble(*low)).map(|(h, l)| h << 4 | l).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }

    /// Returns the 64 hex digits alone.
    pub fn hex(&self) -> String {
        self.to_string().split_off("sha256:".len())
    }

    /// Returns the first 12 hex digits, enough to tell blobs apart on a screen.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("sha256:")
            .and_then(|hex| Self::from_hex(hex).ok())
            .ok_or_else(|| ParseDigestError { text: text.to_owned() })
    }
}

/// The text is not a digest that snowbird reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not of the form `sha256:` and 64 lower-case hex digits")]
pub struct ParseDigestError {
    text: String,
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The digest of a layer's *uncompressed* tar, as an image's config lists it.
///
/// A type of its own, for to take it for the digest of the blob is the classic mistake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiffId({})", self.0)
    }
}

/// Computes a [`Digest`] and a size piece by piece.
#[derive(Clone, Default)]
pub struct Hasher {
    state: Sha256,
    size_bytes: u64,
}

impl Hasher {
    /// Takes in the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.state.update(piece);
        self.size_bytes += piece.len() as u64;
    }

    /// Returns how many bytes were taken in so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(self.state.finalize().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_prints_as_it_was_read() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse::<Digest>().unwrap(), Digest::of(b""));
        assert_eq!(Digest::of(b"").to_string(), text);
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
    }

    #[test]
    fn upper_case_and_short_digests_are_refused() {
        let upper = Digest::of(b"").to_string().replace('e', "E");
        for text in [upper.as_str(), "sha256:E3B0", "sha256:", "md5:00", "e3b0", "sha512:é"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn pieces_hash_as_the_whole() {
        let mut hasher = Hasher::default();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.size_bytes(), 3);
        assert_eq!(hasher.finish(), Digest::of(b"abc"));
    }
}
