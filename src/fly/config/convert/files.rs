//! Files that are written into machines.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fly::config::model::Document;
use crate::fly::config::problem::Fault;
use crate::fly::wire;

/// The largest file that is read: a machine's configuration holds far less.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Converts the files of a document. Those that are named by `local_path` are read; their
/// paths begin at `folder`, if there is one.
///
/// All of them are written into the machines of every group: flyctl takes no notice of their
/// `processes`.
pub(in crate::fly::config) fn files(
    document: &Document,
    folder: Option<&Path>,
) -> Result<Vec<wire::File>, Vec<Fault>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for (n, file) in document.files.iter().enumerate() {
        let mut converted =
            wire::File { guest_path: file.guest_path.clone(), ..wire::File::default() };
        if !file.local_path.is_empty() {
            match read_beside(folder, &file.local_path) {
                Ok(content) => converted.raw_value = Some(encode(&content)),
                Err(reason) => faults.push(Fault::of(format!("files[{n}].local_path"), reason)),
            }
        } else if !file.secret_name.is_empty() {
            converted.secret_name = Some(file.secret_name.clone());
        } else if !file.raw_value.is_empty() {
            converted.raw_value = Some(encode(file.raw_value.as_bytes()));
        }
        merge(&mut files, converted);
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Adds a file: in the place of one with the same path, which one without content takes away.
pub(in crate::fly::config) fn merge(files: &mut Vec<wire::File>, file: wire::File) {
    let is_empty = file.raw_value.is_none() && file.secret_name.is_none();
    match files.iter_mut().position(|other| other.guest_path == file.guest_path) {
        None => files.push(file),
        Some(index) if is_empty => {
            files.remove(index);
        }
        Some(index) => {
            if let Some(other) = files.get_mut(index) {
                *other = file;
            }
        }
    }
}

/// Writes a content as the platform takes it.
pub(in crate::fly::config) fn encode(content: &[u8]) -> String {
    STANDARD.encode(content)
}

/// Reads a file that a configuration names; its path begins at `folder`. The error tells why
/// it cannot be read.
pub(in crate::fly::config) fn read_beside(
    folder: Option<&Path>,
    name: &str,
) -> Result<Vec<u8>, String> {
    let Some(folder) = folder else {
        return Err(format!(
            "the file `{name}` is not part of a release: name the fly.toml beside which it is"
        ));
    };
    let path = folder.join(name);
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut content = Vec::new();
    let file = File::open(&path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(format!("`{}` is too large for a machine's configuration", path.display()));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_file_takes_the_place_of_an_earlier_one() {
        let file = |path: &str, value: Option<&str>| wire::File {
            guest_path: path.to_owned(),
            raw_value: value.map(str::to_owned),
            ..wire::File::default()
        };
        let mut files = Vec::new();
        for (path, value) in
            [("/a", Some("1")), ("/b", Some("2")), ("/c", None), ("/a", Some("3")), ("/b", None)]
        {
            merge(&mut files, file(path, value));
        }
        assert_eq!(files, [file("/a", Some("3")), file("/c", None)]);
    }
}
