//! How an image lies in its file, which decides how it can be read.

use std::fs::File;
use std::path::Path;

use tar::Archive;

use super::archive::Members;
use super::described::Described;
use super::plan::{Found, Plan, plan_of_script};
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
    let members = members(path)?;
    let kind = if members.json("manifest.json")?.is_some() { "docker" } else { "OCI" };
    let described = Described::find(&members, image_name)?;
    Ok(Indexed::of_archive(format!("{kind} archive (uncompressed)"), path, described))
}

/// Takes a layer plan, and looks at the image that it builds upon.
///
/// # Errors
///
/// Fails when that image is not a plain tar, or a part of either is missing.
pub(super) fn of_plan(path: &Path, plan: Plan) -> Result<Indexed, Error> {
    let Some(file) = plan.base_image().map(Path::to_owned) else {
        return Indexed::of_plan(path, plan, None);
    };
    let base = Described::find(&members(&file)?, None)?;
    Indexed::of_plan(path, plan, Some((&file, base)))
}

/// Looks behind a stream script: where it names a plan whose layers can be made here, that is
/// taken instead.
///
/// # Errors
///
/// Fails when the script cannot be read, or a part of the plan is missing.
pub(super) fn of_script(path: &Path, image_name: Option<String>) -> Result<Layout, Error> {
    let why = match plan_of_script(path)? {
        Found::Plan(plan) => match of_plan(path, *plan) {
            Ok(indexed) => return Ok(Layout::Indexed(indexed)),
            Err(error @ Error::MissingStorePath { .. }) => return Err(error),
            Err(error) => Some(error.to_string()),
        },
        Found::RunTheScript { why } => Some(why),
        Found::NotAPlanScript => None,
    };
    Ok(Layout::Streamed(Streamed::script(path, why.as_deref(), image_name)))
}

fn members(path: &Path) -> Result<Members, Error> {
    let cannot = |source| Error::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(cannot)?;
    let size_bytes = file.metadata().map_err(cannot)?.len();
    let mut archive = Archive::new(file);
    let entries = archive.entries_with_seek().map_err(cannot)?;
    let members = Members::read(path, entries, &mut SkipLayers)?;
    members.check_end(size_bytes)?;
    Ok(members)
}
