//! What the repository of an app holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image::{Digest, MediaType};

/// What the repository of an app holds, by digest; the bytes are stored elsewhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::sandbox) struct Repository {
    /// Sizes in bytes of the blobs that this repository has.
    pub(in crate::sandbox) blobs: BTreeMap<Digest, u64>,
    /// Manifests and what they were sent as.
    pub(in crate::sandbox) manifests: BTreeMap<Digest, MediaType>,
    /// What each tag points to.
    pub(in crate::sandbox) tags: BTreeMap<String, Digest>,
}

impl Repository {
    /// Returns the digest of the manifest that a tag or a digest names.
    pub(in crate::sandbox) fn resolve(&self, reference: &str) -> Option<Digest> {
        let digest = reference.parse().ok().or_else(|| self.tags.get(reference).copied())?;
        self.manifests.contains_key(&digest).then_some(digest)
    }
}
