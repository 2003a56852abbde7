//! Where an image's bytes come from.
//!
//! A [`Source`] is a file that was recognized as an image by its content. Its [`Layout`]
//! says how it can be read: [`Indexed`] images layer by layer, in any order and at the same
//! time; [`Streamed`] ones in one pass, in which the layers come before it is known which
//! image they belong to, for archives put their description last. Either can be read again
//! and again, and gives the same layers each time: that is what makes an upload that failed
//! repeatable in bounded memory.
//!
//! Everything here blocks. Hostile input is ordinary input: members, JSON sizes and links
//! are bounded, and nothing is ever extracted.

mod archive;
mod described;
mod detect;
mod docker_archive;
mod error;
mod exact;
mod indexed;
mod inflate;
mod interrupt;
mod layer;
mod layout;
mod links;
mod nix2container;
mod oci_layout;
mod plan;
mod read_ahead;
mod selection;
mod shown;
mod stream;
mod streamed;
mod tar_members;
#[cfg(test)]
pub(crate) mod tests_support;

pub use detect::Source;
pub use error::{Error, Stop};
pub use indexed::Indexed;
pub use inflate::{Wrapper, inflate};
pub use interrupt::Interrupt;
pub use layer::{Layer, LayerDiffId, StoreObject};
pub use layout::Layout;
pub use streamed::Streamed;

use std::io::Read;

use crate::image::{DiffId, Digest, ImageConfig};

/// An image as it was found in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The config, its bytes untouched.
    pub config: ImageConfig,
    /// The members that hold the layers, lowest first. One may occur twice.
    pub layers: Vec<String>,
    /// The size of all its tars in bytes, where none is compressed by itself.
    pub uncompressed_bytes: Option<u64>,
}

/// What is known of a layer before its bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the archive, cleaned.
    pub name: String,
    /// Its size in bytes, as it is in the archive.
    pub size_bytes: u64,
    /// How it is compressed in the archive; nearly always not at all.
    pub wrapper: Wrapper,
    /// The digest that its name is made of. Many writers name a layer by its `diff_id`,
    /// others by an ID of their own, so this is a hint until it is checked.
    pub named: Option<Digest>,
}

impl Member {
    /// Returns the `diff_id` that the name claims, if it claims one.
    pub fn claimed_diff_id(&self) -> Option<DiffId> {
        self.named.filter(|_| self.wrapper == Wrapper::None).map(DiffId)
    }
}

/// Takes the layers of an image as they come.
pub trait Visit {
    /// Takes one layer. What of `content` is left unread is skipped.
    ///
    /// # Errors
    ///
    /// [`Stop::Read`] hands on a failure to read `content`; [`Stop::Enough`] ends the
    /// reading for a reason that the visitor keeps.
    fn layer(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Stop>;
}

/// Takes no layer: what is left is the archive's own description of the image.
#[derive(Debug, Clone, Copy)]
pub struct SkipLayers;

impl Visit for SkipLayers {
    fn layer(&mut self, _member: &Member, _content: &mut dyn Read) -> Result<(), Stop> {
        Ok(())
    }
}
