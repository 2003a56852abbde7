//! fly.toml in, machine configurations out.
//!
//! The file is read as `flyctl` reads it: the same languages and spellings are accepted, the
//! same defaults are filled in, the same traps are kept. Where a value surely isn't meant, a
//! warning tells. All that is wrong is told at once, with its line.
//!
//! The way of a file:
//!
//! ```text
//! text ──syntax──▶ tree ──patches──▶ tree ──read──▶ model ──rules──▶ AppConfig ──convert──▶ wire
//! ```
//!
//! Values keep their places and the paths that they were written at as far as `rules`.

mod app_config;
mod convert;
mod duration;
mod error;
mod go;
mod groups;
mod load;
mod model;
mod overrides;
mod patches;
mod problem;
mod read;
mod rules;
mod strategy;
mod syntax;
mod text;
mod tree;
mod words;

#[cfg(test)]
mod tests;

pub use app_config::AppConfig;
pub use convert::{
    MachineCheck, RELEASE_COMMAND_GROUP, ReleaseCommand, TEST_GROUP, Timeout, VolumeRequest,
};
pub use duration::{GoDuration, ParseDurationError};
pub use error::{Error, Warning};
pub use overrides::{FileContent, VmOverrides};
pub use problem::Problem;
pub use strategy::{MaxUnavailable, Strategy};
pub use text::Place;
