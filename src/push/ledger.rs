//! What is to be done with each layer that comes by in one pass.
//!
//! Nothing here does I/O. Members of the archive are told apart by name; blobs by the
//! digest of their tar.

use std::collections::BTreeMap;

use super::Error;
use super::inventory::Inventory;
use crate::image::{Compression, DiffId};
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
    inventory: Inventory,
    /// The digest that each member must have, once the image is known.
    expected: BTreeMap<String, DiffId>,
    /// The digest that each member was found to have.
    measured: BTreeMap<String, DiffId>,
    /// A name that turned out to be a `diff_id` shows that the writer names layers so.
    names_are_diff_ids: bool,
}

impl Ledger {
    pub(super) fn new(inventory: Inventory) -> Self {
        Self {
            inventory,
            expected: BTreeMap::new(),
            measured: BTreeMap::new(),
            names_are_diff_ids: false,
        }
    }

    /// Returns what the repository has.
    pub(super) fn inventory(&mut self) -> &mut Inventory {
        &mut self.inventory
    }

    /// Decides what to do with a member as it comes by.
    pub(super) fn decide(&mut self, member: &Member) -> Decision {
        if !self.expected.is_empty() {
            return match self.expected.get(&member.name) {
                Some(&diff_id) if !self.inventory.has(diff_id) => Decision::Send(Some(diff_id)),
                _ => Decision::Skip,
            };
        }
        let claimed = member.claimed_diff_id();
        if let Some(claimed) = claimed {
            self.inventory.recall(claimed);
        }
        if let Some(claimed) = claimed.filter(|&claimed| self.inventory.has(claimed)) {
            // Were the name something else, it would not be the digest of a known layer.
            self.names_are_diff_ids = true;
            self.measured.insert(member.name.clone(), claimed);
            return Decision::Skip;
        }
        if self.inventory.is_empty() || self.names_are_diff_ids {
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
    pub(super) fn stored(
        &mut self,
        member: String,
        hash: TarHash,
        packed: Packed,
        compression: Compression,
    ) {
        self.measured.insert(member, hash.diff_id);
        self.inventory.sent(hash, packed, compression);
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
        image.config.diff_ids().iter().all(|&diff_id| self.inventory.has(diff_id))
    }
}

#[cfg(test)]
mod tests {
    use super::super::inventory::tests::{diff_id, hash, inventory, packed};
    use super::*;
    use crate::image::{Digest, ImageConfig};
    use crate::source::Wrapper;

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
            uncompressed_bytes: None,
        }
    }

    fn ledger(layers: &[(&str, &str)]) -> Ledger {
        Ledger::new(inventory(layers))
    }

    #[test]
    fn where_nothing_is_known_everything_is_sent_at_once() {
        let mut ledger = ledger(&[]);
        assert_eq!(ledger.decide(&member("a")), Decision::Send(None));
        ledger.stored(member("a").name, hash("a"), packed("a"), Compression::Zstd);
        let image = image(&[("a", "a")]);
        ledger.learn(&image).unwrap();
        assert!(ledger.is_complete(&image));
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
        assert_eq!(ledger.inventory().totals(image.config.diff_ids()).sent, 0);
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
        let member = member("a");
        ledger.stored(member.name, hash("damaged"), packed("a"), Compression::Zstd);
        let error = ledger.learn(&image(&[("a", "a")])).unwrap_err();
        assert!(matches!(error, Error::LayerMismatch { expected, .. } if expected == diff_id("a")));
    }

    #[test]
    fn a_layer_that_was_not_there_after_all_is_sent() {
        let mut ledger = ledger(&[("a", "other"), ("b", "app")]);
        ledger.learn(&image(&[("a", "a"), ("b", "b")])).unwrap();
        assert_eq!(ledger.decide(&member("a")), Decision::Skip);
        ledger.inventory().not_there(diff_id("a"));
        assert_eq!(ledger.decide(&member("a")), Decision::Send(Some(diff_id("a"))));
        assert_eq!(ledger.decide(&member("b")), Decision::Skip);
    }
}
