//! How layers and manifest are written: only what goes together.

use crate::image::{Compression, ManifestFormat, MediaType};
use crate::layer::Encoding;

/// A manifest's format, and an encoding of layers that it has a media type for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    manifest: ManifestFormat,
    encoding: Encoding,
}

/// Docker's schema 2 has no media type for zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a docker manifest cannot hold zstd layers")]
pub struct ZstdNeedsOci;

impl Format {
    /// Puts manifest and encoding together.
    ///
    /// # Errors
    ///
    /// Fails on zstd layers in Docker's schema 2.
    pub fn new(manifest: ManifestFormat, encoding: Encoding) -> Result<Self, ZstdNeedsOci> {
        let format = Self { manifest, encoding };
        match format.layer_type(encoding.compression()) {
            Some(_) => Ok(format),
            None => Err(ZstdNeedsOci),
        }
    }

    /// Returns the manifest's format.
    pub fn manifest(self) -> ManifestFormat {
        self.manifest
    }

    /// Returns how new layers are encoded.
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Returns the media type of a layer in such a manifest, if there is one.
    pub(super) fn layer_type(self, compression: Compression) -> Option<MediaType> {
        match self.manifest {
            ManifestFormat::Oci => Some(MediaType::oci_layer(compression)),
            ManifestFormat::Docker => MediaType::docker_layer(compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zstd_goes_into_oci_manifests_alone() {
        assert_eq!(Format::new(ManifestFormat::Docker, Encoding::ZSTD), Err(ZstdNeedsOci));
        for (manifest, encoding) in [
            (ManifestFormat::Docker, Encoding::GZIP),
            (ManifestFormat::Oci, Encoding::GZIP),
            (ManifestFormat::Oci, Encoding::ZSTD),
        ] {
            assert_eq!(Format::new(manifest, encoding).unwrap().encoding(), encoding);
        }
    }
}
