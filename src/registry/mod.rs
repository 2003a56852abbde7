//! The OCI distribution protocol, from the side of who pushes.
//!
//! A [`Registry`] is one host as one user sees it. Short requests are retried here, with
//! their credentials refreshed when the registry asks for it. An [`Upload`] that streams is
//! not: its bytes are gone, so whoever has their source sends them again.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

mod auth;
mod blob;
mod client;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod location;
mod manifest;
mod resume;
mod stream;
mod timing;
#[cfg(test)]
mod token_tests;
mod upload;

pub use auth::Credentials;
pub use blob::Mounted;
pub use client::{Registry, Transport};
pub use error::{Error, ErrorItem};
pub use manifest::StoredManifest;
pub use stream::BodyEnd;
pub use timing::Timing;
pub use upload::Upload;
