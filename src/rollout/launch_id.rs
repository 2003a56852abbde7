//! The word by which a machine is found again whose making was not answered.

use std::hash::{BuildHasher as _, RandomState};

/// Makes a word that no other machine bears: the standard library's hasher is seeded from the
/// system's randomness.
pub(super) fn launch_id(group: &str) -> String {
    let word = || RandomState::new().hash_one(group);
    format!("{:016x}{:016x}", word(), word())
}
