//! What is known of each layer during a push, and what is to be done with it.
//!
//! Nothing here does I/O. Members of the archive are told apart by name; blobs by the
//! digest of their tar.

use std::collections::BTreeMap;

use super::known::KnownLayer;
use super::{Error, Format};
use crate::event::Event;
use crate::image::{Descriptor, DiffId, Digest, Repository};
use crate::layer::{Packed, TarHash};
use crate::source::{Image, Member};

/// What is to be done with a layer that the source shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The registry has it, or it is no part of the image.
    Skip,
    /// Whether the registry has it takes its digest, which its name does not tell.
    Hash,
    /// It is new. What its digest must be is known in some archives.
    Send(Option<DiffId>),
}

#[derive(Debug)]
pub(super) struct Ledger {
    format: Format,
    /// Layers of images in the registry.
    known: BTreeMap<DiffId, KnownLayer>,
    /// Layers that were sent or found in the repository during this push.
    stored: BTreeMap<DiffId, Stored>,
    /// The digest that each member must have, once the image is known.
    expected: BTreeMap<String, DiffId>,
    /// The digest that each member was found to have.
    measured: BTreeMap<String, DiffId>,
    /// A name that turned out to be a `diff_id` shows that the writer names layers so.
    names_are_diff_ids: bool,
}

#[derive(Debug)]
struct Stored {
    descriptor: Descriptor,
    /// Whether its bytes were sent.
    sent: bool,
}

/// What a push has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) sent: usize,
    pub(super) sent_bytes: u64,
}

impl Ledger {
    pub(super) fn new(known: BTreeMap<DiffId, KnownLayer>, format: Format) -> Self {
        // A manifest lists only media types of its own family.
        let known = known
            .into_iter()
            .filter_map(|(diff_id, mut layer)| {
                let compression = layer.descriptor.media_type.layer_compression()?;
                layer.descriptor.media_type = format.layer_type(compression)?;
                Some((diff_id, layer))
            })
            .collect();
        Self {
            format,
            known,
            stored: BTreeMap::new(),
            expected: BTreeMap::new(),
            measured: BTreeMap::new(),
            names_are_diff_ids: false,
        }
    }

    fn has(&self, diff_id: DiffId) -> bool {
        self.stored.contains_key(&diff_id) || self.known.contains_key(&diff_id)
    }

    /// Decides what to do with a member as it comes by.
    pub(super) fn decide(&mut self, member: &Member) -> Decision {
        if !self.expected.is_empty() {
            return match self.expected.get(&member.name) {
                Some(&diff_id) if !self.has(diff_id) => Decision::Send(Some(diff_id)),
                _ => Decision::Skip,
            };
        }
        if let Some(claimed) = member.claimed_diff_id().filter(|&claimed| self.has(claimed)) {
            // Were the name something else, it would not be the digest of a known layer.
            self.names_are_diff_ids = true;
            self.measured.insert(member.name.clone(), claimed);
            return Decision::Skip;
        }
        if self.known.is_empty() || self.names_are_diff_ids {
            return Decision::Send(None);
        }
        Decision::Hash
    }

    /// Notes a layer that was only hashed.
    pub(super) fn hashed(&mut self, member: &Member, hash: TarHash) {
        self.names_are_diff_ids |= member.claimed_diff_id() == Some(hash.diff_id);
        self.measured.insert(member.name.clone(), hash.diff_id);
    }

    /// Notes a layer that is in the repository now.
    pub(super) fn stored(&mut self, member: String, hash: TarHash, packed: Packed, sent: bool) {
        // The constructor of `Format` made sure that there is a media type.
        let Some(media_type) = self.format.layer_type(self.format.encoding().compression()) else {
            return;
        };
        let descriptor = Descriptor {
            media_type,
            digest: packed.digest,
            size: packed.size_bytes,
            annotations: BTreeMap::new(),
        };
        self.measured.insert(member, hash.diff_id);
        self.stored.insert(hash.diff_id, Stored { descriptor, sent });
    }

    /// Takes in what the image is made of, and checks the layers that were read.
    ///
    /// # Errors
    ///
    /// Fails when a layer is not what the config says.
    pub(super) fn learn(&mut self, image: &Image) -> Result<(), Error> {
        for (member, &expected) in image.layers.iter().zip(image.config.diff_ids()) {
            if let Some(&found) = self.measured.get(member)
                && found != expected
            {
                return Err(Error::LayerMismatch { member: member.clone(), expected, found });
            }
            self.expected.insert(member.clone(), expected);
        }
        Ok(())
    }

    /// Returns whether every layer of `image` is in the repository.
    pub(super) fn is_complete(&self, image: &Image) -> bool {
        image.config.diff_ids().iter().all(|&diff_id| self.has(diff_id))
    }

    /// Returns the layers that are known, but in other repositories.
    pub(super) fn mountable(
        &self,
        image: &Image,
        own: &Repository,
    ) -> Vec<(DiffId, Digest, Repository)> {
        let mut mountable: Vec<(DiffId, Digest, Repository)> = Vec::new();
        for diff_id in image.config.diff_ids() {
            if let Some(KnownLayer { descriptor, repository }) = self.known.get(diff_id)
                && repository != own
                && !self.stored.contains_key(diff_id)
                && !mountable.iter().any(|(seen, ..)| seen == diff_id)
            {
                mountable.push((*diff_id, descriptor.digest, repository.clone()));
            }
        }
        mountable
    }

    /// Notes that a layer was taken from another repository.
    pub(super) fn mounted(&mut self, diff_id: DiffId) {
        if let Some(KnownLayer { descriptor, .. }) = self.known.remove(&diff_id) {
            self.stored.insert(diff_id, Stored { descriptor, sent: false });
        }
    }

    /// Notes that a layer cannot be reused after all.
    pub(super) fn unknown(&mut self, diff_id: DiffId) {
        self.known.remove(&diff_id);
    }

    /// Notes that the registry has lost blobs; none named means that any may be lost.
    pub(super) fn forget(&mut self, lost: &[Digest]) {
        let keep = |descriptor: &Descriptor| !lost.is_empty() && !lost.contains(&descriptor.digest);
        self.known.retain(|_, layer| keep(&layer.descriptor));
        self.stored.retain(|_, stored| keep(&stored.descriptor));
    }

    fn descriptor(&self, diff_id: DiffId) -> Option<&Descriptor> {
        let stored = self.stored.get(&diff_id).map(|stored| &stored.descriptor);
        stored.or_else(|| self.known.get(&diff_id).map(|layer| &layer.descriptor))
    }

    /// Returns the descriptors of the image's layers, lowest first, or nothing when one is
    /// not in the repository.
    pub(super) fn descriptors(&self, image: &Image) -> Option<Vec<Descriptor>> {
        image.config.diff_ids().iter().map(|&id| self.descriptor(id).cloned()).collect()
    }

    fn was_sent(&self, diff_id: DiffId) -> bool {
        self.stored.get(&diff_id).is_some_and(|stored| stored.sent)
    }

    /// Returns an event for each layer that was not sent.
    pub(super) fn reused(&self, image: &Image) -> Vec<Event> {
        let reused = image.config.diff_ids().iter().filter(|&&diff_id| !self.was_sent(diff_id));
        reused
            .filter_map(|&diff_id| {
                let Descriptor { digest, size, .. } = *self.descriptor(diff_id)?;
                Some(Event::LayerReused { diff_id, digest, size_bytes: size })
            })
            .collect()
    }

    /// Counts what was sent.
    pub(super) fn totals(&self, image: &Image) -> Totals {
        let diff_ids = image.config.diff_ids();
        Totals {
            sent: diff_ids.iter().filter(|&&diff_id| self.was_sent(diff_id)).count(),
            sent_bytes: self
                .stored
                .values()
                .filter(|stored| stored.sent)
                .map(|stored| stored.descriptor.size)
                .sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageConfig, ManifestFormat, MediaType};
    use crate::layer::Encoding;
    use crate::source::Wrapper;

    fn diff_id(text: &str) -> DiffId {
        DiffId(Digest::of(text.as_bytes()))
    }

    fn hash(text: &str) -> TarHash {
        TarHash { diff_id: diff_id(text), uncompressed_bytes: 1 }
    }

    fn packed(text: &str) -> Packed {
        Packed { digest: Digest::of(format!("blob of {text}").as_bytes()), size_bytes: 10 }
    }

    /// A member named as nixpkgs names layers, by the digest of `named`.
    fn member(named: &str) -> Member {
        let digest = Digest::of(named.as_bytes());
        Member {
            name: format!("{}/layer.tar", digest.hex()),
            size_bytes: 1,
            wrapper: Wrapper::None,
            named: Some(digest),
        }
    }

    fn image(layers: &[(&str, &str)]) -> Image {
        let diff_ids: Vec<_> = layers.iter().map(|(_, content)| diff_id(content)).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        Image {
            config: ImageConfig::parse(config.to_string().into_bytes()).unwrap(),
            layers: layers.iter().map(|(named, _)| member(named).name).collect(),
            repo_tags: Vec::new(),
        }
    }

    fn known(layers: &[(&str, &str)]) -> BTreeMap<DiffId, KnownLayer> {
        layers
            .iter()
            .map(|(content, repository)| {
                let descriptor = Descriptor {
                    media_type: MediaType::new("application/vnd.docker.image.rootfs.diff.tar.gzip"),
                    digest: packed(content).digest,
                    size: 10,
                    annotations: BTreeMap::new(),
                };
                let repository = repository.parse().unwrap();
                (diff_id(content), KnownLayer { descriptor, repository })
            })
            .collect()
    }

    fn ledger(layers: &[(&str, &str)]) -> Ledger {
        let format = Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap();
        Ledger::new(known(layers), format)
    }

    #[test]
    fn where_nothing_is_known_everything_is_sent_at_once() {
        let mut ledger = ledger(&[]);
        assert_eq!(ledger.decide(&member("a")), Decision::Send(None));
        ledger.stored(member("a").name, hash("a"), packed("a"), true);
        let image = image(&[("a", "a")]);
        ledger.learn(&image).unwrap();
        assert!(ledger.is_complete(&image));
        assert_eq!(ledger.totals(&image), Totals { sent: 1, sent_bytes: 10 });
    }

    #[test]
    fn one_known_name_shows_that_other_names_are_new_layers() {
        let mut ledger = ledger(&[("b", "app")]);
        assert_eq!(ledger.decide(&member("a")), Decision::Hash, "nothing shows it yet");
        ledger.hashed(&member("a"), TarHash { diff_id: diff_id("other"), uncompressed_bytes: 1 });
        assert_eq!(ledger.decide(&member("b")), Decision::Skip);
        assert_eq!(ledger.decide(&member("c")), Decision::Send(None));
    }

    #[test]
    fn a_name_that_is_no_digest_of_the_layer_costs_one_look_and_no_byte() {
        let mut ledger = ledger(&[("a", "app")]);
        assert_eq!(ledger.decide(&member("legacy id")), Decision::Hash);
        ledger.hashed(&member("legacy id"), hash("a"));
        let image = image(&[("legacy id", "a")]);
        ledger.learn(&image).unwrap();
        assert!(ledger.is_complete(&image));
        assert_eq!(ledger.totals(&image).sent, 0);
    }

    #[test]
    fn once_the_image_is_known_only_what_is_missing_is_sent() {
        let mut ledger = ledger(&[("a", "app")]);
        ledger.learn(&image(&[("x", "a"), ("y", "b")])).unwrap();
        assert_eq!(ledger.decide(&member("x")), Decision::Skip);
        assert_eq!(ledger.decide(&member("y")), Decision::Send(Some(diff_id("b"))));
        assert_eq!(ledger.decide(&member("of another image")), Decision::Skip);
    }

    #[test]
    fn a_layer_that_is_not_what_the_config_says_is_named() {
        let mut ledger = ledger(&[]);
        ledger.stored(member("a").name, hash("damaged"), packed("a"), true);
        let error = ledger.learn(&image(&[("a", "a")])).unwrap_err();
        assert!(matches!(error, Error::LayerMismatch { expected, .. } if expected == diff_id("a")));
    }

    #[test]
    fn layers_of_another_repository_are_mounted_or_sent_after_all() {
        let own: Repository = "app".parse().unwrap();
        let mut ledger = ledger(&[("a", "other"), ("b", "other"), ("c", "app")]);
        let image = image(&[("a", "a"), ("b", "b"), ("c", "c"), ("a", "a")]);
        ledger.learn(&image).unwrap();
        let mountable: Vec<_> = ledger.mountable(&image, &own).into_iter().map(|m| m.0).collect();
        assert_eq!(mountable, [diff_id("a"), diff_id("b")]);
        ledger.mounted(diff_id("a"));
        ledger.unknown(diff_id("b"));
        assert!(ledger.mountable(&image, &own).is_empty());
        assert!(!ledger.is_complete(&image));
        assert_eq!(ledger.decide(&member("b")), Decision::Send(Some(diff_id("b"))));
    }

    #[test]
    fn reused_descriptors_get_the_media_type_of_the_manifest_that_lists_them() {
        let ledger = ledger(&[("a", "app")]);
        let image = image(&[("a", "a")]);
        let descriptors = ledger.descriptors(&image).unwrap();
        assert_eq!(descriptors[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
        assert_eq!(ledger.reused(&image).len(), 1);
    }

    #[test]
    fn blobs_that_the_registry_has_lost_are_sent() {
        let mut ledger = ledger(&[("a", "app"), ("b", "app")]);
        let image = image(&[("a", "a"), ("b", "b")]);
        ledger.learn(&image).unwrap();
        ledger.forget(&[packed("a").digest]);
        assert_eq!(ledger.decide(&member("a")), Decision::Send(Some(diff_id("a"))));
        assert_eq!(ledger.decide(&member("b")), Decision::Skip);
        ledger.forget(&[]);
        assert_eq!(ledger.decide(&member("b")), Decision::Send(Some(diff_id("b"))));
    }
}
