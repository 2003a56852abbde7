//! Telling what a file is by its content alone.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::nix2container::Nix2Container;
use super::oci_layout::Folder;
use super::plan::Plan;
use super::tar_members::begins_a_tar;
use super::{Error, Indexed, Layout, Streamed, Wrapper, inflate, layout};

/// The largest description in JSON that is read.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// An image that can be read, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
    image_name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Archive(Wrapper),
    OciFolder,
    Script,
    Plan,
    Nix2Container,
}

impl Source {
    /// Recognizes the image in `path`. A stream script is not run for this.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, or is no image that snowbird reads; the error
    /// says what it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let cannot = |source| Error::Open { path: path.to_owned(), source };
        let metadata = path.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            folder(path)?;
            return Ok(Self { path: path.to_owned(), kind: Kind::OciFolder, image_name: None });
        }
        let mut head = Vec::new();
        File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head)).map_err(cannot)?;
        let not_an_image =
            |found: &str| Error::NotAnImage { path: path.to_owned(), found: found.to_owned() };
        let kind = match (&*head, Wrapper::of(&head)) {
            ([], _) => return Err(not_an_image("an empty file")),
            ([b'#', b'!', ..] | [0x7f, b'E', b'L', b'F', ..], _) => {
                if metadata.permissions().mode() & 0o111 == 0 {
                    return Err(not_an_image("a program that may not be executed"));
                }
                Kind::Script
            }
            ([b'Q', b'F', b'I', 0xfb, ..], _) => {
                return Err(not_an_image("a qcow2 disk image (NixOS calls Oracle Cloud's `oci`)"));
            }
            (_, Wrapper::None) if begins_a_tar(&head) => Kind::Archive(Wrapper::None),
            (_, Wrapper::None) => match head.trim_ascii_start() {
                [b'{' | b'[', ..] => of_json(path)?,
                _ => return Err(not_an_image("neither a tar archive nor a stream script")),
            },
            (_, wrapper) => {
                begins_with_a_tar(path, wrapper)?;
                Kind::Archive(wrapper)
            }
        };
        Ok(Self { path: path.to_owned(), kind, image_name: None })
    }

    /// Makes it the image that is called `name`, where the file holds several.
    #[must_use]
    pub fn image_named(self, name: Option<String>) -> Self {
        Self { image_name: name, ..self }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at how the image lies in its file. This blocks: it reads the headers of a plain
    /// tar and what describes the image, and no layer.
    ///
    /// # Errors
    ///
    /// Fails when what describes the image is missing, damaged or of several images.
    pub fn layout(&self) -> Result<Layout, Error> {
        let name = self.image_name.clone();
        match self.kind {
            Kind::Archive(Wrapper::None) => {
                layout::of_plain_tar(&self.path, name.as_deref()).map(Layout::Indexed)
            }
            Kind::Archive(wrapper) => {
                Ok(Layout::Streamed(Streamed::archive(&self.path, wrapper, name)))
            }
            Kind::OciFolder => {
                let described = Folder::image(&self.path, name.as_deref())?;
                let kind = "OCI layout".to_owned();
                Ok(Layout::Indexed(Indexed::of_folder(kind, &self.path, described)))
            }
            Kind::Script => layout::of_script(&self.path, name),
            Kind::Plan => {
                let plan = Plan::read(&self.path)?;
                layout::of_plan(&self.path, plan).map(Layout::Indexed)
            }
            Kind::Nix2Container => {
                let image = Nix2Container::read(&self.path)?;
                Indexed::of_nix2container(image).map(Layout::Indexed)
            }
        }
    }
}

/// Recognizes an OCI layout, or says what else a folder is.
fn folder(path: &Path) -> Result<(), Error> {
    let has = |name: &str| path.join(name).exists();
    if has("oci-layout") && has("index.json") {
        return Ok(());
    }
    if has("manifest.json") && has("version") {
        let found = "a `dir:` folder of skopeo";
        return Err(Error::Unsupported { path: path.to_owned(), found });
    }
    let found = if has("tarball") {
        "a folder with the tarball of a NixOS root file system".to_owned()
    } else {
        let mut names: Vec<_> = path
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.truncate(3);
        if names.is_empty() {
            "an empty folder".to_owned()
        } else {
            format!("a folder with {}", names.join(", "))
        }
    };
    Err(Error::NotAnImage { path: path.to_owned(), found })
}

/// Recognizes descriptions of images that are JSON.
fn of_json(path: &Path) -> Result<Kind, Error> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "kebab-case")]
    struct Probe {
        image_config: Option<IgnoredAny>,
        #[serde(rename = "store_layers")]
        store_layers: Option<IgnoredAny>,
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_JSON_BYTES).read_to_end(&mut bytes))
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    // What is no object has neither.
    let probe: Probe = serde_json::from_slice(&bytes).unwrap_or_default();
    match probe {
        Probe { store_layers: Some(_), .. } => Ok(Kind::Plan),
        Probe { image_config: Some(_), .. } => Ok(Kind::Nix2Container),
        _ => Err(Error::NotAnImage { path: path.to_owned(), found: "some JSON".to_owned() }),
    }
}

/// Looks under the wrapper for the beginning of a tar.
fn begins_with_a_tar(path: &Path, wrapper: Wrapper) -> Result<(), Error> {
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| inflate(wrapper, file)?.take(512).read_to_end(&mut head))
        .map_err(|source| Error::Damaged {
            path: path.to_owned(),
            what: format!("its {} data is broken from the start", wrapper.name()),
            source,
        })?;
    if begins_a_tar(&head) {
        return Ok(());
    }
    let found = format!("{} data without a tar archive in it", wrapper.name());
    Err(Error::NotAnImage { path: path.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn file(content: &[u8], executable: bool) -> tempfile::TempPath {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file.into_temp_path()
    }

    #[test]
    fn what_is_no_image_is_told_by_its_name() {
        let gz = {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"just text").unwrap();
            encoder.finish().unwrap()
        };
        for (content, executable, expected) in [
            (&b""[..], false, "an empty file"),
            (b"QFI\xfb\0\0\0\x03", false, "a qcow2 disk image"),
            (b"#!/bin/sh\n", false, "may not be executed"),
            (b"[1]", false, "some JSON"),
            (b"hello", false, "neither a tar archive nor a stream script"),
            (&gz, false, "gzip data without a tar archive"),
        ] {
            let error = Source::open(&file(content, executable)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(Source::open(folder.path()).unwrap_err().to_string().contains("an empty folder"));
        assert!(matches!(Source::open(Path::new("/nowhere")), Err(Error::Open { .. })));
    }
}
