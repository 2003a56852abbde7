//! An image's config: read here, never written.

use serde::Deserialize;

use super::{DiffId, Digest};

/// The config of an image, with the bytes that it was read from.
///
/// The bytes are the image's identity: they are sent as they are, never written anew.
///
/// <https://github.com/opencontainers/image-spec/blob/main/config.md>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    bytes: Vec<u8>,
    view: View,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct View {
    architecture: String,
    os: String,
    rootfs: RootFs,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<DiffId>,
}

/// The bytes are no image config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseConfigError {
    /// Not JSON, or a field is missing or wrong.
    #[error("the image config is not of the expected shape")]
    Shape(#[source] serde_json::Error),
    /// `rootfs.type` is something other than `layers`.
    #[error("the image config has a root filesystem of type `{0}` instead of `layers`")]
    RootFs(String),
}

impl ImageConfig {
    /// Reads a config, and keeps its bytes.
    ///
    /// # Errors
    ///
    /// Fails when architecture, os or the layers' `diff_ids` cannot be read from it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ParseConfigError> {
        let view: View = serde_json::from_slice(&bytes).map_err(ParseConfigError::Shape)?;
        if view.rootfs.kind != "layers" {
            return Err(ParseConfigError::RootFs(view.rootfs.kind));
        }
        Ok(Self { bytes, view })
    }

    /// Returns the bytes, as they were read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of the bytes: the image ID.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Returns the processor architecture, in Go's words (`amd64`).
    pub fn architecture(&self) -> &str {
        &self.view.architecture
    }

    /// Returns the operating system, in Go's words (`linux`).
    pub fn os(&self) -> &str {
        &self.view.os
    }

    /// Returns the `diff_ids` of the layers, lowest first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.view.rootfs.diff_ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_keeps_its_bytes_to_the_last_blank() {
        let text = format!(
            r#"{{ "os":"linux", "architecture":"amd64", "x-extra": 1,
                "rootfs": {{"type": "layers", "diff_ids": ["{}"]}} }} "#,
            Digest::of(b"layer")
        );
        let config = ImageConfig::parse(text.clone().into_bytes()).unwrap();
        assert_eq!(config.bytes(), text.as_bytes());
        assert_eq!(config.diff_ids(), [DiffId(Digest::of(b"layer"))]);
        assert_eq!((config.os(), config.architecture()), ("linux", "amd64"));
    }

    #[test]
    fn a_config_without_layers_or_with_foreign_digests_is_refused() {
        for text in [
            "[]",
            r#"{"architecture":"amd64","os":"linux"}"#,
            r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"disk","diff_ids":[]}}"#,
            r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha512:00"]}}"#,
        ] {
            assert!(ImageConfig::parse(text.into()).is_err(), "{text}");
        }
    }
}
