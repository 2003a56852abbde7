//! The files of a layer, put into one tree before any of them is read.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use super::super::shown::{shown, with_path};
use super::RootPath;
use super::options::Options;
use crate::layer::{go_clean_path, go_join_path};

/// What Nix adds to a name that another differs from in case alone, on file systems that
/// cannot tell them apart. A number follows.
const CASE_HACK: &[u8] = b"~nix~case~hack~";

/// The longest name that an entry may have, in bytes: no system has longer paths. Rewriting
/// could make any of it.
const MAX_NAME_BYTES: usize = 4096;

/// A folder of the layer, or something else.
#[derive(Debug, Default)]
struct Node {
    /// What lies there; nothing for a folder that is only on the way to something.
    found: Option<Found>,
    children: BTreeMap<Vec<u8>, Self>,
}

/// A file, folder or link that was found in the store.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) source: PathBuf,
    /// Kind and permissions.
    pub(super) mode: u32,
    pub(super) size_bytes: u64,
    pub(super) options: Option<Arc<Options>>,
}

/// What is left of a folder: names, and what they stand for.
type Children = vec::IntoIter<(Vec<u8>, Node)>;

/// The entries of a layer, in the order of its tar: each folder before what is in it, by the
/// bytes of their names.
#[derive(Debug)]
pub(super) struct Entries {
    /// The folders on the way, and what is left of them.
    folders: Vec<(Vec<u8>, Children)>,
}

/// Finds all that is below `paths`, and gives each its place. Links are not followed.
///
/// # Errors
///
/// Fails when something cannot be looked at, or two differ that come to lie in one place.
pub(super) fn entries(paths: &[RootPath]) -> io::Result<Entries> {
    let mut root = Node::default();
    for RootPath { path, options } in paths {
        let mut left = vec![path.as_path().to_owned()];
        while let Some(source) = left.pop() {
            let cannot = |error: io::Error| with_path(&source, &error);
            let metadata = fs::symlink_metadata(&source).map_err(cannot)?;
            let is_wanted = root.add(&source, &metadata, options.as_ref())?;
            if is_wanted && metadata.is_dir() {
                let children = fs::read_dir(&source).map_err(cannot)?;
                let children = children.map(|child| child.map(|child| child.path()));
                let mut children = children.collect::<io::Result<Vec<_>>>().map_err(cannot)?;
                children.sort_unstable_by(|a, b| b.cmp(a));
                left.append(&mut children);
            }
        }
    }
    let mut entries = Entries { folders: Vec::new() };
    entries.enter(Vec::new(), root)?;
    Ok(entries)
}

impl Node {
    /// Adds `source`. Returns whether what is below it is to be looked at.
    fn add(
        &mut self,
        source: &Path,
        metadata: &Metadata,
        options: Option<&Arc<Options>>,
    ) -> io::Result<bool> {
        let bytes = source.as_os_str().as_bytes();
        let destination = match options {
            Some(options) => options.destination(bytes),
            None => bytes.into(),
        };
        if destination.is_empty() {
            return Ok(true);
        }
        if options.is_some_and(|options| options.ignores(&destination)) {
            return Ok(false);
        }
        if destination.len() > MAX_NAME_BYTES {
            let text = format!("`{}` would get a name that is too long", shown(source));
            return Err(io::Error::other(text));
        }
        let mut node = self;
        for part in parts(&go_clean_path(&destination)) {
            node = node.children.entry(part.to_vec()).or_default();
        }
        let found = Found {
            source: source.to_owned(),
            mode: metadata.mode(),
            size_bytes: if metadata.is_file() { metadata.len() } else { 0 },
            options: options.cloned(),
        };
        if let Some(before) = node.found.take_if(|before| !before.goes_with(&found)) {
            return Err(io::Error::other(format!(
                "`{}` and `{}` differ, but come to lie in one place of the layer",
                shown(&before.source),
                shown(source)
            )));
        }
        node.found = Some(found);
        Ok(true)
    }
}

impl Found {
    /// Returns whether `other` may take its place.
    fn goes_with(&self, other: &Self) -> bool {
        let perms = match (&self.options, &other.options) {
            (Some(options), Some(others)) => options.has_perms_of(others),
            (Some(_), None) => false,
            (None, _) => true,
        };
        perms && self.mode == other.mode && self.size_bytes == other.size_bytes
    }
}

/// Parts a clean path at its slashes. A rooted one begins with an empty name.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let path = if path == b"/" { b"" } else { path };
    path.split(|&byte| byte == b'/')
}

impl Entries {
    /// Returns the name of the next entry, and what lies there.
    pub(super) fn next(&mut self) -> Option<io::Result<(Vec<u8>, Option<Found>)>> {
        loop {
            let (folder, children) = self.folders.last_mut()?;
            let Some((name, mut node)) = children.next() else {
                self.folders.pop();
                continue;
            };
            let path = if name.is_empty() { b"/".to_vec() } else { go_join_path(folder, &name) };
            let found = node.found.take();
            return Some(self.enter(path.clone(), node).map(|()| (path, found)));
        }
    }

    fn enter(&mut self, path: Vec<u8>, mut node: Node) -> io::Result<()> {
        let children = mem::take(&mut node.children);
        let mut names: Vec<_> =
            children.into_iter().map(|(name, node)| (without_case_hack(name), node)).collect();
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        let is_same = |pair: &[(Vec<u8>, Node)]| matches!(pair, [(a, _), (b, _)] if a == b);
        if let Some([(name, _), ..]) = names.windows(2).find(|pair| is_same(pair)) {
            let name = go_join_path(&path, name);
            let name = String::from_utf8_lossy(&name).escape_debug().to_string();
            return Err(io::Error::other(format!("the layer would have `{name}` twice")));
        }
        self.folders.push((path, names.into_iter()));
        Ok(())
    }
}

/// Returns the name that a file has where names that differ in case alone are two.
fn without_case_hack(mut name: Vec<u8>) -> Vec<u8> {
    let at = name.windows(CASE_HACK.len()).position(|window| window == CASE_HACK);
    let number = at.and_then(|at| name.get(at + CASE_HACK.len()..));
    let number = number.and_then(|number| str::from_utf8(number).ok()?.parse::<i64>().ok());
    if let (Some(at), Some(1..)) = (at, number) {
        name.truncate(at);
    }
    name
}
