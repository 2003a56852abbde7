//! What a layer that is made of store paths is made of.

use std::fmt;
use std::str::FromStr;

use crate::image::{Digest, Hasher, ParseDigestError};

/// Changes when the same ingredients come to stand for other bytes.
const VERSION: &str = "v1:";

/// Stands for all that decides the bytes of a layer made of store paths: how its tar is
/// written, and each store path with the hash of its content. Two layers with one key are the
/// same to the byte, on any machine, though neither was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerKey(Digest);

impl LayerKey {
    /// Makes the key of a layer whose tar is written as `recipe` says of these store paths,
    /// in this order, each with its NAR hash.
    pub fn new<'a>(recipe: &str, objects: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = Hasher::default();
        let mut part = |text: &str| {
            // With its length before it, no text can pass for two.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part(recipe);
        for (path, nar_hash) in objects {
            part(path);
            part(nar_hash);
        }
        Self(hasher.finish())
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}{}", self.0)
    }
}

impl FromStr for LayerKey {
    type Err = ParseDigestError;

    /// Reads a key of this version; another means nothing here.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(VERSION).unwrap_or_default().parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_pinned_for_manifests_in_registries_hold_it() {
        let key =
            LayerKey::new("tar", [("/nix/store/a", "sha256-x"), ("/nix/store/b", "sha256-y")]);
        insta::assert_snapshot!(key, @"v1:sha256:8e157e0e8458692b9cdb2fe3885dad9d4da385b0100f523d6c8573a49407f9e4");
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("v0:sha256:00".parse::<LayerKey>().is_err());
    }

    #[test]
    fn every_ingredient_counts_and_so_does_their_order() {
        let keys = [
            LayerKey::new("tar", [("/a", "1"), ("/b", "2")]),
            LayerKey::new("tar", [("/b", "2"), ("/a", "1")]),
            LayerKey::new("tar", [("/a", "1"), ("/b", "3")]),
            LayerKey::new("tar", [("/a1", ""), ("/b", "2")]),
            LayerKey::new("other", [("/a", "1"), ("/b", "2")]),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
    }
}
