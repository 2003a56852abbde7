//! What the registry is known to have: the layers of images that it holds.
//!
//! A manifest lists blobs, its config the `diff_ids` of the same layers in the same order.
//! Together they say which uncompressed layer is in the registry as which blob, and that
//! costs two requests, whatever the size of the image.

use std::collections::BTreeMap;

use crate::image::{Descriptor, DiffId, Digest, ImageConfig, Reference, Repository, Tag};
use crate::registry::{Error, Registry};

/// The largest config that is read.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// A layer that the registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownLayer {
    /// The blob.
    pub(super) descriptor: Descriptor,
    /// The repository that it is in.
    pub(super) repository: Repository,
}

/// What the registry has.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Layers, by the digest of their tar.
    pub(super) layers: BTreeMap<DiffId, KnownLayer>,
    /// Configs in the repository that is pushed to.
    pub(super) configs: Vec<Descriptor>,
    /// What the asked-for tags point to.
    pub(super) tagged: Vec<(Tag, Digest)>,
}

/// Looks at each of `references`, all at once. An image that cannot be read is no reason
/// to fail: then its layers are not known.
///
/// # Errors
///
/// Fails when the registry does not answer, or refuses the credentials.
pub(super) async fn gather(registry: &Registry, references: &[Reference]) -> Result<Known, Error> {
    let mut known = Known::default();
    let mut first = true;
    for reference in references.iter().filter(|r| r.registry == *registry.host()) {
        match look(registry, reference, &mut known).await {
            Ok(()) => {}
            // Another repository may well be none of the user's business.
            Err(Error::Denied { .. } | Error::Unauthorized { .. } | Error::NoRepository { .. })
                if !first && reference.repository != *registry.repository() => {}
            Err(error) => return Err(error),
        }
        first = false;
    }
    Ok(known)
}

async fn look(registry: &Registry, reference: &Reference, known: &mut Known) -> Result<(), Error> {
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => return Ok(()),
    };
    let repository = &reference.repository;
    let stored = match registry.manifest(repository, &name).await {
        Ok(Some(stored)) => stored,
        Ok(None) | Err(Error::NoRepository { .. } | Error::Status { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    if let (Some(tag), None) = (&reference.tag, &reference.digest) {
        known.tagged.push((tag.clone(), stored.digest));
    }
    let config = &stored.manifest.config;
    if known.configs.iter().any(|seen| seen.digest == config.digest) {
        return Ok(());
    }
    let Some(bytes) = registry.small_blob(repository, config.digest, MAX_CONFIG_BYTES).await?
    else {
        return Ok(());
    };
    let Ok(parsed) = ImageConfig::parse(bytes) else { return Ok(()) };
    // A pairing that does not add up says nothing.
    if parsed.diff_ids().len() != stored.manifest.layers.len() {
        return Ok(());
    }
    if repository == registry.repository() {
        known.configs.push(config.clone());
    }
    for (&diff_id, descriptor) in parsed.diff_ids().iter().zip(stored.manifest.layers) {
        let layer = KnownLayer { descriptor, repository: repository.clone() };
        known.layers.entry(diff_id).or_insert(layer);
    }
    Ok(())
}
