//! Durations as Go reads and prints them, for fly.toml and the Machines API do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration that prints as Go's does: `10s`, `1m30s`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write numbers with units, such as `10s` or `1m30s`")]
pub struct ParseDurationError(String);

/// The units and their nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

impl GoDuration {
    /// Makes a duration of whole milliseconds.
    pub fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Makes a duration of whole seconds.
    pub fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Makes a duration of nanoseconds.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// Returns it as the standard library's.
    pub fn as_std(self) -> Duration {
        self.0
    }
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDurationError(text.to_owned());
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut nanos = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let number: f64 = number.parse().map_err(|_not_a_number| wrong())?;
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            nanos += number * scale;
            rest = tail;
        }
        Duration::try_from_secs_f64(nanos / 1e9).map(Self).map_err(|_too_long| wrong())
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if seconds == 0 {
            return match nanos {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanos}ns"),
                1_000..1_000_000 => write!(f, "{}µs", decimal(nanos.into(), 1_000)),
                _ => write!(f, "{}ms", decimal(nanos.into(), 1_000_000)),
            };
        }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        let rest = u64::from(nanos) + seconds % 60 * 1_000_000_000;
        write!(f, "{}s", decimal(rest, 1_000_000_000))
    }
}

/// Writes `value` divided by `unit`, a power of ten, without zeros at the end.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{fraction:0width$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (text, printed) in [
            ("10s", "10s"),
            ("60s", "1m0s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1h0m5s", "1h0m5s"),
            ("500ms", "500ms"),
            ("1.5s", "1.5s"),
            ("1500us", "1.5ms"),
            ("10ns", "10ns"),
            ("0", "0s"),
            ("2m0.25s", "2m0.25s"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed, "{text}");
        }
        assert_eq!(GoDuration::from_millis(10_000).to_string(), "10s");
    }

    #[test]
    fn a_number_without_a_unit_is_no_duration() {
        for text in ["", "10", "s", "10 s", "1d", "-1s", "1..5s", "99999999999999999999h"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }
}
