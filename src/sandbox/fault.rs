//! Faults to order: what goes wrong with which request.

use std::str::FromStr;
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

/// The text orders no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fault: write it as METHOD PATH[#NTH]=KIND, \
     where KIND is status:CODE, cut:BYTES, lost or delay:SECONDS"
)]
pub struct ParseFaultError(String);

/// Reads `PATCH /v2/web#2=cut:1000`: the second `PATCH` below `/v2/web` is cut.
impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (request, kind) = text.rsplit_once('=')?;
            let (method, place) = request.trim().split_once(' ')?;
            let (path, nth) = match place.trim().rsplit_once('#') {
                Some((path, nth)) => (path, nth.parse().ok().filter(|nth| *nth > 0)?),
                None => (place.trim(), 1),
            };
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
            let path = path.starts_with('/').then(|| path.to_owned())?;
            Some(Self { method, path_prefix: path, nth, what: FaultKind::read(kind.trim())? })
        };
        read().ok_or_else(|| ParseFaultError(text.to_owned()))
    }
}

impl FaultKind {
    fn read(text: &str) -> Option<Self> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("status", Some(code)) => {
                let status = code.parse().ok().filter(|code| (200..=599).contains(code))?;
                let body = Bytes::from(format!("{{\"error\":\"ordered: {status}\"}}"));
                Some(Self::Status { status, headers: Vec::new(), body })
            }
            ("cut", Some(bytes)) => Some(Self::CutAfter(bytes.parse().ok()?)),
            ("lost", None) => Some(Self::LostAnswer),
            ("delay", Some(seconds)) => {
                let seconds = seconds.parse().ok()?;
                Some(Self::Delay(Duration::try_from_secs_f64(seconds).ok()?))
            }
            _ => None,
        }
    }
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
    fn a_fault_is_ordered_by_a_line_of_text() {
        let fault: Fault = "patch /v2/web#2=cut:1000".parse().unwrap();
        assert_eq!(
            (fault.method, fault.path_prefix.as_str(), fault.nth),
            (Method::PATCH, "/v2/web", 2)
        );
        assert!(matches!(fault.what, FaultKind::CutAfter(1000)));
        let fault: Fault = "GET /v1=status:503".parse().unwrap();
        assert!(matches!((fault.nth, fault.what), (1, FaultKind::Status { status: 503, .. })));
        for wrong in ["GET /v1", "GET v1=lost", "GET /v1#0=lost", "GET /v1=status:99", "/v1=lost"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

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
