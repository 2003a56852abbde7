//! Faults as a line of text.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::{Fault, FaultKind, Strikes};

/// The text orders no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fault: write it as METHOD PATH[#WHICH] [for:SECONDS]=KIND, where WHICH is \
     N, N-M, N- or *, and KIND is status:CODE[,retry-after:SECONDS][:TEXT], reset, cut:BYTES, \
     lost, delay:SECONDS, capacity, steal:SECONDS, unlease or unreachable"
)]
pub struct ParseFaultError(String);

impl ParseFaultError {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Reads `PATCH /v2/web#2=cut:1000`: the second `PATCH` below `/v2/web` is cut.
///
/// `* /v1 for:20s=status:503` has all of `/v1` answer 503, for 20 seconds from the first
/// such request on. Without `#` and `for:`, the first request alone is struck.
impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (request, kind) = text.split_once('=')?;
            let (request, within) = match request.trim().rsplit_once(" for:") {
                Some((request, within)) => (request.trim(), Some(seconds(within)?)),
                None => (request.trim(), None),
            };
            let (request, which) = match request.rsplit_once('#') {
                Some((request, which)) => (request, Some(which)),
                None => (request, None),
            };
            let which = match (which, within) {
                (Some(which), _) => range(which)?,
                (None, Some(_)) => Strikes::always().which,
                (None, None) => Strikes::once(1).which,
            };
            Some(Self {
                requests: request.parse().ok()?,
                strikes: Strikes { which, within },
                what: FaultKind::read(kind.trim())?,
            })
        };
        read().ok_or_else(|| ParseFaultError::new(text))
    }
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let number = |text: &str| text.parse().ok().filter(|n| *n > 0);
    match text.split_once('-') {
        None if text == "*" => Some(Strikes::always().which),
        None => Some(Strikes::once(number(text)?).which),
        Some((from, "")) => Some(number(from)?..=usize::MAX),
        Some((from, to)) => {
            let which = number(from)?..=number(to)?;
            (!which.is_empty()).then_some(which)
        }
    }
}

/// Reads seconds, with or without their unit.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

impl FaultKind {
    fn read(text: &str) -> Option<Self> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("status", Some(argument)) => Self::read_status(argument),
            ("reset", None) => Some(Self::Reset),
            ("cut", Some(bytes)) => Some(Self::CutAfter(bytes.parse().ok()?)),
            ("lost", None) => Some(Self::LostAnswer),
            ("delay", Some(time)) => Some(Self::Delay(seconds(time)?)),
            ("capacity", None) => Some(Self::NoCapacity),
            ("steal", Some(time)) => Some(Self::StealLease(seconds(time)?)),
            ("unlease", None) => Some(Self::LoseLease),
            ("unreachable", None) => Some(Self::LoseHost),
            _ => None,
        }
    }

    /// Reads `CODE`, `CODE,retry-after:SECONDS`, and either with a text behind another colon.
    fn read_status(argument: &str) -> Option<Self> {
        let digits = argument.find(|c: char| !c.is_ascii_digit()).unwrap_or(argument.len());
        let (code, mut rest) = argument.split_at(digits);
        let status = code.parse().ok().filter(|code| (200..=599).contains(code))?;
        let mut headers = Vec::new();
        if let Some(after) = rest.strip_prefix(",retry-after:") {
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (seconds, behind) = after.split_at(digits);
            headers.push(("retry-after".to_owned(), seconds.parse::<u64>().ok()?.to_string()));
            rest = behind;
        }
        let text = match rest.strip_prefix(':') {
            Some(text) => text.to_owned(),
            None if rest.is_empty() => format!("ordered: {status}"),
            None => return None,
        };
        let body = Bytes::from(json!({ "error": text }).to_string());
        Some(Self::Status { status, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;

    fn fault(text: &str) -> Fault {
        text.parse().unwrap()
    }

    #[test]
    fn a_fault_is_ordered_by_a_line_of_text() {
        let cut = fault("patch /v2/web#2=cut:1000");
        assert!(cut.requests.matches(&Method::PATCH, "/v2/web/blobs/uploads/1"));
        assert_eq!(cut.strikes, Strikes::once(2));
        assert!(matches!(cut.what, FaultKind::CutAfter(1000)));
        let first = fault("GET /v1=status:503");
        assert_eq!(first.strikes, Strikes::once(1));
        assert!(matches!(first.what, FaultKind::Status { status: 503, .. }));
        for wrong in [
            "GET /v1",
            "GET v1=lost",
            "GET /v1#0=lost",
            "GET /v1#3-2=lost",
            "GET /v1#x=lost",
            "GET /v1=status:99",
            "GET /v1=status:429,retry:2",
            "GET /v1 for:ever=lost",
            "/v1=lost",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_strikes_several_requests_or_for_a_time() {
        for (text, expected) in [
            ("GET /v1#2-5=lost", Strikes { which: 2..=5, within: None }),
            ("GET /v1#3-=lost", Strikes { which: 3..=usize::MAX, within: None }),
            ("GET /v1#*=lost", Strikes::always()),
            ("* /v1 for:20s=status:503", Strikes::within(Duration::from_secs(20))),
            (
                "* /v1#3- for:0.5=reset",
                Strikes { which: 3..=usize::MAX, within: Some(Duration::from_millis(500)) },
            ),
        ] {
            assert_eq!(fault(text).strikes, expected, "{text}");
        }
    }

    #[test]
    fn an_answer_is_ordered_with_its_text_and_its_patience() {
        let told = |text: &str| match fault(text).what {
            FaultKind::Status { status, headers, body } => {
                (status, headers, String::from_utf8(body.to_vec()).unwrap())
            }
            other => panic!("{other:?}"),
        };
        let (status, headers, body) = told("POST /v1=status:429,retry-after:2:slow down: please");
        assert_eq!((status, body.as_str()), (429, r#"{"error":"slow down: please"}"#));
        assert_eq!(headers, [("retry-after".to_owned(), "2".to_owned())]);
        assert_eq!(told("POST /v1=status:409:a=b").2, r#"{"error":"a=b"}"#);
        assert_eq!(told("POST /v1=status:503").2, r#"{"error":"ordered: 503"}"#);
    }
}
