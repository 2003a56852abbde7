//! What the repository is known to have, by the digest of each layer's tar.
//!
//! Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Format;
use super::known::{KnownLayer, Proof};
use crate::event::Event;
use crate::image::{Compression, Descriptor, DiffId, Digest, RegistryHost, Repository};
use crate::layer::{Memo, Packed, Place, TarHash};

#[derive(Debug)]
pub(super) struct Inventory {
    own: Repository,
    format: Format,
    memory: Option<Memory>,
    /// Layers that the registry is said to have.
    known: BTreeMap<DiffId, KnownLayer>,
    /// Layers that were sent or found in the repository during this push.
    stored: BTreeMap<DiffId, Stored>,
    /// Blobs that turned out not to be there.
    missing: BTreeSet<Digest>,
}

/// What this machine remembers of a registry.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) memo: Arc<Memo>,
    pub(super) host: RegistryHost,
}

#[derive(Debug)]
struct Stored {
    descriptor: Descriptor,
    /// Whether its bytes were sent.
    sent: bool,
}

/// A layer that the registry is said to have, which must be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) diff_id: DiffId,
    pub(super) blob: Descriptor,
    /// Where it is, if not in the repository that is pushed to.
    pub(super) elsewhere: Option<Repository>,
}

/// What a push has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) sent: usize,
    pub(super) sent_bytes: u64,
}

impl Inventory {
    pub(super) fn new(
        own: Repository,
        format: Format,
        known: BTreeMap<DiffId, KnownLayer>,
        memory: Option<Memory>,
    ) -> Self {
        let mut inventory = Self {
            own,
            format,
            memory,
            known: BTreeMap::new(),
            stored: BTreeMap::new(),
            missing: BTreeSet::new(),
        };
        for (diff_id, layer) in known {
            inventory.add(diff_id, layer);
        }
        inventory
    }

    /// Takes in what the registry is said to have, unless there is better word of it.
    pub(super) fn add(&mut self, diff_id: DiffId, mut layer: KnownLayer) {
        // A manifest lists only media types of its own family.
        let compression = layer.descriptor.media_type.layer_compression();
        let Some(media_type) = compression.and_then(|c| self.format.layer_type(c)) else { return };
        layer.descriptor.media_type = media_type;
        if !self.missing.contains(&layer.descriptor.digest) {
            self.known.entry(diff_id).or_insert(layer);
        }
    }

    /// Adds what this machine remembers of a layer, unless there is better word of it.
    pub(super) fn recall(&mut self, diff_id: DiffId) {
        let Some(Memory { memo, host }) = self.memory.as_ref().filter(|_| !self.has(diff_id))
        else {
            return;
        };
        let mut places = memo.places(diff_id);
        places.retain(|place| place.host == *host);
        // One that need not be mounted comes first.
        places.sort_by_key(|place| place.repository != self.own);
        for Place { blob: descriptor, repository, .. } in places {
            self.add(diff_id, KnownLayer { descriptor, repository, proof: Proof::Hearsay });
        }
    }

    /// Takes it that the repository may have `blob`.
    pub(super) fn guess(&mut self, diff_id: DiffId, blob: Descriptor) {
        let repository = self.own.clone();
        self.add(diff_id, KnownLayer { descriptor: blob, repository, proof: Proof::Hearsay });
    }

    /// Returns whether nothing is known of what the registry has.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.stored.is_empty()
    }

    /// Returns whether the registry has the layer, as far as is known.
    pub(super) fn has(&self, diff_id: DiffId) -> bool {
        self.stored.contains_key(&diff_id) || self.known.contains_key(&diff_id)
    }

    /// Returns which of `diff_ids` must be looked into before they can be relied on. What a
    /// manifest of the same repository lists need not be: the registry keeps it.
    pub(super) fn doubts(&self, diff_ids: impl IntoIterator<Item = DiffId>) -> Vec<Doubt> {
        let diff_ids: BTreeSet<DiffId> = diff_ids.into_iter().collect();
        let doubt = |diff_id| {
            let KnownLayer { descriptor, repository, proof } = self.known.get(&diff_id)?;
            let elsewhere = (*repository != self.own).then(|| repository.clone());
            if elsewhere.is_none() && *proof == Proof::Manifest {
                return None;
            }
            Some(Doubt { diff_id, blob: descriptor.clone(), elsewhere })
        };
        let unsettled = diff_ids.into_iter().filter(|diff_id| !self.stored.contains_key(diff_id));
        unsettled.filter_map(doubt).collect()
    }

    /// Notes that the repository has `blob`, whose bytes were not sent.
    pub(super) fn found(&mut self, diff_id: DiffId, blob: Descriptor) {
        self.known.remove(&diff_id);
        self.stored.insert(diff_id, Stored { descriptor: blob, sent: false });
    }

    /// Notes a layer that was sent.
    pub(super) fn sent(&mut self, hash: TarHash, packed: Packed, compression: Compression) {
        // The constructor of `Format` made sure that there is a media type.
        let Some(media_type) = self.format.layer_type(compression) else { return };
        let annotations = BTreeMap::new();
        let Packed { digest, size_bytes: size } = packed;
        let descriptor = Descriptor { media_type, digest, size, annotations };
        self.stored.insert(hash.diff_id, Stored { descriptor, sent: true });
    }

    /// Notes that a blob is not there, whoever said that it is.
    pub(super) fn not_there(&mut self, diff_id: DiffId) {
        if let Some(layer) = self.known.remove(&diff_id) {
            self.missing.insert(layer.descriptor.digest);
        }
    }

    /// Notes that the registry has lost blobs; none named means that any may be lost.
    pub(super) fn forget(&mut self, lost: &[Digest]) {
        let keep = |descriptor: &Descriptor| !lost.is_empty() && !lost.contains(&descriptor.digest);
        self.missing.extend(lost);
        self.known.retain(|_, layer| keep(&layer.descriptor));
        self.stored.retain(|_, stored| keep(&stored.descriptor));
    }

    fn descriptor(&self, diff_id: DiffId) -> Option<&Descriptor> {
        let stored = self.stored.get(&diff_id).map(|stored| &stored.descriptor);
        stored.or_else(|| self.known.get(&diff_id).map(|layer| &layer.descriptor))
    }

    /// Returns the descriptors of these layers, or nothing when one is not in the
    /// repository.
    pub(super) fn descriptors(&self, diff_ids: &[DiffId]) -> Option<Vec<Descriptor>> {
        diff_ids.iter().map(|&diff_id| self.descriptor(diff_id).cloned()).collect()
    }

    fn was_sent(&self, diff_id: DiffId) -> bool {
        self.stored.get(&diff_id).is_some_and(|stored| stored.sent)
    }

    /// Returns an event for each layer that was not sent.
    pub(super) fn reused(&self, diff_ids: &[DiffId]) -> Vec<Event> {
        let reused = diff_ids.iter().filter(|&&diff_id| !self.was_sent(diff_id));
        reused
            .filter_map(|&diff_id| {
                let Descriptor { digest, size, .. } = *self.descriptor(diff_id)?;
                Some(Event::LayerReused { diff_id, digest, size_bytes: size })
            })
            .collect()
    }

    /// Counts what was sent of these layers.
    pub(super) fn totals(&self, diff_ids: &[DiffId]) -> Totals {
        let sent_blobs = self.stored.values().filter(|stored| stored.sent);
        Totals {
            sent: diff_ids.iter().filter(|&&diff_id| self.was_sent(diff_id)).count(),
            sent_bytes: sent_blobs.map(|stored| stored.descriptor.size).sum(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::image::{ManifestFormat, MediaType};
    use crate::layer::Encoding;

    pub(crate) fn diff_id(text: &str) -> DiffId {
        DiffId(Digest::of(text.as_bytes()))
    }

    pub(crate) fn hash(text: &str) -> TarHash {
        TarHash { diff_id: diff_id(text), uncompressed_bytes: 1 }
    }

    pub(crate) fn packed(text: &str) -> Packed {
        Packed { digest: Digest::of(format!("blob of {text}").as_bytes()), size_bytes: 10 }
    }

    fn layer(content: &str, repository: &str, proof: Proof) -> KnownLayer {
        let descriptor = Descriptor {
            media_type: MediaType::new("application/vnd.docker.image.rootfs.diff.tar.gzip"),
            digest: packed(content).digest,
            size: 10,
            annotations: BTreeMap::new(),
        };
        KnownLayer { descriptor, repository: repository.parse().unwrap(), proof }
    }

    /// Knows the layers of live manifests of the repositories named.
    pub(crate) fn inventory(layers: &[(&str, &str)]) -> Inventory {
        let known = layers.iter().map(|(content, repository)| {
            (diff_id(content), layer(content, repository, Proof::Manifest))
        });
        let format = Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap();
        Inventory::new("app".parse().unwrap(), format, known.collect(), None)
    }

    #[test]
    fn what_is_sent_is_counted_and_the_rest_is_reused() {
        let mut inventory = inventory(&[("a", "app")]);
        assert!(!inventory.is_empty() && inventory.has(diff_id("a")));
        inventory.sent(hash("b"), packed("b"), Compression::Zstd);
        let image = [diff_id("a"), diff_id("b")];
        assert_eq!(inventory.totals(&image), Totals { sent: 1, sent_bytes: 10 });
        assert_eq!(inventory.reused(&image).len(), 1);
        assert!(inventory.descriptors(&[diff_id("c")]).is_none());
    }

    #[test]
    fn only_word_from_elsewhere_is_doubted() {
        let mut inventory = inventory(&[("a", "other"), ("b", "app")]);
        inventory.add(diff_id("c"), layer("c", "app", Proof::Hearsay));
        inventory.add(diff_id("b"), layer("b", "app", Proof::Hearsay));
        let all = ["a", "b", "c", "d"].map(diff_id);
        let doubts = inventory.doubts(all);
        let mut doubted: Vec<_> = doubts.iter().map(|doubt| doubt.diff_id).collect();
        doubted.sort();
        let mut expected = [diff_id("a"), diff_id("c")];
        expected.sort();
        assert_eq!(doubted, expected);
        for doubt in doubts {
            match &doubt.elsewhere {
                Some(other) => assert_eq!(other.as_str(), "other"),
                None => assert_eq!(doubt.diff_id, diff_id("c")),
            }
            inventory.found(doubt.diff_id, doubt.blob);
        }
        assert!(inventory.doubts(all).is_empty());
    }

    #[test]
    fn what_turned_out_not_to_be_there_is_not_believed_again() {
        let mut inventory = inventory(&[("a", "other")]);
        inventory.not_there(diff_id("a"));
        inventory.add(diff_id("a"), layer("a", "app", Proof::Hearsay));
        assert!(!inventory.has(diff_id("a")));
    }

    #[test]
    fn reused_descriptors_get_the_media_type_of_the_manifest_that_lists_them() {
        let inventory = inventory(&[("a", "app")]);
        let descriptors = inventory.descriptors(&[diff_id("a")]).unwrap();
        assert_eq!(descriptors[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
    }

    #[test]
    fn blobs_that_the_registry_has_lost_are_forgotten() {
        let mut inventory = inventory(&[("a", "app"), ("b", "app")]);
        inventory.forget(&[packed("a").digest]);
        assert!(!inventory.has(diff_id("a")) && inventory.has(diff_id("b")));
        inventory.forget(&[]);
        assert!(inventory.is_empty());
    }
}
