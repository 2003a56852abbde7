//! A Fly for one machine: registry, Machines API, releases and logs on loopback.
//!
//! One server speaks the OCI distribution protocol under `/v2`, the Machines API under
//! `/v1`, the platform's REST API under `/api/v1` and the few GraphQL queries that a
//! deploy sends. It is for tests, for the demo and for whoever wants to rehearse a deploy,
//! so it is stricter than the world: a digest that is wrong, a blob that is missing, a
//! lease that another holds are refused here before they are refused there.
//!
//! Nothing runs in its machines. Each goes through the states and events that Fly's would,
//! in real time, and [`Behavior`] orders the ways in which a machine goes wrong. [`Fault`]
//! orders the ways in which a request does.
//!
//! A machine has no task of its own. It has a list of what will become of it and when,
//! and whoever looks at it first lets the steps happen that are due.

mod access;
mod connection;
mod content;
mod core;
mod error;
mod fault;
mod gate;
mod machine;
mod options;
mod platform;
mod rate;
mod registry;
mod server;
mod state;
mod store;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use fault::{Fault, FaultKind, ParseFaultError};
pub use gate::RequestRecord;
pub use options::{Behavior, Options, Pace, Storage};
pub use server::Sandbox;
