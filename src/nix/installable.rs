//! What the user names: a path, or something for Nix to build.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::StorePath;

/// What Nix can build: an attribute of a flake, such as `.#container` or
/// `github:owner/repo#packages.x86_64-linux.image`, one of a Nix file, or a derivation.
///
/// Its syntax is Nix's own and changes with its versions, so nothing is checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable {
    /// The file that `text` is an attribute of; without one, `text` says all.
    file: Option<String>,
    text: String,
}

/// How Nix calls the value of a file itself, and not one of its attributes.
const WHOLE_FILE: &str = ".";

impl Installable {
    /// Takes the text as the user wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { file: None, text: text.into() }
    }

    /// Takes an attribute of the Nix file `file`, or what the file is itself.
    pub fn in_file(file: impl Into<String>, attribute: Option<&str>) -> Self {
        let text = attribute.filter(|attribute| !attribute.is_empty()).unwrap_or(WHOLE_FILE);
        Self { file: Some(file.into()), text: text.to_owned() }
    }

    /// Returns the arguments that name it to Nix.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let file = self.file.iter().flat_map(|file| ["--file".into(), file.into()]);
        file.chain([self.text.clone().into()]).collect()
    }

    /// Returns the attribute at `path` below it; none of what has no attributes.
    pub(super) fn member(&self, path: &str) -> Option<Self> {
        let (whole, _) = self.parts()?;
        let text = match (&self.file, whole) {
            (Some(_), WHOLE_FILE) => path.to_owned(),
            _ => format!("{whole}.{path}"),
        };
        Some(Self { file: self.file.clone(), text })
    }

    /// Returns its text without the output that it names, and that output; none of what is no
    /// attribute.
    pub(super) fn parts(&self) -> Option<(&str, &str)> {
        let attribute = match (&self.file, self.text.find('#')) {
            (Some(_), _) => 0,
            (None, Some(at)) => at + 1,
            (None, None) => return None,
        };
        match self.text.rfind('^').filter(|at| *at >= attribute) {
            Some(at) => Some((self.text.get(..at)?, self.text.get(at + 1..)?)),
            None => Some((&self.text, "out")),
        }
    }

    /// Returns it without the output that it names.
    pub(super) fn without_output(&self) -> Self {
        let text = self.parts().map_or(self.text.as_str(), |(whole, _)| whole).to_owned();
        Self { file: self.file.clone(), text }
    }

    /// Returns all outputs of a derivation that is named by its store path.
    pub(super) fn all_outputs(&self) -> Self {
        Self { file: None, text: format!("{}^*", self.text) }
    }
}

impl fmt::Display for Installable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            None => f.write_str(&self.text),
            Some(file) if self.text == WHOLE_FILE => write!(f, "--file {file}"),
            Some(file) => write!(f, "--file {file} --attr {}", self.text),
        }
    }
}

/// The system that Fly's machines are, in Nix's words.
pub(super) const SYSTEM: &str = "x86_64-linux";

/// Where containers are looked for by those who name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A flake: among its packages for x86_64-linux.
    Flake(String),
    /// A Nix file: it is one, or has some.
    File(String),
}

impl Place {
    /// Returns what has them as its attributes.
    pub(super) fn packages(&self) -> Installable {
        match self {
            // Written out, since Nix would take the system that it runs on itself.
            Self::Flake(flake) => Installable::new(format!("{flake}#packages.{SYSTEM}")),
            Self::File(file) => Installable::in_file(file, None),
        }
    }

    /// Returns the one that is called `name`; without a name, it is the file itself.
    pub(super) fn package(&self, name: &str) -> Installable {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '\'');
        let packages = self.packages();
        let quoted = format!("\"{name}\"");
        let name = if name.chars().all(plain) { name } else { &quoted };
        if name.is_empty() { packages } else { packages.member(name).unwrap_or(packages) }
    }

    /// Returns how a user would name the container that is called `name`.
    pub(super) fn example(&self, name: &str) -> String {
        match self {
            Self::Flake(flake) => format!("{flake}#{name}"),
            Self::File(file) => Installable::in_file(file, Some(name)).to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Flake(text) | Self::File(text)) = self;
        f.write_str(text)
    }
}

/// What an argument means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An image that is there already. It takes no Nix to read it.
    Path(PathBuf),
    /// An output that Nix builds.
    Installable(Installable),
    /// A flake or a file without the name of an output: its container is to be looked for,
    /// by [`Nix::find_container`](super::Nix::find_container).
    ContainerOf(Place),
}

impl Target {
    /// Reads an argument; none means the flake in the working directory.
    ///
    /// A path is a path when it looks like one (`/…`, `./…`, `../…`) or an image is there,
    /// and it is no flake. A store path always is one. A file of Nix is built from. This looks
    /// at the file system.
    pub fn parse(argument: Option<&str>) -> Self {
        let argument = argument.unwrap_or(".");
        let flake = |text: &str| Self::ContainerOf(Place::Flake(text.to_owned()));
        match argument.split_once('#') {
            Some(_) if Path::new(argument).is_file() => Self::Path(argument.into()),
            Some(("", "")) => flake("."),
            Some((reference, "")) => flake(reference),
            Some(_) => Self::Installable(Installable::new(argument)),
            None if is_nix_file(argument) => Self::ContainerOf(Place::File(argument.to_owned())),
            None if is_image_path(argument) => Self::Path(argument.into()),
            None if argument.parse::<StorePath>().is_ok() => {
                Self::Installable(Installable::new(argument))
            }
            None => flake(argument),
        }
    }
}

fn is_nix_file(argument: &str) -> bool {
    let path = Path::new(argument);
    path.extension().is_some_and(|extension| extension == "nix") && path.is_file()
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
    if path.is_file() || path.join("oci-layout").is_file() {
        return true;
    }
    let looks_like_one = ["/", "./", "../"].iter().any(|start| argument.starts_with(start));
    looks_like_one && (path.join("manifest.json").is_file() || !is_inside_flake(path))
}

/// Returns whether Nix would find a flake above a folder: it looks up to the root of the
/// repository.
fn is_inside_flake(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let mut above = folder.ancestors().filter(|_| folder.is_dir());
    let end = above.find(|at| at.join("flake.nix").is_file() || at.join(".git").exists());
    end.is_some_and(|folder| folder.join("flake.nix").is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn flake(text: &str) -> Target {
        Target::ContainerOf(Place::Flake(text.to_owned()))
    }

    #[test]
    fn without_an_argument_the_flake_here_is_meant() {
        for argument in [None, Some("#"), Some(".#"), Some(".")] {
            assert_eq!(Target::parse(argument), flake("."));
        }
    }

    #[test]
    fn a_fragment_makes_an_installable() {
        for text in [".#container", "github:owner/repo#image", "./x#y.z", "nixpkgs#hello^out"] {
            assert_eq!(Target::parse(Some(text)), Target::Installable(Installable::new(text)));
        }
    }

    #[test]
    fn a_flake_reference_alone_is_a_flake() {
        for text in ["github:owner/repo", "path:/x", "git+ssh://host/x", "not-there.tar", ".."] {
            assert_eq!(Target::parse(Some(text)), flake(text));
        }
    }

    #[test]
    fn a_file_that_is_there_needs_no_dot_before_it() {
        // Tests run in the crate's folder.
        for text in ["Cargo.toml", "src/lib.rs"] {
            assert_eq!(Target::parse(Some(text)), Target::Path(text.into()));
        }
    }

    #[test]
    fn a_file_of_nix_is_built_from() {
        let file = "src/nix/describe.nix";
        assert_eq!(Target::parse(Some(file)), Target::ContainerOf(Place::File(file.to_owned())));
    }

    #[test]
    fn a_file_and_a_folder_are_paths_until_the_folder_holds_a_flake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image#1.tar");
        fs::write(&file, "").unwrap();
        for path in [folder.path(), &file] {
            let text = path.to_str().unwrap();
            assert_eq!(Target::parse(Some(text)), Target::Path(path.into()));
        }
        fs::write(folder.path().join("flake.nix"), "").unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(Target::parse(Some(text)), flake(text));
        assert_eq!(
            Target::parse(Some(&format!("{text}#image"))),
            Target::Installable(Installable::new(format!("{text}#image")))
        );
    }

    #[test]
    fn a_folder_inside_a_flake_is_that_flake_unless_it_is_an_image() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("app/web");
        fs::create_dir_all(&inside).unwrap();
        let text = inside.to_str().unwrap();
        assert_eq!(Target::parse(Some(text)), Target::Path(inside.clone()));
        fs::write(root.path().join("flake.nix"), "").unwrap();
        assert_eq!(Target::parse(Some(text)), flake(text));

        // Nix looks no further than the repository.
        let repository = root.path().join("app/.git");
        fs::create_dir(&repository).unwrap();
        assert_eq!(Target::parse(Some(text)), Target::Path(inside.clone()));
        fs::remove_dir(&repository).unwrap();
        for file in ["oci-layout", "manifest.json"] {
            fs::write(inside.join(file), "").unwrap();
            assert_eq!(Target::parse(Some(text)), Target::Path(inside.clone()), "{file}");
            fs::remove_file(inside.join(file)).unwrap();
        }
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
        let named = |place: Place, name| place.package(name).to_string();
        let flake = || Place::Flake(".".to_owned());
        assert_eq!(named(flake(), "container"), ".#packages.x86_64-linux.container");
        assert_eq!(named(flake(), "a.b-image"), ".#packages.x86_64-linux.\"a.b-image\"");
        let file = || Place::File("image.nix".to_owned());
        assert_eq!(named(file(), "container"), "--file image.nix --attr container");
        assert_eq!(named(file(), ""), "--file image.nix");
    }

    #[test]
    fn what_is_below_an_attribute_is_named_without_its_output() {
        let plan = |installable: Installable| {
            installable.member("stream.conf").map(|plan| plan.to_string())
        };
        for (whole, member) in [
            (Installable::new(".#a"), Some(".#a.stream.conf")),
            (
                Installable::new("github:o/r?ref=x^#a.b^out"),
                Some("github:o/r?ref=x^#a.b.stream.conf"),
            ),
            (Installable::in_file("x.nix", Some("a")), Some("--file x.nix --attr a.stream.conf")),
            (Installable::in_file("x.nix", None), Some("--file x.nix --attr stream.conf")),
            (Installable::new("/nix/store/x.drv"), None),
        ] {
            assert_eq!(plan(whole.clone()).as_deref(), member, "{whole}");
        }
        let dev = Installable::new("nixpkgs#curl^dev");
        assert_eq!(dev.parts(), Some(("nixpkgs#curl", "dev")));
        assert_eq!(dev.without_output(), Installable::new("nixpkgs#curl"));
    }
}
