//! The registry: the OCI distribution protocol, as `registry.fly.io` speaks it.
//!
//! A repository is an app. Blobs are stored once and linked to the repositories that have
//! them, so that a digest known to one app is unknown to another until it is mounted.
//!
//! It takes images for one platform alone; an index is refused.

mod blob;
mod error;
mod manifest;
mod repository;
mod route;
#[cfg(test)]
mod tests;
mod unpack;
mod upload;

pub(super) use repository::Repository;
pub(super) use route::routes;
pub(super) use unpack::weigh;
pub(super) use upload::Uploads;
