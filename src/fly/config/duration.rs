//! Durations as Go reads and prints them, for fly.toml and the Machines API do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

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
    /// The longest that Go knows, some 292 years.
    const MAX_NANOS: u64 = i64::MAX.unsigned_abs();

    /// Makes a duration of so many units of so many nanoseconds, a fraction of a unit cut off;
    /// nothing if it is negative or longer than Go knows.
    pub fn from_units(count: f64, unit_nanos: u64) -> Option<Self> {
        if !(0.0..1e19).contains(&count) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the fraction is cut, and the range was checked"
        )]
        let nanos = (count as u64).checked_mul(unit_nanos)?;
        (nanos <= Self::MAX_NANOS).then(|| Self(Duration::from_nanos(nanos)))
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
        let duration = Duration::try_from_secs_f64(nanos / 1e9).map_err(|_too_long| wrong())?;
        let longest = Duration::from_nanos(Self::MAX_NANOS);
        if duration > longest { Err(wrong()) } else { Ok(Self(duration)) }
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

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a text with units. A bare number counts nanoseconds, as in Go; where fly.toml counts
/// otherwise, it has been made a text before.
impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl Visitor<'_> for Shape {
            type Value = GoDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10s`, not negative")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<GoDuration, E> {
                #[expect(clippy::cast_precision_loss, reason = "nobody writes a year so")]
                self.visit_f64(number as f64)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<GoDuration, E> {
                GoDuration::from_units(number, 1)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_any(Shape)
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
            (".5s", "500ms"),
            ("1.s", "1s"),
            ("+5s", "5s"),
            ("1µs", "1µs"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn a_number_counts_units_and_its_fraction_is_cut() {
        const SECOND: u64 = 1_000_000_000;
        for (count, unit, printed) in [
            (15_000.0, 1_000_000, Some("15s")),
            (1.5, SECOND, Some("1s")),
            (0.0, SECOND, Some("0s")),
            (-1.0, SECOND, None),
            (f64::NAN, SECOND, None),
            (1e18, SECOND, None),
        ] {
            let made = GoDuration::from_units(count, unit).map(|duration| duration.to_string());
            assert_eq!(made.as_deref(), printed, "{count}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_no_duration() {
        for text in
            ["", "10", "s", "10 s", "1d", "-1s", "1..5s", "1e3s", " 1s", ".s", "100000000h", "-5s"]
        {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }
}
