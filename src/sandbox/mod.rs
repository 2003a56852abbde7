//! A Fly for one machine: registry, Machines API, releases and logs on loopback.
//!
//! One server speaks the OCI distribution protocol under `/v2`, the Machines API under
//! `/v1`, the platform's REST API under `/api/v1` and the GraphQL that deploys ask. It is
//! for tests, for the demo and for whoever wants to rehearse a deploy, so it is stricter
//! than the world: a digest that is wrong, a blob that is missing, a lease that another
//! holds, a field that GraphQL does not have are refused here before they are refused there.
//!
//! Nothing runs in its machines. Each goes through the states and events that Fly's would,
//! in real time, and [`Behavior`] orders how a machine fares. [`Fault`] orders what goes
//! wrong with requests, and the methods of [`Sandbox`] what goes wrong with the world: room
//! for machines, hosts, leases.
//!
//! A machine has no task of its own. It has a list of what will become of it and when,
//! and whoever looks at it first lets the steps happen that are due.

mod access;
mod app;
mod behavior;
mod capacity;
mod connection;
mod content;
mod core;
mod error;
mod fault;
mod gate;
mod machine;
mod options;
mod order;
mod pace;
mod platform;
mod rate;
mod registry;
mod server;
mod state;
mod store;
#[cfg(test)]
mod testing;
mod witness;

pub use access::{Grant, Scope};
pub use app::RecordedRelease;
pub use behavior::Behavior;
pub use capacity::Place;
pub use error::Error;
pub use fault::{Fault, FaultKind, ParseFaultError, RequestPattern, Strikes};
pub use gate::RequestRecord;
pub use machine::Host;
pub use options::{Options, Storage};
pub use pace::Pace;
pub use server::Sandbox;
