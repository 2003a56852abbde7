//! From a digest to healthy machines.
//!
//! [`plan()`] compares what runs with what is wanted and has no clock and no network; [`run()`]
//! leases the machines, records the release, takes the steps and watches each machine.
//! Whatever happens, the leases are let go.

mod current;
mod error;
mod health;
mod lease;
mod plan;
mod record;
mod rolling;
mod run;

pub use current::{Current, inspect};
pub use error::Error;
pub use plan::{Plan, Step, Update, plan};
pub use run::{Outcome, Request, Settings, check, run};
