//! How an image lies in its file, which decides how it can be read.

use std::fs::File;
use std::path::Path;

use tar::Archive;

use super::archive::Members;
use super::described::Described;
use super::{Error, Indexed, SkipLayers, Streamed};

/// An image, by the way in which it can be read.
#[derive(Debug)]
pub enum Layout {
    /// Each layer by itself: nothing is read of those that are not wanted.
    Indexed(Indexed),
    /// All layers in one pass, in the order of the file.
    Streamed(Streamed),
}

impl Layout {
    /// Returns what kind of image it is, for people.
    pub fn kind(&self) -> &str {
        match self {
            Self::Indexed(indexed) => indexed.kind(),
            Self::Streamed(streamed) => streamed.kind(),
        }
    }
}

/// Looks through the headers of a plain tar.
///
/// # Errors
///
/// Fails when the data is damaged or is no image.
pub(super) fn of_plain_tar(path: &Path, image_name: Option<&str>) -> Result<Indexed, Error> {
    let cannot = |source| Error::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(cannot)?;
    let size_bytes = file.metadata().map_err(cannot)?.len();
    let mut archive = Archive::new(file);
    let entries = archive.entries_with_seek().map_err(cannot)?;
    let members = Members::read(path, entries, &mut SkipLayers)?;
    members.check_end(size_bytes)?;
    let kind = if members.json("manifest.json")?.is_some() { "docker" } else { "OCI" };
    let described = Described::find(&members, image_name)?;
    Ok(Indexed::of_archive(format!("{kind} archive (uncompressed)"), path, described))
}
