//! Machines that go through the states of real ones, and run nothing.

mod checks;
mod lease;
mod life;
mod log;
mod model;
mod state;

pub(super) use lease::{Held, Leased};
pub(super) use life::{Launch, Life};
pub(super) use log::{LogLine, MAX_LOG_LINES};
pub(super) use model::{Machine, image_ref, new_id, timestamp};
pub(super) use state::MachineState;
