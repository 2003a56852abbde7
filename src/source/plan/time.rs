//! Moments, as plans have them and as Python writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// As `datetime.isoformat` writes it.
    pub(super) iso: String,
    /// Whole seconds since 1970, where the text says them: not without an offset from UTC,
    /// which leaves them to the machine's own, and not with a fraction.
    pub(super) seconds: Option<i64>,
}

impl Moment {
    /// Reads a moment as `datetime.fromisoformat` does: a date and a time of day with
    /// seconds, perhaps a fraction of three or six digits, perhaps an offset from UTC.
    ///
    /// Python reads more than that, but no plan has it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, rest) = text.split_at_checked("1970-01-01T00:00:00".len())?;
        let (date, time) = (local.get(..10)?, local.get(11..)?);
        // The parser takes a 60th second for the 59th.
        if !matches!(local.get(10..11)?, "T" | " ") || time.ends_with("60") {
            return None;
        }
        let utc = humantime::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
        let local_seconds = utc.duration_since(UNIX_EPOCH).ok()?.as_secs();

        let (fraction, offset) = match rest.strip_prefix('.') {
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                if digits != 3 && digits != 6 {
                    return None;
                }
                let (digits, offset) = rest.split_at_checked(digits)?;
                (format!("{digits:0<6}"), offset)
            }
            None => (String::new(), rest),
        };
        let whole = fraction.bytes().all(|digit| digit == b'0');
        let fraction = if whole { String::new() } else { format!(".{fraction}") };
        let (offset, offset_seconds) = match offset {
            "" => (String::new(), None),
            "Z" => ("+00:00".to_owned(), Some(0)),
            offset => parse_offset(offset).map(|(text, seconds)| (text, Some(seconds)))?,
        };
        let seconds = match offset_seconds {
            Some(offset) if whole => Some(i64::try_from(local_seconds).ok()? - offset),
            _ => None,
        };
        Some(Self { iso: format!("{date}T{time}{fraction}{offset}"), seconds })
    }

    /// Returns a moment as Python writes it when it looks at the clock in UTC.
    pub(super) fn at(time: SystemTime) -> Self {
        let text = humantime::format_rfc3339_micros(time).to_string();
        let text = text.trim_end_matches('Z').trim_end_matches(".000000");
        Self { iso: format!("{text}+00:00"), seconds: None }
    }
}

/// Reads `+01:30`, and returns it with the seconds that it is.
fn parse_offset(text: &str) -> Option<(String, i64)> {
    let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    let number = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit())
            .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    match (sign, seconds) {
        (_, 0) => Some(("+00:00".to_owned(), 0)),
        (b'-', _) => Some((text.to_owned(), -seconds)),
        _ => Some((text.to_owned(), seconds)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_python_writes_them() {
        for (text, iso, seconds) in [
            ("1970-01-01T00:00:01+00:00", "1970-01-01T00:00:01+00:00", Some(1)),
            ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01+00:00", Some(1)),
            ("1970-01-01 00:00:01-00:00", "1970-01-01T00:00:01+00:00", Some(1)),
            ("2024-02-29T23:59:59+05:30", "2024-02-29T23:59:59+05:30", Some(1_709_231_399)),
            ("1970-01-01T00:00:00-01:00", "1970-01-01T00:00:00-01:00", Some(3600)),
            ("1970-01-01T00:00:00+01:00", "1970-01-01T00:00:00+01:00", Some(-3600)),
            ("2020-01-01T10:00:00.250+00:00", "2020-01-01T10:00:00.250000+00:00", None),
            ("2020-01-01T10:00:00.000+00:00", "2020-01-01T10:00:00+00:00", Some(1_577_872_800)),
            ("2020-01-01T10:00:00", "2020-01-01T10:00:00", None),
        ] {
            let moment = Moment::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((moment.iso.as_str(), moment.seconds), (iso, seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2020-01-01",
            "2020-02-30T00:00:00Z",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00:60Z",
            "2020-01-01T00:00:00.12Z",
            "2020-01-01T00:00:00+24:00",
            "2020-01-01T00:00:00+0100",
            "2020-01-01T00:00:00é",
            "2020-01-01é0:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_is_written_without_a_fraction_that_is_zero() {
        let time = UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        assert_eq!(Moment::at(time).iso, "2023-11-14T22:13:20.123456+00:00");
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(Moment::at(time).iso, "2023-11-14T22:13:20+00:00");
    }
}
