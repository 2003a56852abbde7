//! Files of the store in errors.

use std::io;
use std::path::Path;

/// Adds to an error which file it is about.
pub(super) fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", shown(path)))
}

/// Returns a path from inside a store path as it can be shown: its names are foreign.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(char::escape_debug).collect()
}
