//! How events are shown.

mod bars;
mod json;
mod plain;
mod words;

use std::sync::Arc;

use super::output::Output;
use crate::event::{Reporter, Silent};
pub(super) use words::plural;

/// A way of showing progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Bars that move, on a terminal.
    Bars,
    /// One line for each thing that happens.
    Plain,
    /// One JSON object for each event.
    Json,
    /// Nothing.
    Silent,
}

/// Starts showing progress. It ends, and bars go away, when the second value is dropped.
pub(super) fn start(
    progress: Progress,
    output: Output,
) -> (Arc<dyn Reporter>, Option<bars::Display>) {
    match progress {
        Progress::Bars => {
            let (bars, display) = bars::start(output);
            (bars, Some(display))
        }
        Progress::Plain => (Arc::new(plain::Plain::new(output)), None),
        Progress::Json => (Arc::new(json::JsonLines::new(output)), None),
        Progress::Silent => (Arc::new(Silent), None),
    }
}
