//! Asking Nix: from what the user names to a store path that stays.
//!
//! Every question is one run of the `nix` command in the form that all versions since 2.8
//! understand, and every answer is read leniently: versions differ in what they add.
//! Progress comes from the records of `--log-format internal-json`.
//!
//! A store path or a file needs no Nix at all; see [`Target`].

mod about;
mod build;
mod command;
mod describe;
mod diagnosis;
mod error;
mod installable;
mod log;
mod messages;
mod path_info;
mod progress;
mod store;
mod text;

pub use about::{About, Builds};
pub use build::BuildOutput;
pub use command::Nix;
pub use describe::{Container, Evaluated, Part};
pub use error::{Error, FailedBuild};
pub use installable::{Installable, Place, Target};
pub use path_info::PathInfo;
pub use store::{ParseStorePathError, StorePath};
