//! Store paths.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use nix_derivation::store_path;

/// The absolute path of one object in a Nix store, such as
/// `/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0`.
///
/// The store need not be `/nix/store`: a relocated one names its own folder in each path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePath {
    text: String,
    hash: String,
    name: String,
}

impl StorePath {
    /// Returns the absolute path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the absolute path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.text)
    }

    /// Returns the 32 digits in Nix's base 32 that tell this object from all others.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns what follows the hash, such as `greeter-1.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the object is a derivation, and not what one builds.
    pub fn is_derivation(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|extension| extension == "drv")
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<Path> for StorePath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl FromStr for StorePath {
    type Err = ParseStorePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |source| ParseStorePathError { path: text.to_owned(), source };
        let (folder, base_name) = text.rsplit_once('/').unwrap_or_default();
        let folder = store_path::StoreDir::new(folder).map_err(wrong)?;
        folder.parse_path(text.as_bytes()).map_err(wrong)?;
        // The parser has just found the dash.
        let (hash, name) = base_name.split_once('-').unwrap_or_default();
        Ok(Self { text: text.to_owned(), hash: hash.to_owned(), name: name.to_owned() })
    }
}

/// The text is not the path of a store object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a store path")]
pub struct ParseStorePathError {
    path: String,
    source: store_path::Error,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_store_path_is_parted_into_hash_and_name() {
        let text = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0.tar.gz";
        let path: StorePath = text.parse().unwrap();
        assert_eq!(path.hash(), "l87fhy0j8gdyvzkdwg5w0kag4asq0q1r");
        assert_eq!(path.name(), "greeter-1.0.tar.gz");
        assert_eq!(path.to_string(), text);
    }

    #[test]
    fn a_relocated_store_is_a_store() {
        let text = "/home/user/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0";
        assert_eq!(text.parse::<StorePath>().unwrap().as_path(), Path::new(text));
    }

    #[test]
    fn what_is_no_object_of_a_store_is_refused() {
        for text in [
            "",
            "/nix/store",
            "/nix/store/",
            "l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0",
            "store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0",
            "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r",
            "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-",
            "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1-short",
            "/nix/store/e87fhy0j8gdyvzkdwg5w0kag4asq0q1r-no-such-digit",
            "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0/bin",
            "/nix/../store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0",
            "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-a b",
        ] {
            assert!(text.parse::<StorePath>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _either_way = text.parse::<StorePath>();
        }
    }
}
