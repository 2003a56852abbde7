//! The members of a tar, one after another.

use std::io::{self, Read};

use tar::{Archive, Entries, Entry, EntryType};

use super::exact::Exact;

/// The most members that an archive of an image may have.
const MAX_MEMBERS: usize = 100_000;

/// A member that a docker archive can do something with.
pub(super) enum TarMember<'a, R: Read> {
    /// A regular file.
    File {
        /// Where its content begins, in the tar.
        offset_bytes: u64,
        /// How long it is.
        size_bytes: u64,
        content: Box<Exact<Entry<'a, R>>>,
    },
    /// A link to another name.
    SymbolicLink(String),
    /// Another name of a member.
    HardLink(String),
    /// A folder, or something that is no part of an image.
    Other,
}

/// Calls `each` with the name and content of every member of `entries`.
///
/// # Errors
///
/// Fails as `each` does, or with `damaged` of what the tar reader says.
pub(super) fn for_each<'a, R: Read + 'a, E>(
    entries: Entries<'a, R>,
    damaged: impl Fn(io::Error) -> E,
    mut each: impl FnMut(&str, TarMember<'a, R>) -> Result<(), E>,
) -> Result<(), E> {
    for (count, entry) in entries.enumerate() {
        if count >= MAX_MEMBERS {
            let text = format!("the archive has more than {MAX_MEMBERS} members");
            return Err(damaged(io::Error::other(text)));
        }
        let entry = entry.map_err(&damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let target = || match entry.link_name_bytes() {
            Some(target) => String::from_utf8_lossy(&target).into_owned(),
            None => String::new(),
        };
        let member = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let size_bytes = entry.size();
                let offset_bytes = entry.raw_file_position();
                TarMember::File {
                    offset_bytes,
                    size_bytes,
                    content: Box::new(Exact::new(entry, size_bytes)),
                }
            }
            EntryType::Symlink => TarMember::SymbolicLink(target()),
            EntryType::Link => TarMember::HardLink(target()),
            EntryType::GNUSparse => {
                let text = format!("`{name}` is a sparse file, which no image has");
                return Err(damaged(io::Error::other(text)));
            }
            _ => TarMember::Other,
        };
        each(&name, member)?;
    }
    Ok(())
}

/// Returns whether `block` is the header of a tar member, by its checksum, or the block of
/// zeros that an empty tar begins with.
pub(super) fn begins_a_tar(block: &[u8]) -> bool {
    let Some(block) = block.first_chunk::<512>() else { return false };
    if block.iter().all(|&byte| byte == 0) {
        return true;
    }
    let Ok(stored) = tar::Header::from_byte_slice(block).cksum() else { return false };
    // The checksum counts its own field as blanks.
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) })
        .sum();
    stored == sum
}

/// Reads what follows the end of the archive, so that checksums behind it are verified.
pub(super) fn drain<R: Read>(archive: Archive<R>) -> io::Result<()> {
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(|_| ())
}
