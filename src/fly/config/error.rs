//! What can be wrong with a configuration.

use std::borrow::Cow;

use crate::error::Explain;

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is of a kind that is not read.
    #[error("cannot read `{path}`: only TOML is read, in a file whose name ends in `.toml`")]
    Format {
        /// Path of the file.
        path: String,
    },
    /// The file is no TOML, or a value has the wrong type. The cause draws the line.
    #[error("cannot read `{path}`")]
    Toml {
        /// Path of the file.
        path: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is not acceptable.
    #[error("{}: `{key}`: {reason}", place(path, *line))]
    Invalid {
        /// Path of the file.
        path: String,
        /// Line, from 1, where it is known.
        line: Option<usize>,
        /// The value's key, such as `services[0].processes`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is asked for that deploys here do not do.
    #[error("{}: `{key}` is not supported: {reason}", place(path, *line))]
    Unsupported {
        /// Path of the file.
        path: String,
        /// Line, from 1, where it is known.
        line: Option<usize>,
        /// The key.
        key: String,
        /// What it would do.
        reason: String,
    },
    /// The configuration has a volume that a machine of the group lacks, or the reverse.
    #[error("process group `{group}`: {reason}")]
    Volume {
        /// The process group.
        group: String,
        /// What does not fit.
        reason: String,
        /// What can be done.
        hint: String,
    },
}

fn place(path: &str, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("`{path}` line {line}"),
        None => format!("`{path}`"),
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Format { .. } => "config.format",
            Self::Toml { .. } => "config.malformed",
            Self::Invalid { .. } => "config.invalid",
            Self::Unsupported { .. } => "config.unsupported",
            Self::Volume { .. } => "config.volume",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Format { .. } => Some("`fly config save` writes a fly.toml".into()),
            Self::Unsupported { .. } => {
                Some("take it out, or deploy the pushed image with `fly deploy --image`".into())
            }
            Self::Volume { hint, .. } => Some(hint.clone().into()),
            Self::Toml { .. } | Self::Invalid { .. } => None,
        }
    }
}

/// Something in a configuration that is probably not meant, though it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A stable word, such as `config.unknown-key`.
    pub code: &'static str,
    /// The text, with file and line, without a full stop.
    pub message: String,
}
