//! How long the parts of a conversation with a registry may take.

use std::time::Duration;

use crate::http::Patience;

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For the first answer, as a wrong address should be told within seconds, and for the
    /// text of a refusal.
    pub first_answer: Duration,
    /// For any other short answer.
    pub answer: Duration,
    /// For a registry to store what it was sent: it may hash it again, or copy it to
    /// another store.
    pub stored: Duration,
    /// How long the registry may take no byte of a body before it counts as gone.
    pub stall: Duration,
    /// For a refusal of the head alone, of a request whose body is held back.
    pub glance: Duration,
    /// How often requests are tried once the registry has answered.
    pub patience: Patience,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_answer: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            stored: Duration::from_secs(600),
            stall: Duration::from_secs(60),
            glance: Duration::from_secs(1),
            patience: Patience::STEADY,
        }
    }
}
