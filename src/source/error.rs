//! Why an image could not be read.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use crate::error::Explain;
use crate::image::ParseConfigError;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or looked at.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The content is that of something else.
    #[error("`{}` is not a container image: it is {found}", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        found: String,
    },
    /// The content is an image of a kind that is not read yet.
    #[error("`{}` is {found}, a kind of image that snowbird does not read", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// The data is damaged, or ends too early.
    #[error("cannot read `{}` to its end: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, and what is wrong there.
        what: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The archive ended without a description of an image.
    #[error(
        "`{}` has neither `manifest.json` nor `index.json`: it is truncated, or not an image",
        path.display()
    )]
    NoManifest {
        /// The file.
        path: PathBuf,
    },
    /// A JSON member is not what it should be.
    #[error("`{member}` in `{}` is not of the expected shape", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The image's config is not what it should be.
    #[error("the config `{member}` in `{}` cannot be used", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// Why not.
        source: ParseConfigError,
    },
    /// A member holds what it must not, or is missing, or too large.
    #[error("`{member}` in `{}` {problem}", path.display())]
    Member {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// What is wrong with it, as the rest of the sentence.
        problem: String,
    },
    /// The archive holds more than one image.
    #[error("`{}` holds {} images: {}", path.display(), names.len(), names.join(", "))]
    SeveralImages {
        /// The file.
        path: PathBuf,
        /// The first tag of each.
        names: Vec<String>,
    },
    /// None of the images in the archive has the name that was asked for.
    #[error("`{}` has no image called `{name}`; it has {}", path.display(), names.join(", "))]
    NoSuchImage {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// The first name of each image.
        names: Vec<String>,
    },
    /// A layer plan is not one of those whose layers can be made here.
    #[error("the layer plan `{}` {problem}", path.display())]
    Plan {
        /// The plan.
        path: PathBuf,
        /// What is wrong with it, as the rest of the sentence.
        problem: String,
    },
    /// A store path that belongs into the image is not on this machine.
    #[error("the store path `{}` is missing, but the image needs it", path.display())]
    MissingStorePath {
        /// The store path.
        path: PathBuf,
    },
    /// A layer could not be made of its store paths.
    #[error("cannot make the layer of {layer}")]
    StoreLayer {
        /// What it is made of.
        layer: String,
        /// Why not.
        source: io::Error,
    },
    /// A stream script could not be started.
    #[error("cannot run the stream script `{}`", path.display())]
    Script {
        /// The script.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A stream script ended with an error.
    #[error("the stream script `{}` failed: {status}{}", path.display(), stderr_tail(stderr))]
    ScriptFailed {
        /// The script.
        path: PathBuf,
        /// How it ended.
        status: String,
        /// The last lines that it wrote to stderr.
        stderr: Vec<String>,
    },
    /// The reading was ended by whoever takes the layers.
    #[error("the image was not read to its end")]
    Stopped,
}

fn stderr_tail(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["\n    ", line]).collect()
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "source.cannot-open",
            Self::NotAnImage { .. } => "source.not-an-image",
            Self::Unsupported { .. } => "source.unsupported",
            Self::Damaged { .. } => "source.damaged",
            Self::NoManifest { .. } => "source.no-manifest",
            Self::Json { .. } | Self::Config { .. } | Self::Member { .. } => "source.malformed",
            Self::Plan { .. } => "source.plan",
            Self::MissingStorePath { .. } => "source.missing-store-path",
            Self::StoreLayer { .. } => "source.store-layer",
            Self::SeveralImages { .. } => "source.several-images",
            Self::NoSuchImage { .. } => "source.no-such-image",
            Self::Script { .. } | Self::ScriptFailed { .. } => "source.script-failed",
            Self::Stopped => "source.stopped",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NotAnImage { .. } => Some(
                "name an output of `dockerTools.buildImage`, `buildLayeredImage` or \
                 `streamLayeredImage`, or an archive that `docker save` wrote"
                    .into(),
            ),
            Self::Unsupported { .. } => {
                Some("`skopeo copy` turns it into a docker archive, which snowbird reads".into())
            }
            Self::Damaged { .. } | Self::NoManifest { .. } => Some(
                "build or copy the file again; `nix store repair` mends a damaged store path"
                    .into(),
            ),
            Self::SeveralImages { .. } => Some("say which one by `--image-name`".into()),
            Self::Plan { .. } => Some(
                "name what `dockerTools.streamLayeredImage` gives, and not its `conf`: it makes \
                 the image of any plan"
                    .into(),
            ),
            Self::MissingStorePath { path } => Some(
                format!(
                    "build the image again with `nix build`, or fetch the path with `nix copy \
                     --from STORE {}`",
                    path.display()
                )
                .into(),
            ),
            _ => None,
        }
    }
}

/// Why a visitor ends the reading of an image.
#[derive(Debug)]
pub enum Stop {
    /// The content of the layer could not be read.
    Read(io::Error),
    /// The visitor wants no more; it knows why.
    Enough,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}
