//! Descriptors: what a manifest says of a blob.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, MediaType};

/// Names a blob by media type, digest and size.
///
/// <https://github.com/opencontainers/image-spec/blob/main/descriptor.md>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob holds.
    pub media_type: MediaType,
    /// Digest of the blob's bytes.
    pub digest: Digest,
    /// Size of the blob in bytes.
    pub size: u64,
    /// Free notes, kept when a descriptor is used again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Describes `content`, which is at hand.
    pub fn of(media_type: MediaType, content: &[u8]) -> Self {
        Self {
            media_type,
            digest: Digest::of(content),
            size: content.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}
