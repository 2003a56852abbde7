//! One JSON object a line, for programs.

use super::super::output::Output;
use crate::event::{Event, Meter, Reporter};

/// Writes each event as a line of JSON to stderr.
pub(super) struct JsonLines {
    output: Output,
}

impl JsonLines {
    /// Begins with a line that names the format.
    pub(super) fn new(output: Output) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        output.line(&format!(r#"{{"event":"start","format":1,"version":"{version}"}}"#));
        Self { output }
    }
}

impl Reporter for JsonLines {
    fn report(&self, event: Event) {
        match serde_json::to_string(&event) {
            Ok(line) => self.output.line(&line),
            Err(error) => tracing::error!(%error, ?event, "event has no JSON"),
        }
    }

    fn transfer(&self, _name: &str, _total_bytes: Option<u64>) -> Meter {
        Meter::default()
    }
}
