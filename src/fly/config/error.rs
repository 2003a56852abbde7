//! What can be wrong with a configuration.

use std::borrow::Cow;
use std::fmt;

use crate::error::Explain;

use super::problem::Problem;
use super::text::Place;

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is of a kind that is not read.
    #[error("cannot read `{path}`: its name must end in `.toml`, `.json`, `.yaml` or `.yml`")]
    Format {
        /// Path of the file.
        path: String,
    },
    /// The file is not of the language that its name says.
    #[error("{}", told(origin, problems))]
    Malformed {
        /// What was read, such as `` `fly.toml` ``.
        origin: String,
        /// Each place that cannot be read.
        problems: Vec<Problem>,
    },
    /// Values have the wrong type, or break a rule.
    #[error("{}", told(origin, problems))]
    Invalid {
        /// What was read: `` `fly.toml` ``, `the last release`, `the command line`.
        origin: String,
        /// All that is wrong, in the order of the file.
        problems: Vec<Problem>,
    },
    /// There are keys that mean nothing, where that was to be an error.
    #[error("{}", told(origin, problems))]
    UnknownKeys {
        /// What was read, such as `` `fly.toml` ``.
        origin: String,
        /// Each key.
        problems: Vec<Problem>,
    },
}

impl Error {
    /// Takes the warnings of unknown keys for an error, if there are any: what `--strict` asks
    /// for. Those that an error tells already are added to it.
    pub fn strict(found: Option<Self>, warnings: &[Warning]) -> Option<Self> {
        let unknown: Vec<_> = warnings.iter().filter(|w| w.code == Warning::UNKNOWN_KEY).collect();
        let Some(first) = unknown.first() else { return found };
        let more = unknown.iter().map(|warning| warning.problem.clone());
        match found {
            None => {
                Some(Self::UnknownKeys { origin: first.origin.clone(), problems: more.collect() })
            }
            Some(Self::Invalid { origin, mut problems }) => {
                problems.extend(more);
                problems.sort_by_key(|problem| problem.place);
                Some(Self::Invalid { origin, problems })
            }
            other => other,
        }
    }
}

/// One problem follows the name of the file, several stand below it.
fn told(origin: &str, problems: &[Problem]) -> String {
    match problems {
        [problem] => match problem.place {
            Some(_) => format!("{origin} {problem}"),
            None => format!("{origin}: {problem}"),
        },
        problems => {
            let count = problems.len();
            let listed: Vec<_> = problems.iter().map(ToString::to_string).collect();
            format!("{origin} has {count} errors\n{}", listed.join("\n"))
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Format { .. } => "config.format",
            Self::Malformed { .. } => "config.malformed",
            Self::Invalid { .. } => "config.invalid",
            Self::UnknownKeys { .. } => Warning::UNKNOWN_KEY,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Format { .. } => Some("`fly config save` writes a fly.toml".into()),
            Self::UnknownKeys { .. } => {
                Some("keys that are not known have no effect: correct them or take them out".into())
            }
            Self::Malformed { .. } | Self::Invalid { .. } => None,
        }
    }
}

/// Something in a configuration that is probably not meant, though it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A stable word, such as `config.unknown-key`.
    pub code: &'static str,
    /// The text, with file, line and column, without a full stop.
    pub message: String,
    origin: String,
    problem: Problem,
}

impl Warning {
    /// The code of a key that is not known.
    pub const UNKNOWN_KEY: &'static str = "config.unknown-key";

    pub(super) fn new(code: &'static str, origin: &str, problem: Problem) -> Self {
        let message = match problem.place {
            Some(_) => format!("{origin} {}", problem.line()),
            None => format!("{origin}: {}", problem.line()),
        };
        Self { code, message, origin: origin.to_owned(), problem }
    }

    /// Returns the key that it is about, such as `services[0].ports`.
    pub fn key(&self) -> &str {
        &self.problem.key
    }

    /// Returns where the key's value stands, if a text says it.
    pub fn place(&self) -> Option<Place> {
        self.problem.place
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
