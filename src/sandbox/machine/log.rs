//! What machines write.

use serde::{Deserialize, Serialize};

/// As many lines of an app are kept.
pub(in crate::sandbox) const MAX_LOG_LINES: usize = 2_000;

/// A line that a machine wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct LogLine {
    /// Its number in the app, from 1; it goes on where older lines are dropped.
    pub(in crate::sandbox) number: u64,
    /// Milliseconds since 1970.
    pub(in crate::sandbox) at_ms: u64,
    pub(in crate::sandbox) machine: String,
    pub(in crate::sandbox) region: String,
    /// `info` or `error`.
    pub(in crate::sandbox) level: String,
    /// `app`, `init`, `runner` or `proxy`: who speaks.
    pub(in crate::sandbox) provider: String,
    pub(in crate::sandbox) message: String,
}

/// A line that a machine will write: who speaks, the level, and the text.
pub(super) type Line = (String, String, String);

pub(super) fn line(provider: &str, level: &str, text: &str) -> Line {
    (provider.into(), level.into(), text.into())
}
