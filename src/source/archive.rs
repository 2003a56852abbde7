//! What an archive of an image holds: layers, JSON, links.
//!
//! Members may come in any order; nearly every writer puts the layers first and the
//! description of the image last. Layers are told by their content, not by their name, for
//! there are as many ways of naming them as there are writers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::Entries;

use super::links::{Links, clean_name};
use super::tar_members::{TarMember, begins_a_tar, for_each};
use super::{Error, Member, Stop, Visit, Wrapper};
use crate::image::Digest;

/// The largest JSON member that is kept: no config is larger than its registry's limit.
pub(super) const MAX_JSON_BYTES: u64 = 4 << 20;

/// The most bytes of JSON that are kept of one archive.
const MAX_ALL_JSON_BYTES: u64 = 16 << 20;

/// What one look over an archive has found.
#[derive(Debug)]
pub(super) struct Members {
    path: PathBuf,
    layers: BTreeMap<String, Place>,
    json: BTreeMap<String, Vec<u8>>,
    json_bytes: u64,
    others: BTreeSet<String>,
    links: Links,
}

/// Where a layer is in the archive's tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset_bytes: u64,
    pub(super) size_bytes: u64,
    pub(super) wrapper: Wrapper,
}

impl Members {
    /// Reads the archive in `entries` once, and shows `visitor` each layer as it comes.
    ///
    /// # Errors
    ///
    /// Fails on damaged data, and when the visitor has had enough.
    pub(super) fn read<'a, R: Read + 'a>(
        path: &Path,
        entries: Entries<'a, R>,
        visitor: &mut dyn Visit,
    ) -> Result<Self, Error> {
        let mut members = Self {
            path: path.to_owned(),
            layers: BTreeMap::new(),
            json: BTreeMap::new(),
            json_bytes: 0,
            others: BTreeSet::new(),
            links: Links::default(),
        };
        let damaged = |what: &str, source: io::Error| Error::Damaged {
            path: path.to_owned(),
            what: what.to_owned(),
            source,
        };
        for_each(
            entries,
            |error| damaged("a member cannot be found", error),
            |name, member| {
                let name = clean_name(name);
                match member {
                    TarMember::File { offset_bytes, size_bytes, content } => {
                        let place = Place { offset_bytes, size_bytes, wrapper: Wrapper::None };
                        members.file(name.clone(), place, content, visitor).map_err(|stop| {
                            match stop {
                                Stop::Read(error) => {
                                    damaged(&format!("`{name}` is cut or broken"), error)
                                }
                                Stop::Enough => Error::Stopped,
                            }
                        })?;
                    }
                    TarMember::SymbolicLink(target) => members.links.symbolic(&name, &target),
                    TarMember::HardLink(target) => members.links.hard(&name, &target),
                    TarMember::Other => {}
                }
                Ok(())
            },
        )?;
        Ok(members)
    }

    fn file(
        &mut self,
        name: String,
        place: Place,
        mut content: impl Read,
        visitor: &mut dyn Visit,
    ) -> Result<(), Stop> {
        let mut head = Vec::with_capacity(512);
        content.by_ref().take(512).read_to_end(&mut head)?;
        let (wrapper, size_bytes) = (Wrapper::of(&head), place.size_bytes);
        if wrapper != Wrapper::None || begins_a_tar(&head) {
            let named = name_digest(&name);
            let member = Member { name, size_bytes, wrapper, named };
            visitor.layer(&member, &mut head.chain(content))?;
            self.layers.insert(member.name, Place { wrapper, ..place });
        } else if matches!(head.trim_ascii_start(), [b'{' | b'[', ..])
            && size_bytes <= MAX_JSON_BYTES
            && self.json_bytes + size_bytes <= MAX_ALL_JSON_BYTES
        {
            self.json_bytes += size_bytes;
            content.read_to_end(&mut head)?;
            self.json.insert(name, head);
        } else {
            self.others.insert(name);
        }
        Ok(())
    }

    /// Checks that no layer goes beyond the end of the tar, for one that is skipped is not
    /// read to its end.
    ///
    /// # Errors
    ///
    /// Fails when one does.
    pub(super) fn check_end(&self, tar_bytes: u64) -> Result<(), Error> {
        for (name, place) in &self.layers {
            if place.offset_bytes.saturating_add(place.size_bytes) > tar_bytes {
                return Err(Error::Damaged {
                    path: self.path.clone(),
                    what: format!("`{name}` is cut or broken"),
                    source: io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends in it"),
                });
            }
        }
        Ok(())
    }

    /// Returns the archive's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the JSON member `name`, which may be a link to one.
    ///
    /// # Errors
    ///
    /// Fails when links run in a circle.
    pub(super) fn json(&self, name: &str) -> Result<Option<&[u8]>, Error> {
        Ok(self.json.get(&self.target(name)?).map(Vec::as_slice))
    }

    /// Returns the name and the place of the layer `name`, which may be a link to one.
    ///
    /// # Errors
    ///
    /// Fails when there is none, or when it is no tar archive.
    pub(super) fn layer(&self, name: &str) -> Result<(String, Place), Error> {
        let target = self.target(name)?;
        if let Some(&place) = self.layers.get(&target) {
            return Ok((target, place));
        }
        let there = self.others.contains(&target) || self.json.contains_key(&target);
        let problem = if there { "is no tar archive" } else { "is not there" };
        Err(self.error(&target, format!("is named as a layer, but {problem}")))
    }

    fn target(&self, name: &str) -> Result<String, Error> {
        let name = clean_name(name);
        match self.links.resolve(&name) {
            Some(target) => Ok(target.to_owned()),
            None => Err(self.error(&name, "is a link that leads nowhere".to_owned())),
        }
    }

    /// Makes the error of a member.
    pub(super) fn error(&self, member: &str, problem: String) -> Error {
        Error::Member { path: self.path.clone(), member: member.to_owned(), problem }
    }
}

/// Returns the digest that a member's name is made of: `HEX/layer.tar`, `HEX.tar`,
/// `blobs/sha256/HEX`.
fn name_digest(name: &str) -> Option<Digest> {
    name.split(['/', '.']).find_map(|part| Digest::from_hex(part).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_writers_give_their_digest() {
        let hex = Digest::of(b"x").hex();
        for name in [
            format!("{hex}/layer.tar"),
            format!("{hex}.tar"),
            format!("blobs/sha256/{hex}"),
            format!("{hex}.tar.gz"),
        ] {
            assert_eq!(name_digest(&name), Some(Digest::of(b"x")), "{name}");
        }
        assert_eq!(name_digest("layer.tar"), None);
    }
}
