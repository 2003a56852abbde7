//! A store path's files and folders, in the order in which Python sorts their paths.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::vec;

use super::super::shown::with_path;

/// A file, folder or link.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: PathBuf,
    /// Of itself, not of what a link points to.
    pub(super) metadata: Metadata,
}

/// Goes through all that is below a path, and the path itself. Links are not followed.
///
/// Each folder comes before what is in it. Only the names in the folders on the way to the
/// current node are kept.
#[derive(Debug)]
pub(super) struct Tree {
    folders: Vec<(PathBuf, vec::IntoIter<OsString>)>,
    root: Option<PathBuf>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self { folders: Vec::new(), root: Some(root.to_owned()) }
    }

    fn next_path(&mut self) -> Option<PathBuf> {
        if let Some(root) = self.root.take() {
            return Some(root);
        }
        loop {
            let (folder, names) = self.folders.last_mut()?;
            if let Some(name) = names.next() {
                return Some(folder.join(name));
            }
            self.folders.pop();
        }
    }

    fn visit(&mut self, path: PathBuf) -> io::Result<Node> {
        let cannot = |error: io::Error| with_path(&path, &error);
        let metadata = fs::symlink_metadata(&path).map_err(cannot)?;
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).map_err(cannot)?;
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
                .map_err(cannot)?;
            names.sort_by(|a, b| python_order(a.as_bytes(), b.as_bytes()));
            self.folders.push((path.clone(), names.into_iter()));
        }
        Ok(Node { path, metadata })
    }
}

impl Iterator for Tree {
    type Item = io::Result<Node>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.next_path()?;
        Some(self.visit(path))
    }
}

/// Compares names as Python compares strings: by code points. Bytes that are in no
/// character become code points of their own, from U+DC80.
fn python_order(a: &[u8], b: &[u8]) -> Ordering {
    code_points(a).cmp(code_points(b))
}

fn code_points(name: &[u8]) -> impl Iterator<Item = u32> {
    name.utf8_chunks().flat_map(|chunk| {
        let escaped = chunk.invalid().iter().map(|&byte| 0xdc00 + u32::from(byte));
        chunk.valid().chars().map(u32::from).chain(escaped)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/x", "a-b", "a/b/z", "B"] {
            fs::write(root.join(name), "").unwrap();
        }
        symlink("a", root.join("link")).unwrap();
        symlink("nowhere", root.join("a/gone")).unwrap();
        let names: Vec<_> = Tree::new(&root)
            .map(|node| {
                let path = node.unwrap().path;
                path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(names, ["", "B", "a", "a/b", "a/b/z", "a/gone", "a/x", "a-b", "link"]);
    }

    #[test]
    fn a_root_that_is_a_link_or_a_file_is_all_there_is() {
        let folder = tempfile::tempdir().unwrap();
        symlink(folder.path(), folder.path().join("link")).unwrap();
        assert_eq!(Tree::new(&folder.path().join("link")).count(), 1);
        let error = Tree::new(&folder.path().join("no\nsuch")).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("no\\nsuch`: No such file"), "{error}");
    }

    #[test]
    fn names_are_ordered_by_code_points_and_strange_bytes_stand_among_the_surrogates() {
        let ordered: [&[u8]; 9] = [
            b"",
            b"Z",
            b"a",
            b"a\x01",
            b"a-",
            "é".as_bytes(),
            "\u{d7ff}".as_bytes(),
            b"\xff",
            "\u{e000}".as_bytes(),
        ];
        for (number, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                assert_eq!(python_order(a, b), number.cmp(&other), "{a:?} {b:?}");
            }
        }
        // Bytes and UTF-16 would say otherwise.
        assert_eq!(python_order("\u{fffd}".as_bytes(), "😀".as_bytes()), Ordering::Less);
    }
}
