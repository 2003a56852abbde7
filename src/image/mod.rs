//! The nouns of the OCI specifications, as values that cannot be wrong.
//!
//! Nothing here does I/O. What comes out as bytes comes out in one order, for its digest
//! is its name.

mod config;
mod descriptor;
mod digest;
mod manifest;
mod media_type;
mod reference;

pub use config::{ImageConfig, ParseConfigError};
pub use descriptor::Descriptor;
pub use digest::{DiffId, Digest, Hasher, ParseDigestError};
pub use manifest::{Manifest, ManifestFormat, ParseManifestError};
pub use media_type::{Compression, MediaType};
pub use reference::{ParseReferenceError, Reference, RegistryHost, Repository, Tag};
