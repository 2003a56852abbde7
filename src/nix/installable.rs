//! What the user names: a path, or something for Nix to build.

use std::fmt;
use std::path::{Path, PathBuf};

use super::StorePath;

/// What Nix can build: a flake reference, `#`, and an attribute path, such as
/// `.#container` or `github:owner/repo#packages.x86_64-linux.image`.
///
/// Its syntax is Nix's own and changes with its versions, so nothing is checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable(String);

impl Installable {
    /// Takes the text as the user wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Names the package `name` for the system that Fly's machines are. Written out, since
    /// Nix would take the system that it runs on itself.
    pub(super) fn package(flake: &str, name: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\'');
        if name.chars().all(plain) {
            Self(format!("{flake}#packages.{SYSTEM}.{name}"))
        } else {
            Self(format!("{flake}#packages.{SYSTEM}.\"{name}\""))
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Installable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The system that Fly's machines are, in Nix's words.
pub(super) const SYSTEM: &str = "x86_64-linux";

/// What an argument means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An image that is there already. It takes no Nix to read it.
    Path(PathBuf),
    /// An output that Nix builds.
    Installable(Installable),
    /// A flake without the name of an output: its container output is to be looked for,
    /// by [`Nix::default_installable`](super::Nix::default_installable).
    Flake(String),
}

impl Target {
    /// Reads an argument; none means the flake in the working directory.
    ///
    /// A path is a path when it looks like one (`/…`, `./…`, `../…`) and is no flake. A
    /// store path always is one. This looks at the file system.
    pub fn parse(argument: Option<&str>) -> Self {
        let argument = argument.unwrap_or(".");
        match argument.split_once('#') {
            Some((flake, "")) => Self::Flake(if flake.is_empty() { "." } else { flake }.to_owned()),
            Some(_) => Self::Installable(Installable::new(argument)),
            None if is_image_path(argument) => Self::Path(argument.into()),
            None if argument.parse::<StorePath>().is_ok() => {
                Self::Installable(Installable::new(argument))
            }
            None => Self::Flake(argument.to_owned()),
        }
    }
}

fn is_image_path(argument: &str) -> bool {
    let path = Path::new(argument);
    if path.join("flake.nix").is_file() {
        return false;
    }
    if let Ok(store_path) = argument.parse::<StorePath>() {
        // A derivation is a recipe: Nix builds what it says.
        return !store_path.is_derivation();
    }
    ["/", "./", "../"].iter().any(|start| argument.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn without_an_argument_the_flake_here_is_meant() {
        assert_eq!(Target::parse(None), Target::Flake(".".into()));
        assert_eq!(Target::parse(Some("#")), Target::Flake(".".into()));
        assert_eq!(Target::parse(Some(".#")), Target::Flake(".".into()));
    }

    #[test]
    fn a_fragment_makes_an_installable() {
        for text in [".#container", "github:owner/repo#image", "./x#y.z", "nixpkgs#hello^out"] {
            assert_eq!(Target::parse(Some(text)), Target::Installable(Installable::new(text)));
        }
    }

    #[test]
    fn a_flake_reference_alone_is_a_flake() {
        for text in ["github:owner/repo", "path:/x", "image.tar.gz", "..", "."] {
            assert_eq!(Target::parse(Some(text)), Target::Flake(text.into()));
        }
    }

    #[test]
    fn a_file_and_a_folder_are_paths_until_the_folder_holds_a_flake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image.tar");
        fs::write(&file, "").unwrap();
        for path in [folder.path(), &file] {
            let text = path.to_str().unwrap();
            assert_eq!(Target::parse(Some(text)), Target::Path(path.into()));
        }
        fs::write(folder.path().join("flake.nix"), "").unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(Target::parse(Some(text)), Target::Flake(text.into()));
        assert_eq!(
            Target::parse(Some(&format!("{text}#image"))),
            Target::Installable(Installable::new(format!("{text}#image")))
        );
    }

    #[test]
    fn a_store_path_is_a_path_and_a_derivation_an_installable() {
        let path = "/nix/store/00000000000000000000000000000000-image.tar.gz";
        assert_eq!(Target::parse(Some(path)), Target::Path(path.into()));
        // What is not there is better told of by its name than by Nix.
        assert_eq!(Target::parse(Some("./not-there")), Target::Path("./not-there".into()));
        let drv = format!("{path}.drv");
        assert_eq!(Target::parse(Some(&drv)), Target::Installable(Installable::new(&drv)));
    }

    #[test]
    fn a_package_is_named_for_the_system_of_the_machines() {
        assert_eq!(
            Installable::package("path:x", "container").as_str(),
            "path:x#packages.x86_64-linux.container"
        );
        assert_eq!(
            Installable::package(".", "a.b-image").as_str(),
            ".#packages.x86_64-linux.\"a.b-image\""
        );
    }
}
