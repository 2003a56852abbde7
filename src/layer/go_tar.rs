//! Tar entries as Go's `archive/tar` writes them, byte for byte.
//!
//! nix2container makes layers with that package, so a layer has the same `diff_id` whether
//! it or snowbird made it.

use super::go_path::go_join_path;
use super::tar_header::{TAR_BLOCK_BYTES, TarField, TarHeader, pax_record, tar_padding_bytes};

/// How many zeros end a tar. Nothing is filled up to a record.
pub const GO_TAR_END_BYTES: usize = 2 * TAR_BLOCK_BYTES;

/// What kind of entry a [`GoEntry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoEntryKind<'a> {
    /// A regular file.
    File {
        /// The size of its content in bytes.
        size_bytes: u64,
    },
    /// A folder. Its name gets no `/` at its end.
    Folder,
    /// A symbolic link.
    Symlink {
        /// Where it points to.
        target: &'a [u8],
    },
}

/// An entry of a tar, without its content. Its format is left to Go: ustar, or pax where
/// that does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoEntry<'a> {
    /// Its name, in the file system's bytes.
    pub name: &'a [u8],
    /// What it is.
    pub kind: GoEntryKind<'a>,
    /// Its permissions. Up to seven octal digits; from more, Go would make another format.
    pub mode: u32,
    /// The owner's number.
    pub uid: i64,
    /// The group's number.
    pub gid: i64,
    /// The owner's name.
    pub uname: &'a str,
    /// The group's name.
    pub gname: &'a str,
    /// The time of the last change, in seconds since 1970.
    pub mtime_seconds: u32,
}

impl GoEntry<'_> {
    /// Returns the blocks that come before the entry's content.
    ///
    /// No text of it may hold a NUL: Go refuses that, and no reader would see what follows.
    pub fn header(&self) -> Vec<u8> {
        let (type_flag, size_bytes, target) = match self.kind {
            GoEntryKind::File { size_bytes } => (b"0", size_bytes, &b""[..]),
            GoEntryKind::Folder => (b"5", 0, &b""[..]),
            GoEntryKind::Symlink { target } => (b"2", 0, target),
        };
        let texts = [
            (TarField::LinkName, "linkpath", target),
            (TarField::Uname, "uname", self.uname.as_bytes()),
            (TarField::Gname, "gname", self.gname.as_bytes()),
        ];
        let numbers = [
            (TarField::Uid, "uid", self.uid),
            (TarField::Gid, "gid", self.gid),
            // No file system has larger files.
            (TarField::Size, "size", i64::try_from(size_bytes).unwrap_or(i64::MAX)),
        ];

        let mut records: Vec<(&str, Vec<u8>)> = Vec::new();
        for (field, key, text) in texts {
            if !text.is_ascii() || text.len() > field.size_bytes() {
                records.push((key, text.to_vec()));
            }
        }
        for (field, key, value) in numbers {
            if !field.holds_octal(value) {
                records.push((key, value.to_string().into_bytes()));
            }
        }
        let is_long = !self.name.is_ascii() || self.name.len() > TarField::Name.size_bytes();
        let split = split_name(self.name);
        let is_pax = !records.is_empty() || (is_long && split.is_none());

        let mut header = TarHeader::new();
        header.text(TarField::TypeFlag, type_flag);
        header.octal(TarField::Mode, u64::from(self.mode));
        header.octal(TarField::Mtime, u64::from(self.mtime_seconds));
        header.octal(TarField::DevMajor, 0);
        header.octal(TarField::DevMinor, 0);
        header.text(TarField::Magic, b"ustar\x0000");
        for (field, _, value) in numbers {
            let fits = if field.holds_octal(value) { value } else { 0 };
            header.octal(field, u64::try_from(fits).unwrap_or_default());
        }
        for (field, _, text) in texts {
            put(&mut header, field, text);
        }
        match split.filter(|_| !is_pax) {
            Some((prefix, name)) => {
                header.text(TarField::Prefix, prefix);
                header.text(TarField::Name, name);
            }
            None => put(&mut header, TarField::Name, self.name),
        }

        let mut blocks = Vec::new();
        if is_pax {
            if is_long {
                // Also where it could be split: the format is pax now, which never splits.
                records.push(("path", self.name.to_vec()));
            }
            records.sort();
            extend(&mut blocks, self.name, &records);
        }
        blocks.extend(header.finish());
        blocks
    }
}

/// Parts a name that is too long for its field into a prefix and the rest, at the last slash
/// that leaves a prefix which fits.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= TarField::Name.size_bytes() || !name.is_ascii() {
        return None;
    }
    let most = TarField::Prefix.size_bytes() + 1;
    let end =
        if name.len() > most { most } else { name.len() - usize::from(name.last() == Some(&b'/')) };
    let slash = name.get(..end)?.iter().rposition(|&byte| byte == b'/')?;
    let (prefix, rest) = (name.get(..slash)?, name.get(slash + 1..)?);
    let fits = !prefix.is_empty() && (1..=TarField::Name.size_bytes()).contains(&rest.len());
    fits.then_some((prefix, rest))
}

/// Writes what is ASCII of `text`. If it is cut and would end in slashes, they go: some
/// readers would take a file for a folder.
fn put(header: &mut TarHeader, field: TarField, text: &[u8]) {
    let ascii: Vec<u8> = text.iter().copied().filter(u8::is_ascii).collect();
    match ascii.get(..field.size_bytes()) {
        Some(cut) if ascii.len() > cut.len() => {
            let end = without_slashes_at_end(cut).len();
            // Go puts one NUL where the slashes begin, and leaves those that follow it.
            let mut cut = cut.to_vec();
            if let Some(slash) = cut.get_mut(end) {
                *slash = 0;
            }
            header.text(field, &cut);
        }
        _ => header.text(field, &ascii),
    }
}

/// Adds the entry that says more about the next one, which is called `name`.
fn extend(blocks: &mut Vec<u8>, name: &[u8], records: &[(&str, Vec<u8>)]) {
    let mut content = Vec::new();
    for (key, value) in records {
        pax_record(&mut content, key, value);
    }
    let after_slash = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, file) = name.split_at_checked(after_slash).unwrap_or_default();
    let own_name = go_join_path(&go_join_path(folder, b"PaxHeaders.0"), file);
    let own_name: Vec<u8> = own_name.into_iter().filter(u8::is_ascii).collect();
    let own_name = own_name.get(..TarField::Name.size_bytes()).unwrap_or(&own_name);

    let mut header = TarHeader::new();
    header.text(TarField::TypeFlag, b"x");
    header.text(TarField::Name, without_slashes_at_end(own_name));
    for field in [TarField::Mode, TarField::Uid, TarField::Gid, TarField::Mtime] {
        header.octal(field, 0);
    }
    let size_bytes = content.len() as u64;
    header.octal(TarField::Size, size_bytes);
    header.text(TarField::Magic, b"ustar\x0000");
    blocks.extend(header.finish());
    blocks.extend(content);
    blocks.resize(blocks.len() + tar_padding_bytes(size_bytes), 0);
}

fn without_slashes_at_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::image::Digest;

    #[derive(Deserialize)]
    struct Case {
        #[serde(default)]
        name: String,
        #[serde(default)]
        name_hex: String,
        kind: String,
        #[serde(default)]
        target: String,
        #[serde(default)]
        size_bytes: u64,
        mode: u32,
        #[serde(default)]
        uid: i64,
        #[serde(default)]
        gid: i64,
        uname: String,
        gname: String,
        header_bytes: usize,
        header_sha256: String,
    }

    impl Case {
        fn name(&self) -> Vec<u8> {
            let pairs = self.name_hex.as_bytes().chunks(2);
            let hex = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
            let bytes = hex.map(|hex| u8::from_str_radix(hex, 16).unwrap());
            self.name.bytes().chain(bytes).collect()
        }
    }

    #[test]
    fn headers_are_those_that_go_has_written() {
        let text = fs::read("tests/fixtures/nix2container/headers.json").unwrap();
        let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
        assert!(cases.len() > 80);
        for case in cases {
            let header = GoEntry {
                name: &case.name(),
                kind: match case.kind.as_str() {
                    "file" => GoEntryKind::File { size_bytes: case.size_bytes },
                    "folder" => GoEntryKind::Folder,
                    _ => GoEntryKind::Symlink { target: case.target.as_bytes() },
                },
                mode: case.mode,
                uid: case.uid,
                gid: case.gid,
                uname: &case.uname,
                gname: &case.gname,
                mtime_seconds: 1,
            }
            .header();
            let what = format!("{} {} {:?} {}", case.kind, case.name.len(), case.name, case.target);
            assert_eq!(header.len(), case.header_bytes, "{what}");
            assert_eq!(Digest::of(&header).hex(), case.header_sha256, "{what}");
        }
    }

    proptest! {
        #[test]
        fn an_entry_is_read_back_by_another_reader(
            // The reader would end a record at a line feed.
            name in prop::collection::vec(prop_oneof![Just(b'/'), 11..=255u8], 1..300),
            target in prop::collection::vec(11..=255u8, 1..300),
            mode in 0..0o10_000u32,
            uid in 0..=i64::from(u32::MAX),
            uname in "[a-zé]{0,40}",
            is_link in any::<bool>(),
        ) {
            let kind = if is_link {
                GoEntryKind::Symlink { target: &target }
            } else {
                GoEntryKind::File { size_bytes: 3 }
            };
            // A name that ends in a slash is a folder to every reader.
            let name = [&name[..], b"x"].concat();
            let entry =
                GoEntry { name: &name, kind, mode, uid, gid: 5, uname: &uname, gname: "", mtime_seconds: 1 };
            let mut bytes = entry.header();
            if !is_link {
                bytes.extend(b"abc");
                bytes.resize(bytes.len() + 509, 0);
            }
            bytes.resize(bytes.len() + GO_TAR_END_BYTES, 0);
            let mut archive = tar::Archive::new(&*bytes);
            let mut read = archive.entries().unwrap().next().unwrap().unwrap();
            prop_assert_eq!(&*read.path_bytes(), &*name);
            prop_assert_eq!(read.header().mode().unwrap(), mode);
            if is_link {
                prop_assert_eq!(&*read.link_name_bytes().unwrap(), &*target);
            } else {
                let mut content = String::new();
                read.read_to_string(&mut content).unwrap();
                prop_assert_eq!(content, "abc");
            }
        }
    }
}
