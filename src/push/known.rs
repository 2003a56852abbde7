//! What the registry is known to have: the layers of images that it holds.
//!
//! A manifest lists blobs, its config the `diff_ids` of the same layers in the same order.
//! Together they say which uncompressed layer is in the registry as which blob, and that
//! costs two requests, whatever the size of the image.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::image::{Descriptor, DiffId, Digest, ImageConfig, Reference, Repository, Tag};
use crate::layer::LayerKey;
use crate::registry::{Error, Registry, StoredManifest};

/// The largest config that is read.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// Where a manifest notes what a layer was made of, so that the next push knows it without
/// making it again.
pub(super) const LAYER_KEY: &str = "snowbird.layer-key";

/// A layer that the registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownLayer {
    /// The blob.
    pub(super) descriptor: Descriptor,
    /// The repository that it is in.
    pub(super) repository: Repository,
    /// Who says so.
    pub(super) proof: Proof,
}

/// Who says that a repository has a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A manifest in that repository, just read: the registry keeps what it lists.
    Manifest,
    /// This machine, which remembers it, or the image itself: it must be looked for.
    Hearsay,
}

/// What the registry has.
#[derive(Debug, Default)]
pub struct Survey {
    /// Layers, by the digest of their tar.
    pub(super) layers: BTreeMap<DiffId, KnownLayer>,
    /// Layers, by what they were made of.
    pub(super) keys: BTreeMap<LayerKey, DiffId>,
    /// Configs in the repository that is pushed to.
    pub(super) configs: Vec<Digest>,
    /// What the asked-for tags point to.
    pub(super) tagged: Vec<(Tag, Digest)>,
    /// The image that the identity tag points to.
    pub(super) identical: Option<Seen>,
}

/// An image that the registry has.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) stored: StoredManifest,
    pub(super) config: Option<ImageConfig>,
}

/// Looks at each of `references`, all at once; `identity` is the tag that stands for the very
/// image that is pushed. An image that cannot be read is no reason to fail: then its layers
/// are not known.
///
/// # Errors
///
/// Fails when the registry does not answer, or refuses the credentials.
pub(super) async fn gather(
    registry: &Registry,
    references: &[Reference],
    identity: Option<&Tag>,
) -> Result<Survey, Error> {
    let mut here: Vec<_> = references.iter().filter(|r| r.registry == *registry.host()).collect();
    // The image that runs is often the one that a tag points to.
    here.sort_by_key(ToString::to_string);
    here.dedup();
    if here.is_empty() {
        // Nothing to learn, but a wrong address or token is better known before any work.
        registry.contact().await?;
    }
    let seen = join_all(here.iter().map(|reference| look(registry, reference))).await;
    let mut survey = Survey::default();
    for (reference, seen) in here.into_iter().zip(seen) {
        match seen {
            Ok(Some(seen)) => {
                let own = reference.repository == *registry.repository();
                if own && reference.digest.is_none() && reference.tag.as_ref() == identity {
                    survey.identical = Some(seen.clone());
                }
                survey.add(registry.repository(), reference, seen);
            }
            // Who may write need not be allowed to read.
            Ok(None) | Err(Error::Denied { .. }) => {}
            // Another repository may well be none of the user's business.
            Err(Error::Unauthorized { .. }) if reference.repository != *registry.repository() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(survey)
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

impl Survey {
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
            self.configs.push(manifest.config.digest);
        }
        for (&diff_id, descriptor) in diff_ids.iter().zip(manifest.layers) {
            if let Some(key) =
                descriptor.annotations.get(LAYER_KEY).and_then(|key| key.parse().ok())
            {
                self.keys.insert(key, diff_id);
            }
            let repository = reference.repository.clone();
            let layer = KnownLayer { descriptor, repository, proof: Proof::Manifest };
            match self.layers.get(&diff_id) {
                // A blob in the same repository need not be mounted.
                Some(known) if known.repository == *own => {}
                _ => drop(self.layers.insert(diff_id, layer)),
            }
        }
    }
}

/// Returns the blob with a note of what it was made of.
pub(super) fn annotated(mut blob: Descriptor, key: Option<&LayerKey>) -> Descriptor {
    if let Some(key) = key {
        blob.annotations.insert(LAYER_KEY.to_owned(), key.to_string());
    }
    blob
}
