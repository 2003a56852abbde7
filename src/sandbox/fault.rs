//! Faults to order: what goes wrong with which request.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;

/// Something that goes wrong with one request.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The request's method.
    pub method: Method,
    /// What the request's path begins with. The query is not looked at.
    pub path_prefix: String,
    /// Which of the requests that match it strikes, from 1, counted from its injection.
    pub nth: usize,
    /// What goes wrong.
    pub what: FaultKind,
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
    /// The connection breaks once this many bytes of the request's body have arrived.
    CutAfter(u64),
    /// The request is done in full, but the connection breaks before the answer.
    LostAnswer,
    /// The request is done after this long.
    Delay(Duration),
}

/// The faults that have not struck yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Counts a request, and takes out the fault that strikes it.
    pub(super) fn strike(&mut self, method: &Method, path: &str) -> Option<FaultKind> {
        let mut struck = None;
        for (index, fault) in self.0.iter_mut().enumerate() {
            if fault.method == *method && path.starts_with(&fault.path_prefix) {
                fault.nth = fault.nth.saturating_sub(1);
                if fault.nth == 0 && struck.is_none() {
                    struck = Some(index);
                }
            }
        }
        struck.map(|index| self.0.remove(index).what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_request_that_it_was_ordered_for_and_no_other() {
        let mut faults = Faults::default();
        faults.add(Fault {
            method: Method::PATCH,
            path_prefix: "/v2/".into(),
            nth: 2,
            what: FaultKind::LostAnswer,
        });
        assert!(faults.strike(&Method::PATCH, "/v2/a").is_none());
        assert!(faults.strike(&Method::PUT, "/v2/a").is_none());
        assert!(faults.strike(&Method::PATCH, "/v1/a").is_none());
        assert!(matches!(faults.strike(&Method::PATCH, "/v2/b"), Some(FaultKind::LostAnswer)));
        assert!(faults.strike(&Method::PATCH, "/v2/b").is_none());
    }
}
