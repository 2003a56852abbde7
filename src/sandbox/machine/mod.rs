//! Machines that go through the states of real ones, and run nothing.

mod checks;
mod exit;
mod lease;
mod life;
mod log;
mod model;
mod state;
mod view;

pub(super) use exit::End;
pub(super) use lease::{Held, Leased};
pub(super) use life::{ImageFlaw, Launch, Life};
pub(super) use log::{LogLine, MAX_LOG_LINES};
pub use model::Host;
pub(super) use model::{Machine, new_id, timestamp};
pub(super) use state::MachineState;
pub(super) use view::{Told, image_ref};
