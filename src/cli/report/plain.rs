//! One line for each thing that happens, and one a layer now and then: for CI.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use super::super::output::Output;
use super::words;
use crate::event::{Event, Meter, Reporter};

/// How often the bytes of transfers are told.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes lines to stderr.
pub(super) struct Plain {
    output: Output,
    transfers: Mutex<Vec<Transfer>>,
}

struct Transfer {
    name: String,
    meter: Meter,
    told: Instant,
}

impl Plain {
    pub(super) fn new(output: Output) -> Self {
        Self { output, transfers: Mutex::default() }
    }

    /// Tells of transfers that take long. Called on every event and transfer, which come
    /// often enough while anything is going on.
    fn tell_transfers(&self) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.retain(|transfer| !transfer.meter.is_over());
        for transfer in transfers.iter_mut().filter(|t| t.told.elapsed() >= INTERVAL) {
            transfer.told = Instant::now();
            let bytes = HumanBytes(transfer.meter.bytes());
            self.output.line(&format!("layer {}: {bytes} sent so far", transfer.name));
        }
    }
}

impl Reporter for Plain {
    fn report(&self, event: Event) {
        self.tell_transfers();
        if let Some(line) = words::line(&event) {
            self.output.line(&line);
        }
    }

    fn transfer(&self, name: &str, _total_bytes: Option<u64>) -> Meter {
        self.tell_transfers();
        let meter = Meter::default();
        let transfer =
            Transfer { name: name.to_owned(), meter: meter.clone(), told: Instant::now() };
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner).push(transfer);
        meter
    }
}
