//! Why a push failed.

use std::borrow::Cow;

use super::rules::gigabytes;
use crate::error::Explain;
use crate::http::{Judge, Verdict};
use crate::image::DiffId;
use crate::{layer, registry, source};

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source could not be read, or is no image.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The registry did not do what it was asked to.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A layer could not be sent.
    #[error("cannot push the layer `{member}`")]
    Layer {
        /// The layer's name in the archive.
        member: String,
        /// Whether reading and sending it again may help: what could be repeated by itself
        /// has been.
        verdict: Verdict,
        /// Why not.
        source: Box<registry::Error>,
    },
    /// A layer is not the one that the config lists.
    #[error(
        "the layer `{member}` is damaged: its digest is {found}, but the config says {expected}"
    )]
    LayerMismatch {
        /// The layer's name in the archive.
        member: String,
        /// Its `diff_id`, by the config.
        expected: DiffId,
        /// Its `diff_id`, by its content.
        found: DiffId,
    },
    /// The image is for another processor or system.
    #[error("the image is for {found}, but Fly's machines run linux/amd64")]
    WrongPlatform {
        /// What it is for.
        found: String,
    },
    /// The image has more layers than a container runtime takes.
    #[error("the image has {layers} layers, but no more than {most} can be run")]
    TooManyLayers {
        /// Layers in the image.
        layers: usize,
        /// The most.
        most: usize,
    },
    /// The image is larger than a machine's root file system.
    #[error(
        "the image's layers are {:.1} GB before compression, but Fly's machines take no more than \
         {:.0} GB", gigabytes(*bytes), gigabytes(*most)
    )]
    TooLarge {
        /// Bytes of all layers before compression.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// The source gave other layers each time that it was read.
    #[error("the image changed while it was read")]
    Inconsistent,
    /// The push was cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl From<layer::Aborted> for Error {
    /// Whoever read the layer knows why it broke off, and says so.
    fn from(_aborted: layer::Aborted) -> Self {
        Self::Interrupted
    }
}

impl Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Source(error) => Some(error),
            Self::Registry(error) => Some(error),
            Self::Layer { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl Judge for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Registry(error) => error.verdict(),
            Self::Layer { verdict, .. } => *verdict,
            _ => Verdict::Final,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::LayerMismatch { .. } => "push.layer-mismatch",
            Self::WrongPlatform { .. } => "push.wrong-platform",
            Self::TooManyLayers { .. } => "push.too-many-layers",
            Self::TooLarge { .. } => "push.too-large",
            Self::Inconsistent => "push.inconsistent",
            Self::Interrupted => "interrupted",
            Self::Source(_) | Self::Registry(_) | Self::Layer { .. } => {
                self.inner().map_or("push.failed", |inner| inner.code())
            }
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::LayerMismatch { .. } => Some(
                "build or copy the file again; `nix store repair` mends a damaged store path"
                    .into(),
            ),
            Self::WrongPlatform { .. } => Some(
                "build the output of `x86_64-linux`: `.#packages.x86_64-linux.container`; on \
                 another platform that takes a remote builder"
                    .into(),
            ),
            Self::TooLarge { .. } => Some(
                "look for what it need not hold: `nix path-info --closure-size --human-readable \
                 --recursive` lists it"
                    .into(),
            ),
            Self::TooManyLayers { .. } => Some("set `maxLayers = 100` in the image".into()),
            _ => self.inner()?.hint(),
        }
    }
}
