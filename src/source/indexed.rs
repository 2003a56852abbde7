//! Images whose layers can each be opened by itself.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::described::Described;
use super::exact::Exact;
use super::interrupt::Interruptible;
use super::{Error, Interrupt, Wrapper};
use crate::image::{Descriptor, DiffId, ImageConfig};
use crate::layer::LayerKey;

/// An image whose layers can be opened in any order, at the same time, and again.
#[derive(Debug)]
pub struct Indexed {
    path: PathBuf,
    kind: String,
    layers: Vec<Layer>,
    config: ImageConfig,
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
        Self { path: path.to_owned(), kind, layers, config }
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
        (self.config.os(), self.config.architecture())
    }

    /// Returns the config where it does not depend on how the layers come out.
    pub fn fixed_config(&self) -> Option<&ImageConfig> {
        Some(&self.config)
    }

    /// Returns the config of the image with layers of these digests, lowest first.
    ///
    /// # Errors
    ///
    /// Fails when a config cannot be made of them.
    pub fn config(&self, _diff_ids: &[DiffId]) -> Result<ImageConfig, Error> {
        Ok(self.config.clone())
    }
}

impl Layer {
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
        }
    }

    /// Returns the error of a reader of [`Layer::open`].
    pub fn damaged(&self, source: io::Error) -> Error {
        let Content::Part { file, .. } = &self.content;
        let what = format!("`{}` is cut or broken", self.name);
        Error::Damaged { path: file.to_path_buf(), what, source }
    }

    /// Returns what it is made of, if it is made of store paths and their contents are known.
    pub fn key(&self) -> Option<&LayerKey> {
        self.key.as_ref()
    }
}
