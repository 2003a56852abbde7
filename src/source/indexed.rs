//! Images whose layers can each be opened by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::described::Described;
use super::layer::{Layer, StoreObject};
use super::nix2container::{N2cLayer, Nix2Container};
use super::plan::{Base, Plan, PlanLayer};
use crate::image::{DiffId, ImageConfig};
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
    /// It is made when the layers of a description by nix2container are known.
    Nix2Container(Box<Nix2Container>),
}

/// The image that a plan builds upon.
#[derive(Debug)]
struct PlanBase {
    config: ImageConfig,
    names: Vec<String>,
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
        let Described { config, layers } = described;
        let layers = layers.into_iter().zip(config.diff_ids()).map(|(layer, &diff_id)| {
            let file = file(&layer.member);
            Layer::of_part(layer, diff_id, file)
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

    /// Makes an image of what nix2container describes.
    ///
    /// # Errors
    ///
    /// Fails when the file of a layer cannot be read.
    pub(super) fn of_nix2container(image: Nix2Container) -> Result<Self, Error> {
        let layers = image.layers().iter().map(|layer| match layer {
            N2cLayer::File(file) => Layer::of_blob(file),
            N2cLayer::Paths(paths) => Ok(Layer::of_paths(paths)),
        });
        let layers = layers.collect::<Result<_, Error>>()?;
        let path = image.path().to_owned();
        let kind = "nix2container image".to_owned();
        Ok(Self { path, kind, layers, config: Config::Nix2Container(Box::new(image)) })
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
            Config::Nix2Container(image) => (image.os(), image.architecture()),
        }
    }

    /// Returns the config where it does not depend on how the layers come out.
    pub fn fixed_config(&self) -> Option<&ImageConfig> {
        match &self.config {
            Config::Fixed(config) => Some(config),
            Config::Plan { .. } | Config::Nix2Container(_) => None,
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
            Config::Nix2Container(image) => self.made(image.config(diff_ids)?),
            Config::Plan { plan, base } => {
                let below = base.as_ref().map_or(0, |base| base.names.len());
                let own = diff_ids.get(below..).unwrap_or_default();
                let base = base
                    .as_ref()
                    .map(|base| Base { config: base.config.bytes(), layers: &base.names });
                self.made(plan.config(base, own)?)
            }
        }
    }

    fn made(&self, config: Vec<u8>) -> Result<ImageConfig, Error> {
        ImageConfig::parse(config).map_err(|source| Error::Config {
            path: self.path.clone(),
            member: "the config made of it".to_owned(),
            source,
        })
    }
}
