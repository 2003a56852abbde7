//! The languages that a configuration can be written in.

mod json;
mod toml;
mod yaml;
mod yaml_scalar;

use std::path::Path;

use super::problem::Fault;
use super::tree::Node;

/// The deepest that values may be nested: the readers of the tree call themselves.
const MAX_DEPTH: usize = 64;

/// A language, as the name of a file tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Toml,
    Json,
    Yaml,
}

impl Syntax {
    /// Returns the language that the ending of `path` says; none at all means TOML.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        match ending.as_ref().map(|ending| ending.to_str()) {
            None | Some(Some("toml")) => Some(Self::Toml),
            Some(Some("json")) => Some(Self::Json),
            Some(Some("yaml" | "yml")) => Some(Self::Yaml),
            Some(_) => None,
        }
    }

    /// Reads a text to a tree whose nodes know their paths.
    pub(super) fn read(self, text: &str) -> Result<Node, Vec<Fault>> {
        let mut tree = match self {
            Self::Toml => toml::read(text)?,
            Self::Json => json::read(text).map_err(|fault| vec![fault])?,
            Self::Yaml => yaml::read(text).map_err(|fault| vec![fault])?,
        };
        tree.label();
        Ok(tree)
    }
}

#[cfg(test)]
mod tests;
