//! From the file's form to the wire's.
//!
//! What does not convert is told by its path in the patched tree.

mod compose;
mod containers;
mod files;
mod guest;
mod machine;
mod mounts;
mod one_off;
mod services;
mod size;

pub(super) use containers::overlay;
pub(super) use files::{encode, files, merge, read_beside};
pub(super) use guest::{memory, of_group, out_of_bounds, sized_by};
pub use mounts::VolumeRequest;
pub(super) use mounts::{mount, sizes};
pub use one_off::{MachineCheck, RELEASE_COMMAND_GROUP, ReleaseCommand, TEST_GROUP, Timeout};
pub(super) use one_off::{NO_COMMAND, release_guest};
pub(super) use services::{checks, services};
