//! Sending an image whose layers can each be opened by itself: only what is missing is
//! opened, several layers at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::crew::Crew;
use super::inventory::Inventory;
use super::known::Survey;
use super::rules::Facts;
use super::{Error, Push, reuse};
use crate::event::Event;
use crate::image::{DiffId, ImageConfig};
use crate::layer::{LayerKey, Memo, TarHash};
use crate::source::{Indexed, Layer, LayerDiffId, Wrapper};

/// An image on its way.
pub(super) struct Sending<'a> {
    push: &'a Push<'a>,
    image: &'a Indexed,
    inventory: Inventory,
    /// The digest of each layer, lowest first, where it is known.
    diff_ids: Vec<Option<DiffId>>,
    /// What each layer that was made of store paths came to.
    made: BTreeMap<LayerKey, TarHash>,
}

impl<'a> Sending<'a> {
    /// Checks the image, and finds out what can be known of its layers without reading them.
    ///
    /// # Errors
    ///
    /// Fails when the image cannot be run.
    pub(super) fn new(
        push: &'a Push<'a>,
        image: &'a Indexed,
        survey: &Survey,
    ) -> Result<Self, Error> {
        push.reporter.report(Event::ImageOpened {
            kind: image.kind().to_owned(),
            path: image.path().display().to_string(),
        });
        let plain = |layer: &&Layer| layer.wrapper() == Wrapper::None;
        let (os, architecture) = image.platform();
        push.check(&Facts {
            os,
            architecture,
            layers: image.layers().len(),
            uncompressed_bytes: image
                .layers()
                .iter()
                .filter(plain)
                .filter_map(Layer::size_bytes)
                .sum(),
        })?;
        let memo = push.request.memo.as_ref().filter(|_| push.reuses_layers());
        let by_key = |key: &LayerKey| {
            let listed = survey.keys.get(key).copied();
            listed.or_else(|| memo?.made(key).map(|made| made.diff_id))
        };
        let mut inventory = push.inventory(survey);
        let diff_ids = image.layers().iter().map(|layer| match layer.diff_id() {
            LayerDiffId::Fixed(diff_id) => Some(diff_id),
            // Taken at its word only if the registry has such a layer.
            LayerDiffId::Claimed(diff_id) => {
                inventory.recall(diff_id);
                inventory.has(diff_id).then_some(diff_id)
            }
            LayerDiffId::Open => layer.key().and_then(by_key),
        });
        let diff_ids: Vec<_> = diff_ids.collect();
        for &diff_id in diff_ids.iter().flatten() {
            inventory.recall(diff_id);
        }
        Ok(Self { push, image, inventory, diff_ids, made: BTreeMap::new() })
    }

    pub(super) fn inventory(&mut self) -> &mut Inventory {
        &mut self.inventory
    }

    /// Returns what each layer was made of, where that is known.
    pub(super) fn keys(&self) -> impl Iterator<Item = Option<&'a LayerKey>> {
        self.image.layers().iter().map(Layer::key)
    }

    /// Notes what layers that were made of store paths came to.
    pub(super) fn remember(&self, memo: &Memo) {
        for (key, hash) in &self.made {
            memo.remember_made(*key, *hash);
        }
    }

    /// Sees to it that every layer is in the repository.
    ///
    /// # Errors
    ///
    /// Fails when a layer cannot be read or the registry does not do its part.
    pub(super) async fn complete(&mut self) -> Result<ImageConfig, Error> {
        if self.push.reuses_layers() {
            self.guess_blobs();
        }
        if !self.inventory.is_empty() {
            // Hashing is far cheaper than compressing what may turn out to be there.
            self.hash_unknown().await?;
        }
        let doubts = self.inventory.doubts(self.diff_ids.iter().copied().flatten());
        let inventory = &mut self.inventory;
        reuse::settle(self.push, doubts, |note| note(inventory)).await?;
        self.send_missing().await?;
        let diff_ids: Vec<_> = self.diff_ids.iter().copied().flatten().collect();
        Ok(self.image.config(&diff_ids)?)
    }

    /// Takes it that the registry may have layers whose blobs' digests are known.
    fn guess_blobs(&mut self) {
        for (layer, diff_id) in self.image.layers().iter().zip(&self.diff_ids) {
            if let (Some(blob), Some(diff_id)) = (layer.blob(), *diff_id) {
                self.inventory.guess(diff_id, blob.clone());
            }
        }
    }

    /// Reads layers of which nothing is known, to see whether the registry has them.
    async fn hash_unknown(&mut self) -> Result<(), Error> {
        let unknown: Vec<_> =
            self.numbered().filter(|(at, _)| self.diff_id(*at).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let crew = Crew::new(self.push);
        let work = unknown.into_iter().map(|(at, layer)| {
            let crew = &crew;
            async move { Ok((at, crew.hash(layer).await?)) }
        });
        let mut hashes = Vec::new();
        crew.all(work, |hash| hashes.push(hash)).await?;
        for (at, hash) in hashes {
            self.learned(at, hash);
            self.inventory.recall(hash.diff_id);
        }
        Ok(())
    }

    async fn send_missing(&mut self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        let mut missing: Vec<_> = self
            .numbered()
            .filter(|(at, _)| match self.diff_id(*at) {
                Some(diff_id) => !self.inventory.has(diff_id) && seen.insert(diff_id),
                None => true,
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.push.reporter.report(Event::LayersMissing {
            layers: self.image.layers().len(),
            missing: missing.len(),
            missing_bytes: missing.iter().map(|(_, layer)| layer.size_bytes()).sum(),
        });
        // The end is near when the last and smallest is on its way.
        missing.sort_by_key(|(_, layer)| Reverse(layer.size_bytes()));
        let crew = Crew::new(self.push);
        let work = missing.into_iter().map(|(at, layer)| {
            let crew = &crew;
            async move { Ok((at, crew.send(layer).await?)) }
        });
        let mut arrived = Vec::new();
        let result = crew.all(work, |layer| arrived.push(layer)).await;
        for (at, layer) in arrived {
            self.learned(at, layer.hash);
            self.inventory.sent(layer.hash, layer.packed, layer.compression);
        }
        result
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &'a Layer)> + use<'a> {
        self.image.layers().iter().enumerate()
    }

    fn diff_id(&self, at: usize) -> Option<DiffId> {
        self.diff_ids.get(at).copied().flatten()
    }

    fn learned(&mut self, at: usize, hash: TarHash) {
        if let Some(diff_id) = self.diff_ids.get_mut(at) {
            *diff_id = Some(hash.diff_id);
        }
        if let Some(key) = self.image.layers().get(at).and_then(Layer::key) {
            self.made.insert(*key, hash);
        }
    }
}
