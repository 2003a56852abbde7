//! From a digest to healthy machines.
//!
//! [`plan()`] compares what runs with what is wanted and has no clock and no network; [`run()`]
//! leases the machines, records the release, takes the steps by the strategy and watches each
//! machine. Where one fails, the machines that were changed get back what they ran before.
//! Whatever happens, the leases are let go.

mod bluegreen;
mod canary;
mod command;
mod crew;
mod current;
mod earlier;
mod error;
mod flyctl;
mod going_back;
mod immediate;
mod journal;
mod judge;
mod lease;
mod machine_checks;
mod plan;
mod provision;
mod record;
mod release_command;
mod rolling;
mod run;
mod scope;
mod settings;
mod target;
mod watch;

pub use current::{Current, inspect};
pub use earlier::{NoRelease, earlier, is_complete, running_version};
pub use error::{Error, Failure};
pub use flyctl::{Flyctl, FlyctlError, HandOver, check_digest};
pub use journal::Standing;
pub use plan::{
    Canary, Change, Conflict, Create, Existing, LeftAlone, NewVolume, Plan, Replace, Spare, Update,
    VolumeSource, plan,
};
pub use run::{Outcome, Request, foresee, preview, run};
pub use scope::Scope;
pub use settings::{Addresses, FirstDeploy, NewGroups, OnFailure, Patience, Settings};
pub use target::Target;
