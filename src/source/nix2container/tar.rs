//! The tar of a layer, made while it is read: one file is open at a time.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::super::exact::Exact;
use super::super::shown::{shown, with_path};
use super::options::Attributes;
use super::tree::{Entries, Found};
use crate::layer::{GO_TAR_END_BYTES, GoEntry, GoEntryKind, tar_padding_bytes};

/// When everything was changed for the last time, in seconds since 1970.
const MTIME_SECONDS: u32 = 1;

/// The permissions of folders that are only on the way to something.
const FOLDER_MODE: u32 = 0o755;

/// Of a file's mode, what says its kind, and the kinds.
const KIND: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_FOLDER: u32 = 0o040_000;
const KIND_SYMLINK: u32 = 0o120_000;

/// The tar of a layer.
#[derive(Debug)]
pub(in crate::source) struct LayerTar {
    entries: Entries,
    /// What is to be given out next.
    ready: io::Cursor<Vec<u8>>,
    /// What is to be given out after that.
    content: Option<Content>,
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
    file: Exact<File>,
    size_bytes: u64,
}

impl LayerTar {
    pub(super) fn new(entries: Entries) -> Self {
        Self { entries, ready: io::Cursor::default(), content: None, state: State::Entries }
    }

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
                let cannot = |error| with_path(&content.path, &error);
                let count = content.file.read(buffer).map_err(cannot)?;
                if count > 0 {
                    return Ok(count);
                }
                self.ready = zeros(tar_padding_bytes(content.size_bytes));
                self.content = None;
            } else if self.state == State::Ended {
                return Ok(0);
            } else if let Some(entry) = self.entries.next() {
                let (name, found) = entry?;
                self.add(&name, found)?;
            } else {
                self.ready = zeros(GO_TAR_END_BYTES);
                self.state = State::Ended;
            }
        }
    }

    fn add(&mut self, name: &[u8], found: Option<Found>) -> io::Result<()> {
        let Some(Found { source, mode, size_bytes, options }) = found else {
            self.ready = header(name, GoEntryKind::Folder, &root_owned(FOLDER_MODE));
            return Ok(());
        };
        let cannot = |error: io::Error| with_path(&source, &error);
        let mut attributes = root_owned(mode & 0o7777);
        let mut target = Vec::new();
        match mode & KIND {
            KIND_SYMLINK => {
                target =
                    fs::read_link(&source).map_err(cannot)?.into_os_string().into_encoded_bytes();
                // As it is on Linux, wherever it was built.
                attributes.mode = 0o777;
            }
            KIND_FILE | KIND_FOLDER => {}
            _ => {
                let text = format!("`{}` is no file, folder or link", shown(&source));
                return Err(io::Error::other(text));
            }
        }
        if let Some(options) = &options {
            options.apply(source.as_os_str().as_bytes(), &mut attributes);
        }
        let kind = match mode & KIND {
            KIND_SYMLINK => GoEntryKind::Symlink { target: &target },
            KIND_FOLDER => GoEntryKind::Folder,
            _ => GoEntryKind::File { size_bytes },
        };
        self.ready = header(name, kind, &attributes);
        if mode & KIND == KIND_FILE {
            let file = File::open(&source).map_err(cannot)?;
            if file.metadata().map_err(cannot)?.len() != size_bytes {
                let text = format!("`{}` changed while it was read", shown(&source));
                return Err(io::Error::other(text));
            }
            let file = Exact::new(file, size_bytes);
            self.content = Some(Content { path: source, file, size_bytes });
        }
        Ok(())
    }
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

fn root_owned(mode: u32) -> Attributes<'static> {
    Attributes { mode, uid: 0, gid: 0, uname: "root", gname: "root" }
}

fn header(name: &[u8], kind: GoEntryKind<'_>, attributes: &Attributes<'_>) -> io::Cursor<Vec<u8>> {
    let Attributes { mode, uid, gid, uname, gname } = *attributes;
    let mtime_seconds = MTIME_SECONDS;
    let entry = GoEntry { name, kind, mode, uid, gid, uname, gname, mtime_seconds };
    io::Cursor::new(entry.header())
}

fn zeros(count: usize) -> io::Cursor<Vec<u8>> {
    io::Cursor::new(vec![0; count])
}
