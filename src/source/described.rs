//! An image as its archive or folder describes it.

use std::path::Path;

use super::archive::{Members, Place};
use super::{Error, Image, Wrapper, docker_archive, oci_layout};
use crate::image::{Descriptor, ImageConfig};

/// An image that was found in an archive, with what is known of each layer.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) config: ImageConfig,
    /// Lowest first. One may occur twice.
    pub(super) layers: Vec<DescribedLayer>,
}

#[derive(Debug)]
pub(super) struct DescribedLayer {
    /// Its name in the archive, links resolved.
    pub(super) member: String,
    /// Its name as the description writes it.
    pub(super) written: String,
    pub(super) place: Place,
    /// What an OCI manifest says of it.
    pub(super) blob: Option<Descriptor>,
}

impl Described {
    /// Finds the image in what an archive holds: the one that is called `name`, or the only
    /// one.
    ///
    /// # Errors
    ///
    /// Fails when there is none or several, and when a part of it is missing or wrong.
    pub(super) fn find(members: &Members, name: Option<&str>) -> Result<Self, Error> {
        // Docker writes both since version 25; its own description names every image.
        if let Some(manifest) = members.json("manifest.json")? {
            return docker_archive::image(members, manifest, name);
        }
        if let Some(index) = members.json("index.json")? {
            return oci_layout::image(members, members.path(), index, name);
        }
        Err(Error::NoManifest { path: members.path().to_owned() })
    }

    /// Checks that the config speaks of as many layers as there are.
    ///
    /// # Errors
    ///
    /// Fails otherwise.
    pub(super) fn checked(self, path: &Path, manifest: &str) -> Result<Self, Error> {
        let (layers, diff_ids) = (self.layers.len(), self.config.diff_ids().len());
        if layers == diff_ids {
            return Ok(self);
        }
        let problem = format!("names {layers} layers, but the config has {diff_ids} diff_ids");
        Err(Error::Member { path: path.to_owned(), member: manifest.to_owned(), problem })
    }
}

impl From<Described> for Image {
    fn from(described: Described) -> Self {
        let Described { config, layers } = described;
        let bytes = |layer: &DescribedLayer| {
            (layer.place.wrapper == Wrapper::None).then_some(layer.place.size_bytes)
        };
        let uncompressed_bytes = layers.iter().map(bytes).sum();
        let layers = layers.into_iter().map(|layer| layer.member).collect();
        Self { config, layers, uncompressed_bytes }
    }
}
