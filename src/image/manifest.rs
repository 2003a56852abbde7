//! Manifests: an image's config and layers, by descriptor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Descriptor, Digest, MediaType};

/// The family of media types that a manifest is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestFormat {
    /// OCI image manifest.
    Oci,
    /// Docker's image manifest version 2, schema 2. Its layers can't be zstd.
    Docker,
}

impl ManifestFormat {
    /// Returns the media type of a manifest of this format.
    pub fn manifest_type(self) -> MediaType {
        MediaType::new(match self {
            Self::Oci => MediaType::OCI_MANIFEST,
            Self::Docker => MediaType::DOCKER_MANIFEST,
        })
    }

    /// Returns the media type of the config that such a manifest names.
    pub fn config_type(self) -> MediaType {
        MediaType::new(match self {
            Self::Oci => MediaType::OCI_CONFIG,
            Self::Docker => MediaType::DOCKER_CONFIG,
        })
    }
}

/// An image manifest for one platform.
///
/// <https://github.com/opencontainers/image-spec/blob/main/manifest.md>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u8,
    // OCI manifests may leave it out.
    #[serde(default = "oci_manifest")]
    media_type: MediaType,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Free notes on the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn oci_manifest() -> MediaType {
    ManifestFormat::Oci.manifest_type()
}

/// What was read is no image manifest for one platform.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseManifestError {
    /// The bytes are not JSON of a manifest's shape.
    #[error("the manifest is not of the expected shape")]
    Shape(#[source] serde_json::Error),
    /// An index or an unknown media type.
    #[error("`{0}` is not the media type of an image manifest")]
    MediaType(MediaType),
}

impl Manifest {
    /// Makes a manifest of `config` and `layers`.
    pub fn new(format: ManifestFormat, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: format.manifest_type(),
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// Reads a manifest of either format.
    ///
    /// # Errors
    ///
    /// Fails on an index, which holds no layers, and on anything else that is no manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseManifestError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            media_type: Option<MediaType>,
        }
        let kind: Kind = serde_json::from_slice(bytes).map_err(ParseManifestError::Shape)?;
        match kind.media_type {
            Some(kind) if kind != MediaType::OCI_MANIFEST && kind != MediaType::DOCKER_MANIFEST => {
                Err(ParseManifestError::MediaType(kind))
            }
            _ => serde_json::from_slice(bytes).map_err(ParseManifestError::Shape),
        }
    }

    /// Returns the format that it is in.
    pub fn format(&self) -> Option<ManifestFormat> {
        [ManifestFormat::Oci, ManifestFormat::Docker]
            .into_iter()
            .find(|format| format.manifest_type() == self.media_type)
    }

    /// Returns the media type that the manifest is sent under.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Returns the bytes whose digest names the image.
    #[expect(clippy::missing_panics_doc, reason = "it cannot")]
    pub fn to_bytes(&self) -> Vec<u8> {
        #[expect(clippy::unwrap_used, reason = "strings and numbers are always JSON")]
        serde_json::to_vec(self).unwrap()
    }

    /// Returns the digest of [`Manifest::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Compression;

    fn manifest(format: ManifestFormat) -> Manifest {
        let layer = match format {
            ManifestFormat::Oci => MediaType::oci_layer(Compression::Zstd),
            ManifestFormat::Docker => MediaType::docker_layer(Compression::Gzip).unwrap(),
        };
        Manifest::new(
            format,
            Descriptor::of(format.config_type(), b"{}"),
            vec![Descriptor::of(layer, b"x")],
        )
    }

    #[test]
    fn the_bytes_of_a_manifest_are_pinned() {
        let manifest = manifest(ManifestFormat::Oci);
        insta::assert_snapshot!(String::from_utf8(manifest.to_bytes()).unwrap(), @r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":1}]}"#);
    }

    #[test]
    fn an_independent_reader_understands_a_manifest() {
        let ours = manifest(ManifestFormat::Oci);
        let theirs = oci_spec::image::ImageManifest::from_reader(&*ours.to_bytes()).unwrap();
        assert_eq!(theirs.layers()[0].digest().to_string(), ours.layers[0].digest.to_string());
        assert_eq!(theirs.layers()[0].media_type(), &oci_spec::image::MediaType::ImageLayerZstd);
        assert_eq!(theirs.config().size(), 2);
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_an_index_is_refused() {
        for format in [ManifestFormat::Oci, ManifestFormat::Docker] {
            let manifest = manifest(format);
            assert_eq!(Manifest::parse(&manifest.to_bytes()).unwrap(), manifest);
        }
        let index = format!(r#"{{"mediaType":"{}","manifests":[]}}"#, MediaType::OCI_INDEX);
        assert!(matches!(Manifest::parse(index.as_bytes()), Err(ParseManifestError::MediaType(_))));
        assert!(matches!(Manifest::parse(b"<html>"), Err(ParseManifestError::Shape(_))));
    }
}
