//! The media types that a single-platform image is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a layer's tar is compressed in its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// A bare tar.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878. Docker's schema 2 has no media type for it.
    Zstd,
}

/// A media type, as text: foreign ones are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(String);

impl MediaType {
    /// `application/vnd.oci.image.manifest.v1+json`
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// `application/vnd.oci.image.index.v1+json`
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// `application/vnd.oci.image.config.v1+json`
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// `application/vnd.docker.distribution.manifest.v2+json`
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// `application/vnd.docker.container.image.v1+json`
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

    const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

    /// Takes any text for a media type.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the OCI media type of a layer.
    ///
    /// <https://github.com/opencontainers/image-spec/blob/main/layer.md>
    pub fn oci_layer(compression: Compression) -> Self {
        let suffix = match compression {
            Compression::None => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        };
        Self(format!("{}{suffix}", Self::OCI_LAYER))
    }

    /// Returns Docker's media type of a layer, or nothing for zstd, which it has none for.
    pub fn docker_layer(compression: Compression) -> Option<Self> {
        match compression {
            Compression::None => Some(Self::new(Self::DOCKER_LAYER)),
            Compression::Gzip => Some(Self(format!("{}.gzip", Self::DOCKER_LAYER))),
            Compression::Zstd => None,
        }
    }

    /// Returns how a layer of this media type is compressed, or nothing if it is no layer
    /// that snowbird writes.
    pub fn layer_compression(&self) -> Option<Compression> {
        [Compression::None, Compression::Gzip, Compression::Zstd].into_iter().find(|&compression| {
            *self == Self::oci_layer(compression)
                || Self::docker_layer(compression).as_ref() == Some(self)
        })
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for MediaType {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for MediaType {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_of_either_family_tells_its_compression() {
        let docker = MediaType::new("application/vnd.docker.image.rootfs.diff.tar.gzip");
        assert_eq!(docker.layer_compression(), Some(Compression::Gzip));
        let oci = MediaType::new("application/vnd.oci.image.layer.v1.tar+zstd");
        assert_eq!(oci.layer_compression(), Some(Compression::Zstd));
        assert_eq!(MediaType::new(MediaType::OCI_CONFIG).layer_compression(), None);
    }
}
