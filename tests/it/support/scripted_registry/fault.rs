//! What goes wrong with which request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Answer, Head};

/// Something that goes wrong with one request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The body is read, and this is the answer; nothing is done.
    Answer(Answer),
    /// The answer comes when so many bytes of the body have been read.
    Early(u64, Answer, Then),
    /// The connection ends when so many bytes of the body have been read.
    Cut(u64, End),
    /// Nothing more is read after so many bytes of the body.
    Stall(u64),
    /// The request is done, but the connection ends before the answer.
    LostAnswer(End),
    /// The request is done, and the answer comes after this long.
    Slow(Duration),
    /// The request is done, and the answer is changed.
    Change(Arc<dyn Fn(&mut Answer) + Send + Sync>),
    /// The request is to be made again, to another host; it is told before or after the
    /// body is read.
    Redirect(u16, SocketAddr, Told),
}

/// What becomes of the rest of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection is closed, which resets it, as there is more to read.
    Close,
    /// The rest is read and forgotten.
    Linger,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Close,
    Reset,
}

/// When a redirect is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Early,
    Late,
}

impl Fault {
    pub(crate) fn change(change: impl Fn(&mut Answer) + Send + Sync + 'static) -> Self {
        Self::Change(Arc::new(change))
    }

    /// The request is done, but answered with another status.
    pub(crate) fn status(status: u16) -> Self {
        Self::change(move |answer| answer.status = status)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fault")
    }
}

/// Which requests a fault strikes.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) method: String,
    /// What the path begins with; `*` stands for anything.
    pub(super) path: String,
    /// Which of the requests that match, from 1.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) seen: usize,
    pub(super) fault: Fault,
}

/// The faults that are ordered. Those that were ordered first strike first.
#[derive(Debug, Default)]
pub(super) struct Script(pub(super) Vec<Order>);

impl Script {
    /// Counts a request and returns the fault that strikes it.
    pub(super) fn strike(&mut self, head: &Head) -> Option<Fault> {
        let mut struck = None;
        for order in &mut self.0 {
            if order.method == head.method && matches(&order.path, &head.target) {
                order.seen += 1;
                if (order.from..=order.to).contains(&order.seen) && struck.is_none() {
                    struck = Some(order.fault.clone());
                }
            }
        }
        struck
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let mut rest = path.strip_prefix(parts.next().unwrap());
    for part in parts {
        rest = rest.and_then(|rest| rest.find(part).map(|at| &rest[at + part.len()..]));
    }
    rest.is_some()
}
