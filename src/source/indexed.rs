//! Images whose layers can each be opened by itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::described::Described;
use super::exact::Exact;
use super::interrupt::Interruptible;
use super::plan::{Base, CustomisationLayer, Plan, PlanLayer, StoreLayer};
use super::{Error, Interrupt, Wrapper};
use crate::image::{Descriptor, DiffId, ImageConfig};
use crate::layer::LayerKey;
use crate::nix::StorePath;

/// An image whose layers can be opened in any order, at the same time, and again.
#[derive(Debug)]
pub struct Indexed {
    path: PathBuf,
    kind: String,
    layers: Vec<Layer>,
    config: Config,
}

/// What an image's config is made of.
#[derive(Debug)]
enum Config {
    /// It is there.
    Fixed(ImageConfig),
    /// It is made when the layers of a plan are known, which come after those of its base.
    Plan { plan: Box<Plan>, base: Option<PlanBase> },
}

/// The image that a plan builds upon.
#[derive(Debug)]
struct PlanBase {
    config: ImageConfig,
    names: Vec<String>,
}

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
}

impl Indexed {
    /// Makes an image of what an archive that is a plain tar describes.
    pub(super) fn of_archive(kind: String, path: &Path, described: Described) -> Self {
        let file: Arc<Path> = path.into();
        Self::of(path, kind, described, |_| Arc::clone(&file))
    }

    /// Makes an image of what a folder describes, in which each layer is a file.
    pub(super) fn of_folder(kind: String, path: &Path, described: Described) -> Self {
        Self::of(path, kind, described, |member| path.join(member).into())
    }

    fn of(
        path: &Path,
        kind: String,
        described: Described,
        file: impl Fn(&str) -> Arc<Path>,
    ) -> Self {
        let Described { config, layers, .. } = described;
        let layers = layers.into_iter().zip(config.diff_ids()).map(|(layer, &diff_id)| {
            let place = layer.place;
            Layer {
                diff_id: LayerDiffId::Fixed(diff_id),
                size_bytes: Some(place.size_bytes),
                wrapper: place.wrapper,
                blob: layer.blob,
                key: None,
                content: Content::Part {
                    file: file(&layer.member),
                    offset_bytes: place.offset_bytes,
                    size_bytes: place.size_bytes,
                },
                name: layer.member,
            }
        });
        let layers = layers.collect();
        Self { path: path.to_owned(), kind, layers, config: Config::Fixed(config) }
    }

    /// Makes an image of a layer plan, and of the archive that it builds upon, if it does.
    ///
    /// # Errors
    ///
    /// Fails when the customisation layer is missing.
    pub(super) fn of_plan(
        path: &Path,
        plan: Plan,
        base: Option<(&Path, Described)>,
    ) -> Result<Self, Error> {
        let (mut layers, base) = match base {
            None => (Vec::new(), None),
            Some((file, described)) => {
                let names = described.layers.iter().map(|layer| layer.written.clone()).collect();
                let base = PlanBase { config: described.config.clone(), names };
                (Self::of_archive(String::new(), file, described).layers, Some(base))
            }
        };
        for layer in plan.layers() {
            layers.push(match layer {
                PlanLayer::Store(store) => Layer::of_store(store),
                PlanLayer::Customisation(customisation) => Layer::of_customisation(&customisation)?,
            });
        }
        let config = Config::Plan { plan: Box::new(plan), base };
        Ok(Self { path: path.to_owned(), kind: "layer plan".to_owned(), layers, config })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what kind of image it is, for people: `docker archive (uncompressed)`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the layers, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns the operating system and the processor architecture that the image is for, in
    /// Go's words (`linux`, `amd64`).
    pub fn platform(&self) -> (&str, &str) {
        match &self.config {
            Config::Fixed(config) => (config.os(), config.architecture()),
            Config::Plan { plan, .. } => (plan.os(), plan.architecture()),
        }
    }

    /// Returns the store paths that layers are made of.
    pub fn store_paths(&self) -> impl Iterator<Item = &StorePath> {
        self.layers.iter().flat_map(Layer::store_paths)
    }

    /// Takes in what the contents of store paths hash to. A layer of which all are known is
    /// known by what it is made of.
    pub fn identify(&mut self, objects: &BTreeMap<String, StoreObject>) {
        for layer in &mut self.layers {
            layer.identify(objects);
        }
    }

    /// Returns the config of the image with layers of these digests, lowest first.
    ///
    /// # Errors
    ///
    /// Fails when a config cannot be made of them.
    pub fn config(&self, diff_ids: &[DiffId]) -> Result<ImageConfig, Error> {
        match &self.config {
            Config::Fixed(config) => Ok(config.clone()),
            Config::Plan { plan, base } => {
                let below = base.as_ref().map_or(0, |base| base.names.len());
                let own = diff_ids.get(below..).unwrap_or_default();
                let base = base
                    .as_ref()
                    .map(|base| Base { config: base.config.bytes(), layers: &base.names });
                let bytes = plan.config(base, own)?;
                ImageConfig::parse(bytes).map_err(|source| Error::Config {
                    path: self.path.clone(),
                    member: "the config made of it".to_owned(),
                    source,
                })
            }
        }
    }
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
    fn of_store(store: StoreLayer) -> Self {
        let name = match store.store_paths() {
            [one] => one.name().to_owned(),
            [first, rest @ ..] => format!("{} and {} more", first.name(), rest.len()),
            [] => "nothing".to_owned(),
        };
        Self {
            name,
            diff_id: LayerDiffId::Open,
            size_bytes: None,
            wrapper: Wrapper::None,
            blob: None,
            key: None,
            content: Content::Store(Arc::new(store)),
        }
    }

    fn of_customisation(layer: &CustomisationLayer) -> Result<Self, Error> {
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

    fn store_paths(&self) -> &[StorePath] {
        match &self.content {
            Content::Store(store) => store.store_paths(),
            Content::Part { .. } => &[],
        }
    }

    fn identify(&mut self, objects: &BTreeMap<String, StoreObject>) {
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
            Content::Store(_) => Error::StoreLayer { layer: self.name.clone(), source },
        }
    }

    /// Returns what it is made of, if it is made of store paths and their contents are known.
    pub fn key(&self) -> Option<&LayerKey> {
        self.key.as_ref()
    }
}
