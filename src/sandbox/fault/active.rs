//! The faults that still strike.

use std::time::Instant;

use axum::http::Method;

use super::{Fault, FaultKind};

/// The faults that still strike.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Faults(Vec<Ordered>);

#[derive(Debug)]
struct Ordered {
    fault: Fault,
    /// Requests that matched.
    seen: usize,
    struck: usize,
    first_strike: Option<Instant>,
}

impl Ordered {
    fn is_over(&self, now: Instant) -> bool {
        let which = &self.fault.strikes.which;
        let late = match (self.fault.strikes.within, self.first_strike) {
            (Some(within), Some(first)) => now.duration_since(first) >= within,
            _ => false,
        };
        late || self.struck > which.end() - which.start()
    }
}

impl Faults {
    pub(in crate::sandbox) fn add(&mut self, fault: Fault) {
        self.0.push(Ordered { fault, seen: 0, struck: 0, first_strike: None });
    }

    pub(in crate::sandbox) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a request, and returns what strikes it: of several faults the one that was
    /// ordered first. The others strike the next request that they match.
    pub(in crate::sandbox) fn strike(
        &mut self,
        method: &Method,
        path: &str,
        now: Instant,
    ) -> Option<FaultKind> {
        let mut what = None;
        self.0.retain(|ordered| !ordered.is_over(now));
        for ordered in &mut self.0 {
            if !ordered.fault.requests.matches(method, path) {
                continue;
            }
            ordered.seen += 1;
            if what.is_none() && ordered.seen >= *ordered.fault.strikes.which.start() {
                ordered.struck += 1;
                ordered.first_strike.get_or_insert(now);
                what = Some(ordered.fault.what.clone());
            }
        }
        self.0.retain(|ordered| !ordered.is_over(now));
        what
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for text in texts {
            faults.add(text.parse().unwrap());
        }
        faults
    }

    #[test]
    fn a_fault_strikes_the_requests_that_it_was_ordered_for_and_no_others() {
        let now = Instant::now();
        let mut faults = faults(&["PATCH /v2/#2-3=lost"]);
        assert!(faults.strike(&Method::PATCH, "/v2/a", now).is_none());
        assert!(faults.strike(&Method::PUT, "/v2/a", now).is_none());
        assert!(faults.strike(&Method::PATCH, "/v1/a", now).is_none());
        for _ in 0..2 {
            let struck = faults.strike(&Method::PATCH, "/v2/b", now);
            assert!(matches!(struck, Some(FaultKind::LostAnswer)));
        }
        assert!(faults.strike(&Method::PATCH, "/v2/b", now).is_none());
    }

    #[test]
    fn a_fault_for_a_time_begins_with_its_first_strike() {
        let begun = Instant::now();
        let mut faults = faults(&["* /v1 for:2s=reset"]);
        let mut struck =
            |seconds| faults.strike(&Method::GET, "/v1", begun + Duration::from_secs(seconds));
        assert!(struck(100).is_some() && struck(101).is_some());
        assert!(struck(102).is_none() && struck(103).is_none());
    }

    #[test]
    fn of_two_faults_one_strikes_first_and_the_other_next() {
        let now = Instant::now();
        let mut faults = faults(&["GET /=lost", "GET /=reset", "GET /#3=delay:0"]);
        let mut struck = || faults.strike(&Method::GET, "/", now);
        assert!(matches!(struck(), Some(FaultKind::LostAnswer)));
        assert!(matches!(struck(), Some(FaultKind::Reset)));
        assert!(matches!(struck(), Some(FaultKind::Delay(_))));
        assert!(struck().is_none());
    }
}
