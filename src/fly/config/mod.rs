//! fly.toml in, machine configurations out.
//!
//! The file is read as `flyctl` reads it: the same spellings are accepted, the same
//! defaults are filled in, the same traps are kept. Where a value surely isn't meant, a
//! warning tells; where something is asked for that is not done here, an error does:
//! nothing is left out silently.

mod duration;
mod error;
mod file;
mod groups;
mod guest;
mod keys;
mod locate;
mod machine;
mod model;
mod services;
mod shapes;
mod stub;
mod validate;

#[cfg(test)]
mod tests;

pub use duration::{GoDuration, ParseDurationError};
pub use error::{Error, Warning};
pub use file::{AppConfig, MaxUnavailable, Strategy};
pub use stub::*;
