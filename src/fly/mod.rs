//! The platform: its API, its configuration file and its errors.
//!
//! What is asked twice is asked so that it is done once: a machine is looked up by its
//! launch ID before it is created again, an update names the version that it replaces.
//! Requests wait until the platform's rate limits let them pass, and the token is renewed
//! before it runs out. An image is only a reference here.

mod access;
mod addresses;
mod apps;
mod call;
mod client;
pub mod config;
mod discharge;
mod endpoints;
mod error;
mod graphql;
mod leases;
mod logs;
mod machines;
mod name;
mod once;
mod orders;
mod processes;
mod rate;
mod releases;
#[cfg(test)]
mod tests;
mod token;
mod volumes;
pub mod wire;

pub use access::Access;
pub use client::Client;
pub use endpoints::Endpoints;
pub use error::{Error, Refusal};
pub use logs::{LogLine, LogPage};
pub use machines::LAUNCH_ID;
pub use name::{AppName, ParseAppNameError};
pub use token::{
    ParseTokenError, REGISTRY_USER, Token, TokenFacts, TokenKind, TokenSource, TokenWarning,
};
