//! Faults to order: what goes wrong with which requests.

mod active;
mod pattern;
mod text;

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

pub(super) use active::Faults;
pub use pattern::RequestPattern;
pub use text::ParseFaultError;

/// Something that goes wrong with requests.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The requests that it may strike.
    pub requests: RequestPattern,
    /// Which of those it strikes.
    pub strikes: Strikes,
    /// What goes wrong.
    pub what: FaultKind,
}

/// Which of the requests that match a fault it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strikes {
    /// From the first of these to the last, counted from 1 and from the injection.
    pub which: RangeInclusive<usize>,
    /// For how long after the first strike; without it there is no end in time.
    pub within: Option<Duration>,
}

impl Strikes {
    /// The `n`th request alone, from 1.
    pub fn once(n: usize) -> Self {
        Self { which: n..=n, within: None }
    }

    /// All requests.
    pub fn always() -> Self {
        Self { which: 1..=usize::MAX, within: None }
    }

    /// All requests from the first on, for so long.
    pub fn within(duration: Duration) -> Self {
        Self { within: Some(duration), ..Self::always() }
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FaultKind {
    /// The answer is this one, and nothing is done.
    Status {
        /// The status code.
        status: u16,
        /// Headers of the answer; one that HTTP does not allow is left out.
        headers: Vec<(String, String)>,
        /// The answer's body.
        body: Bytes,
    },
    /// The connection breaks, and nothing is done.
    Reset,
    /// The connection breaks once this many bytes of the request's body have arrived.
    CutAfter(u64),
    /// The request is done in full, but the connection breaks before the answer.
    LostAnswer,
    /// The request is done after this long.
    Delay(Duration),
    /// The platform has no room for the machine that is to be made, changed or started, and
    /// says so as Fly does.
    NoCapacity,
    /// Somebody else takes the lease of the machine that the request names, for so long,
    /// before the request is done. Whoever had it has it no more.
    StealLease(Duration),
    /// The lease of the machine that the request names is lost before the request is done.
    LoseLease,
    /// The host of the machine that the request names goes off the net before the request is
    /// done, and stays there.
    LoseHost,
}
