//! What the registry is known to have: the layers of images that it holds.
//!
//! A manifest lists blobs, its config the `diff_ids` of the same layers in the same order.
//! Together they say which uncompressed layer is in the registry as which blob, and that
//! costs two requests, whatever the size of the image.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::image::{Descriptor, DiffId, Digest, ImageConfig, Reference, Repository, Tag};
use crate::registry::{Error, Registry, StoredManifest};

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
    let here: Vec<_> = references.iter().filter(|r| r.registry == *registry.host()).collect();
    if here.is_empty() {
        // Nothing to learn, but a wrong address or token is better known before any work.
        registry.contact().await?;
    }
    let seen = join_all(here.iter().map(|reference| look(registry, reference))).await;
    let mut known = Known::default();
    for (reference, seen) in here.into_iter().zip(seen) {
        match seen {
            Ok(Some(seen)) => known.add(registry.repository(), reference, seen),
            // Who may write need not be allowed to read.
            Ok(None) | Err(Error::Denied { .. }) => {}
            // Another repository may well be none of the user's business.
            Err(Error::Unauthorized { .. }) if reference.repository != *registry.repository() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

/// An image that the registry has.
struct Seen {
    stored: StoredManifest,
    config: Option<ImageConfig>,
}

async fn look(registry: &Registry, reference: &Reference) -> Result<Option<Seen>, Error> {
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => return Ok(None),
    };
    let repository = &reference.repository;
    let stored = match registry.manifest(repository, &name).await {
        Ok(Some(stored)) => stored,
        Ok(None) | Err(Error::NoRepository { .. } | Error::Status { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let digest = stored.manifest.config.digest;
    let config = match registry.small_blob(repository, digest, MAX_CONFIG_BYTES).await {
        Err(Error::NoRepository { .. } | Error::Status { .. }) => None,
        config => config?,
    };
    let config = config.and_then(|bytes| ImageConfig::parse(bytes).ok());
    Ok(Some(Seen { stored, config }))
}

impl Known {
    fn add(&mut self, own: &Repository, reference: &Reference, seen: Seen) {
        let Seen { stored: StoredManifest { manifest, digest }, config } = seen;
        if let (Some(tag), None) = (&reference.tag, &reference.digest) {
            self.tagged.push((tag.clone(), digest));
        }
        // A pairing that does not add up says nothing.
        let diff_ids = config.as_ref().map_or(&[][..], ImageConfig::diff_ids);
        if diff_ids.len() != manifest.layers.len() {
            return;
        }
        if reference.repository == *own {
            self.configs.push(manifest.config);
        }
        for (&diff_id, descriptor) in diff_ids.iter().zip(manifest.layers) {
            let layer = KnownLayer { descriptor, repository: reference.repository.clone() };
            self.layers.entry(diff_id).or_insert(layer);
        }
    }
}
