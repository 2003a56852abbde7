//! A layer that can be opened by itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::archive::Place;
use super::described::DescribedLayer;
use super::exact::Exact;
use super::interrupt::Interruptible;
use super::nix2container::{FileLayer, PathsLayer};
use super::plan::{CustomisationLayer, StoreLayer};
use super::{Error, Interrupt, Wrapper};
use crate::image::{Descriptor, DiffId};
use crate::layer::LayerKey;
use crate::nix::StorePath;

/// A layer that can be opened by itself.
#[derive(Debug, Clone)]
pub struct Layer {
    name: String,
    diff_id: LayerDiffId,
    size_bytes: Option<u64>,
    wrapper: Wrapper,
    blob: Option<Descriptor>,
    key: Option<LayerKey>,
    content: Content,
}

/// What is known of a layer's digest before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerDiffId {
    /// The image's config says it: anything else is damage.
    Fixed(DiffId),
    /// The image says it, but its config is made when all layers are known: if the layer comes
    /// out differently, that is what it is.
    Claimed(DiffId),
    /// Nothing; the config is made when all layers are known.
    Open,
}

/// Where a layer's bytes are.
#[derive(Debug, Clone)]
enum Content {
    /// A part of a file, or all of it.
    Part { file: Arc<Path>, offset_bytes: u64, size_bytes: u64 },
    /// Store paths, whose tar is made while it is read.
    Store(Arc<StoreLayer>),
    /// The same, as nix2container makes it.
    Tree(PathsLayer),
}

/// What is known of an object in the Nix store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreObject {
    /// The hash of its content, in any form that is always the same.
    pub nar_hash: String,
    /// How large its content is, in bytes.
    pub nar_bytes: u64,
}

impl Layer {
    /// Makes a layer of a part of `file`.
    pub(super) fn of_part(layer: DescribedLayer, diff_id: DiffId, file: Arc<Path>) -> Self {
        let DescribedLayer { member, place, blob, .. } = layer;
        let Place { offset_bytes, size_bytes, wrapper } = place;
        Self {
            name: member,
            diff_id: LayerDiffId::Fixed(diff_id),
            size_bytes: Some(size_bytes),
            wrapper,
            blob,
            key: None,
            content: Content::Part { file, offset_bytes, size_bytes },
        }
    }

    /// Makes a layer of store paths, as a plan has it.
    pub(super) fn of_store(store: StoreLayer) -> Self {
        Self {
            name: named_after(store.store_paths()),
            diff_id: LayerDiffId::Open,
            size_bytes: None,
            wrapper: Wrapper::None,
            blob: None,
            key: None,
            content: Content::Store(Arc::new(store)),
        }
    }

    /// Makes a layer of the tar that Nix has built for a plan.
    ///
    /// # Errors
    ///
    /// Fails when it is missing.
    pub(super) fn of_customisation(layer: &CustomisationLayer) -> Result<Self, Error> {
        let file = layer.tar();
        let size_bytes = layer
            .open()?
            .metadata()
            .map_err(|source| Error::Open { path: file.clone(), source })?
            .len();
        Ok(Self {
            name: "customisation".to_owned(),
            // nixpkgs' script takes the checksum at its word.
            diff_id: layer.checksum().map_or(LayerDiffId::Open, LayerDiffId::Fixed),
            size_bytes: Some(size_bytes),
            wrapper: Wrapper::None,
            blob: None,
            key: None,
            content: Content::Part { file: file.into(), offset_bytes: 0, size_bytes },
        })
    }

    /// Makes a layer of a file that nix2container names.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub(super) fn of_blob(layer: &FileLayer) -> Result<Self, Error> {
        let FileLayer { path, media_type, digest, size_bytes, diff_id } = layer;
        let mut head = Vec::new();
        File::open(path)
            .and_then(|file| file.take(512).read_to_end(&mut head))
            .map_err(|source| Error::Open { path: path.clone(), source })?;
        let wrapper = Wrapper::of(&head);
        let blob = (wrapper != Wrapper::None).then(|| Descriptor {
            media_type: media_type.clone(),
            digest: *digest,
            size: *size_bytes,
            annotations: BTreeMap::new(),
        });
        Ok(Self {
            name: path.display().to_string(),
            diff_id: LayerDiffId::Fixed(*diff_id),
            size_bytes: Some(*size_bytes),
            wrapper,
            blob,
            key: None,
            content: Content::Part {
                file: path.as_path().into(),
                offset_bytes: 0,
                size_bytes: *size_bytes,
            },
        })
    }

    /// Makes a layer of store paths, as nix2container has it.
    pub(super) fn of_paths(layer: &PathsLayer) -> Self {
        Self {
            name: named_after(layer.store_paths()),
            diff_id: LayerDiffId::Claimed(layer.claimed()),
            // Zero means that nobody has looked.
            size_bytes: Some(layer.size_bytes()).filter(|&bytes| bytes > 0),
            wrapper: Wrapper::None,
            blob: None,
            key: None,
            content: Content::Tree(layer.clone()),
        }
    }

    /// Returns the store paths that it is made of, where their contents alone decide its bytes.
    pub(super) fn store_paths(&self) -> &[StorePath] {
        match &self.content {
            Content::Store(store) => store.store_paths(),
            Content::Part { .. } | Content::Tree(_) => &[],
        }
    }

    /// Takes in what the contents of store paths hash to.
    pub(super) fn identify(&mut self, objects: &BTreeMap<String, StoreObject>) {
        let Content::Store(store) = &self.content else { return };
        let found = store.store_paths().iter().map(|path| {
            let object = objects.get(path.as_str())?;
            Some((path.as_str(), object))
        });
        let Some(found) = found.collect::<Option<Vec<_>>>() else { return };
        let objects = found.iter().map(|(path, object)| (*path, object.nar_hash.as_str()));
        self.key = Some(LayerKey::new(&store.recipe(), objects));
        self.size_bytes = Some(found.iter().map(|(_, object)| object.nar_bytes).sum());
    }

    /// Returns its name in the image, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what is known of its digest.
    pub fn diff_id(&self) -> LayerDiffId {
        self.diff_id
    }

    /// Returns how many bytes are to be read for it, where that is known.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// Returns how it is compressed.
    pub fn wrapper(&self) -> Wrapper {
        self.wrapper
    }

    /// Returns what the image's manifest says of it as a blob, if it has one.
    pub fn blob(&self) -> Option<&Descriptor> {
        self.blob.as_ref()
    }

    /// Opens it. What is read is as the [`Layer::wrapper`] says; `interrupt` makes it fail.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be opened. That it is shorter than it was is an error of
    /// the reader.
    pub fn open(&self, interrupt: &Interrupt) -> io::Result<Box<dyn Read + Send>> {
        match &self.content {
            Content::Part { file, offset_bytes, size_bytes } => {
                let mut content = File::open(file)?;
                content.seek(SeekFrom::Start(*offset_bytes))?;
                let content = Interruptible::new(content, interrupt.clone());
                Ok(Box::new(Exact::new(content, *size_bytes)))
            }
            Content::Store(store) => {
                let tar = store.open().map_err(io::Error::other)?;
                Ok(Box::new(Interruptible::new(tar, interrupt.clone())))
            }
            Content::Tree(layer) => {
                Ok(Box::new(Interruptible::new(layer.open()?, interrupt.clone())))
            }
        }
    }

    /// Returns the error of a reader of [`Layer::open`].
    pub fn damaged(&self, source: io::Error) -> Error {
        match &self.content {
            Content::Part { file, .. } => Error::Damaged {
                path: file.to_path_buf(),
                what: format!("`{}` is cut or broken", self.name),
                source,
            },
            Content::Store(_) | Content::Tree(_) => {
                Error::StoreLayer { layer: self.name.clone(), source }
            }
        }
    }

    /// Returns what it is made of, if it is made of store paths and their contents are known.
    pub fn key(&self) -> Option<&LayerKey> {
        self.key.as_ref()
    }
}

/// Returns a name for a layer of store paths.
fn named_after<'a>(paths: impl IntoIterator<Item = &'a StorePath>) -> String {
    let mut paths = paths.into_iter();
    match (paths.next(), paths.count()) {
        (None, _) => "nothing".to_owned(),
        (Some(one), 0) => one.name().to_owned(),
        (Some(first), more) => format!("{} and {more} more", first.name()),
    }
}
