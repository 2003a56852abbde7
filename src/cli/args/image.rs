//! What is built, and how it is written to a registry.

use std::ffi::OsString;

use clap::ValueEnum;

use super::NixArgs;
use crate::image::{ManifestFormat, Tag};
use crate::layer::Encoding;
use crate::nix::{Installable, Place, Target};
use crate::push::Reuse;

/// What is built, and how.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ImageArgs {
    /// What to build, or a file that is there already
    ///
    /// An installable (`.#container`, `github:owner/repo#image`) is built by Nix. Of a flake
    /// without `#`, the container output is looked for: `container`, or the only one that is
    /// named like one. A file that is there, a store path and a path that begins with `/`,
    /// `./` or `../` are read as they are: an image in any of its forms; a file whose name ends
    /// in `.nix` is built from. Without it, the flake in the working directory is meant, or the
    /// one above it.
    pub(in crate::cli) installable: Option<String>,
    /// Further arguments for `nix`, such as `--keep-going`, after `--`
    #[arg(last = true, value_name = "NIX ARGUMENTS")]
    nix_arguments: Vec<OsString>,
    /// Build from a Nix file that is no flake, such as `default.nix`
    #[arg(
        short,
        long,
        value_name = "FILE",
        conflicts_with = "installable",
        help_heading = "Image"
    )]
    file: Option<String>,
    /// Which attribute of the file; else its container is looked for, as in a flake
    #[arg(
        short = 'A',
        long = "attr",
        value_name = "NAME",
        requires = "file",
        help_heading = "Image"
    )]
    attribute: Option<String>,
    #[command(flatten)]
    nix: NixArgs,
    /// How to compress new layers: `gzip` or `zstd`, with a level if you like, such as
    /// `zstd:9` [default: zstd; in a docker manifest gzip]
    #[arg(
        long,
        value_name = "NAME[:LEVEL]",
        env = "SNOWBIRD_COMPRESSION",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(in crate::cli) compression: Option<Encoding>,
    /// How to write the manifest
    #[arg(
        long,
        value_enum,
        default_value = "oci",
        env = "SNOWBIRD_MANIFEST",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(in crate::cli) manifest: ManifestArg,
    /// Which image is meant, where a file holds several: its name, or its tag
    #[arg(
        long,
        value_name = "NAME",
        env = "SNOWBIRD_IMAGE_NAME",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(in crate::cli) image_name: Option<String>,
    /// Build and read the image even if the registry has one of its store path; its layers are
    /// still sent only where they are missing
    #[arg(long, help_heading = "Image")]
    rebuild: bool,
    /// Send every layer, whatever the registry has
    #[arg(long, conflicts_with = "rebuild", help_heading = "Image")]
    no_reuse: bool,
    /// A tag that shall point to the image, besides that of its store path; may be repeated
    #[arg(long = "tag", value_name = "TAG", help_heading = "Image")]
    pub(in crate::cli) tags: Vec<Tag>,
}

impl ImageArgs {
    /// Returns what was named, if anything was.
    pub(in crate::cli) fn named(&self) -> Option<Target> {
        match (&self.file, &self.attribute) {
            (None, _) => self.installable.as_deref().map(|text| Target::parse(Some(text))),
            (Some(file), None) => Some(Target::ContainerOf(Place::File(file.clone()))),
            (Some(file), Some(attribute)) => {
                Some(Target::Installable(Installable::in_file(file, Some(attribute))))
            }
        }
    }

    /// Returns further arguments for Nix.
    pub(in crate::cli) fn nix_arguments(&self) -> Vec<OsString> {
        [self.nix.arguments(), self.nix_arguments.clone()].concat()
    }

    /// Decides what is believed to be in the registry already.
    pub(in crate::cli) fn reuse(&self) -> Reuse {
        match self {
            Self { no_reuse: true, .. } => Reuse::Nothing,
            Self { rebuild: true, .. } => Reuse::Layers,
            _ => Reuse::Images,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ManifestArg {
    /// OCI image manifest
    Oci,
    /// Docker's schema 2, whose layers are always gzip
    Docker,
}

impl ManifestArg {
    pub(in crate::cli) fn format(self) -> ManifestFormat {
        match self {
            Self::Oci => ManifestFormat::Oci,
            Self::Docker => ManifestFormat::Docker,
        }
    }
}
