//! The layers of a plan, and the tar of one, made while it is read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use super::super::Error;
use super::super::shown::{shown, with_path};
use super::tree::{Node, Tree};
use crate::image::{DiffId, Digest};
use crate::layer::{PythonEntry, PythonEntryKind, PythonOwner, PythonTar, tar_padding_bytes};
use crate::nix::StorePath;

/// The folders that each layer of store paths begins with, whatever the store is called.
const FIRST_FOLDERS: [&str; 2] = ["/nix", "/nix/store"];

/// Their permissions.
const FIRST_FOLDERS_MODE: u32 = 0o755;

/// One layer of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) enum PlanLayer {
    /// Store paths, whose tar is made while it is read.
    Store(StoreLayer),
    /// The last layer, which Nix has built as a tar.
    Customisation(CustomisationLayer),
}

/// A layer of store paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct StoreLayer {
    pub(super) paths: Vec<StorePath>,
    pub(super) owner: Arc<PythonOwner>,
    pub(super) format: PythonTar,
}

impl StoreLayer {
    /// Returns the store paths, in their order in the layer.
    pub(in crate::source) fn store_paths(&self) -> &[StorePath] {
        &self.paths
    }

    /// Begins to make the layer's tar.
    ///
    /// # Errors
    ///
    /// Fails when a store path is missing.
    pub(in crate::source) fn open(&self) -> Result<LayerTar, Error> {
        for path in &self.paths {
            present(path.as_path())?;
        }
        let mut tar = LayerTar {
            roots: self.paths.clone().into_iter(),
            owner: Arc::clone(&self.owner),
            format: self.format,
            tree: None,
            ready: io::Cursor::new(Vec::new()),
            content: None,
            size_bytes: 0,
            state: State::Entries,
        };
        for folder in FIRST_FOLDERS {
            tar.entry(folder.as_bytes(), PythonEntryKind::Folder, FIRST_FOLDERS_MODE);
        }
        Ok(tar)
    }

    /// Returns what decides the tar's bytes, the store paths and their contents aside: two
    /// layers of the same paths with the same recipe are the same. It holds no secrets, and
    /// its text for a recipe never changes.
    pub(in crate::source) fn recipe(&self) -> String {
        let PythonOwner { uid, gid, uname, gname, mtime_seconds } = &*self.owner;
        serde_json::json!({
            "layout": 1,
            "tar": self.format.name(),
            "uid": uid,
            "gid": gid,
            "uname": uname,
            "gname": gname,
            "mtime": mtime_seconds,
        })
        .to_string()
    }
}

/// The layer with what is not in the store: links to programs, files of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct CustomisationLayer {
    pub(super) folder: PathBuf,
    pub(super) checksum: Option<DiffId>,
}

impl CustomisationLayer {
    /// Returns what Nix says is the digest of the tar, where it says so.
    pub(in crate::source) fn checksum(&self) -> Option<DiffId> {
        self.checksum
    }

    /// Returns the file with the tar.
    pub(in crate::source) fn tar(&self) -> PathBuf {
        self.folder.join("layer.tar")
    }

    /// Opens the tar.
    ///
    /// # Errors
    ///
    /// Fails when it is missing or cannot be opened.
    pub(in crate::source) fn open(&self) -> Result<File, Error> {
        present(&self.folder)?;
        let path = self.tar();
        File::open(&path).map_err(|source| Error::Open { path, source })
    }

    /// Finds the layer in `folder`, and reads its checksum.
    pub(super) fn find(folder: PathBuf) -> Self {
        let mut text = String::new();
        let read = File::open(folder.join("checksum"))
            .and_then(|file| file.take(128).read_to_string(&mut text));
        let digest = read.ok().and_then(|_| Digest::from_hex(text.trim()).ok());
        Self { folder, checksum: digest.map(DiffId) }
    }
}

fn present(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::MissingStorePath { path: path.to_owned() })
        }
        Err(source) => Err(Error::Open { path: path.to_owned(), source }),
    }
}

/// The tar of a layer, made while it is read: one file is open at a time.
#[derive(Debug)]
pub(in crate::source) struct LayerTar {
    roots: vec::IntoIter<StorePath>,
    owner: Arc<PythonOwner>,
    format: PythonTar,
    tree: Option<Tree>,
    /// What is to be given out next.
    ready: io::Cursor<Vec<u8>>,
    /// What is to be given out after that.
    content: Option<Content>,
    /// How many bytes all entries so far take, with their content.
    size_bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entries,
    Ended,
    Failed,
}

/// A file that is being read.
#[derive(Debug)]
struct Content {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    left: u64,
}

impl Read for LayerTar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.fill(buffer);
        // A tar that went on after a failure would be a wrong one.
        if result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.state = State::Failed;
        }
        result
    }
}

impl LayerTar {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.state == State::Failed {
            return Err(io::Error::other("the layer could not be made"));
        }
        loop {
            let count = self.ready.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if let Some(content) = &mut self.content {
                let count = content.read(buffer)?;
                if count > 0 {
                    return Ok(count);
                }
                self.ready = zeros(tar_padding_bytes(content.size_bytes));
                self.content = None;
            } else if self.state == State::Ended {
                return Ok(0);
            } else if let Some(node) = self.next_node() {
                self.add(node?)?;
            } else {
                let end = PythonTar::end_bytes(self.size_bytes);
                self.ready = zeros(usize::try_from(end).map_err(io::Error::other)?);
                self.state = State::Ended;
            }
        }
    }

    fn next_node(&mut self) -> Option<io::Result<Node>> {
        loop {
            if let Some(node) = self.tree.as_mut().and_then(Tree::next) {
                return Some(node);
            }
            self.tree = Some(Tree::new(self.roots.next()?.as_path()));
        }
    }

    fn add(&mut self, Node { path, metadata }: Node) -> io::Result<()> {
        let cannot = |error: io::Error| with_path(&path, &error);
        let name = path.as_os_str().as_bytes();
        let mode = metadata.permissions().mode();
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.entry(name, PythonEntryKind::Folder, mode);
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(cannot)?;
            let target = target.as_os_str().as_bytes();
            self.entry(name, PythonEntryKind::Symlink { target }, mode);
        } else if kind.is_file() {
            let file = File::open(&path).map_err(cannot)?;
            let opened = file.metadata().map_err(cannot)?;
            if (opened.dev(), opened.ino()) != (metadata.dev(), metadata.ino()) {
                return Err(changed(&path));
            }
            let size_bytes = opened.len();
            self.entry(name, PythonEntryKind::File { size_bytes }, mode);
            self.size_bytes = self
                .size_bytes
                .saturating_add(size_bytes)
                .saturating_add(tar_padding_bytes(size_bytes) as u64);
            self.content = Some(Content { path, file, size_bytes, left: size_bytes });
        } else {
            let text = format!("`{}` is no file, folder or link", shown(&path));
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    /// Adds an entry to what is to be given out.
    fn entry(&mut self, name: &[u8], kind: PythonEntryKind<'_>, mode: u32) {
        let header = self.format.header(&PythonEntry { name, kind, mode }, &self.owner);
        self.size_bytes += header.len() as u64;
        if self.ready.position() >= self.ready.get_ref().len() as u64 {
            self.ready = io::Cursor::new(header);
        } else {
            self.ready.get_mut().extend(header);
        }
    }
}

impl Content {
    /// Reads on. The end comes after as many bytes as the header says, or there is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if limit == 0 {
            return match self.file.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(changed(&self.path)),
            };
        }
        let part = buffer.get_mut(..limit).unwrap_or_default();
        let count = self.file.read(part).map_err(|error| with_path(&self.path, &error))?;
        if count == 0 {
            return Err(changed(&self.path));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn changed(path: &Path) -> io::Error {
    io::Error::other(format!("`{}` changed while it was read", shown(path)))
}

fn zeros(count: usize) -> io::Cursor<Vec<u8>> {
    io::Cursor::new(vec![0; count])
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    const HASH: &str = "l87fhy0j8gdyvzkdwg5w0kag4asq0q1r";

    fn layer(store: &Path) -> StoreLayer {
        let path = store.join(format!("{HASH}-greeter-1.0"));
        let owner = PythonOwner {
            uid: 0,
            gid: 0,
            uname: "root".to_owned(),
            gname: "root".to_owned(),
            mtime_seconds: 1,
        };
        StoreLayer {
            paths: vec![path.to_str().unwrap().parse().unwrap()],
            owner: Arc::new(owner),
            format: PythonTar::Pax,
        }
    }

    fn read_all(tar: &mut LayerTar) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map(|_| bytes)
    }

    fn is_send(_: &impl Send) {}

    #[test]
    fn a_missing_store_path_is_named_before_anything_is_read() {
        let store = tempfile::tempdir().unwrap();
        let layer = layer(store.path());
        let error = layer.open().unwrap_err();
        assert!(
            matches!(&error, Error::MissingStorePath { path } if *path == layer.paths[0].as_path())
        );
        let lost = CustomisationLayer::find(store.path().join("lost"));
        assert_eq!(lost.checksum(), None);
        assert!(matches!(lost.open(), Err(Error::MissingStorePath { .. })));
    }

    #[test]
    fn a_tar_depends_neither_on_reads_nor_on_how_often_it_is_made() {
        let store = tempfile::tempdir().unwrap();
        let layer = layer(store.path());
        let root = layer.paths[0].as_path();
        fs::create_dir(root).unwrap();
        fs::write(root.join("a"), [b'a'; 1000]).unwrap();
        fs::write(root.join("b"), "").unwrap();
        let mut tar = layer.open().unwrap();
        is_send(&tar);
        let whole = read_all(&mut tar).unwrap();
        assert_eq!(whole.len() % 10_240, 0);
        let mut bytewise = Vec::new();
        let mut tar = layer.open().unwrap();
        let mut byte = [0];
        while tar.read(&mut byte).unwrap() > 0 {
            bytewise.extend(byte);
        }
        assert!(whole == bytewise);

        let names: Vec<_> = tar::Archive::new(&*whole)
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
            .collect();
        let root = root.to_str().unwrap();
        let expected = [
            "/nix/",
            "/nix/store/",
            &format!("{root}/"),
            &format!("{root}/a"),
            &format!("{root}/b"),
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_file_that_shrinks_or_grows_while_it_is_read_fails_the_layer_for_good() {
        let store = tempfile::tempdir().unwrap();
        let layer = layer(store.path());
        let root = layer.paths[0].as_path();
        for grows in [false, true] {
            fs::write(root, vec![7; 5000]).unwrap();
            let mut tar = layer.open().unwrap();
            // The headers of two folders and of the file, and some of its content.
            tar.read_exact(&mut [0; 3 * 512 + 1000]).unwrap();
            let mut file = File::options().append(true).open(root).unwrap();
            if grows {
                file.write_all(b"more").unwrap();
            } else {
                file.set_len(3000).unwrap();
            }
            let error = read_all(&mut tar).unwrap_err().to_string();
            assert!(error.ends_with("changed while it was read"), "{error}");
            assert!(tar.read(&mut [0]).is_err());
        }
    }

    #[test]
    fn what_no_store_has_is_refused() {
        let store = tempfile::tempdir().unwrap();
        let layer = layer(store.path());
        let _socket = UnixListener::bind(layer.paths[0].as_path()).unwrap();
        let error = read_all(&mut layer.open().unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("is no file, folder or link"), "{error}");
    }

    #[test]
    fn the_recipe_is_pinned_and_has_all_that_decides() {
        let mut layer = layer(Path::new("/nix/store"));
        let recipe = layer.recipe();
        assert_eq!(
            recipe,
            r#"{"gid":0,"gname":"root","layout":1,"mtime":1,"tar":"pax","uid":0,"uname":"root"}"#
        );
        layer.format = PythonTar::Pax38;
        assert_ne!(layer.recipe(), recipe);
    }
}
