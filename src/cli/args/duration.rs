//! Durations, as they are typed.

use std::time::Duration;

use crate::fly::config::GoDuration;

/// Reads `90s`, `1m30s`, seconds alone, or `none` for no time at all, as flyctl does.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match (text, text.parse()) {
        ("none", _) => Ok(Duration::ZERO),
        (_, Ok(seconds)) => Ok(Duration::from_secs(seconds)),
        (_, Err(_)) => match text.parse::<GoDuration>() {
            Ok(duration) => Ok(duration.as_std()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Reads a duration in which something can happen.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flyctl_reads_them() {
        let seconds = |count| Ok(Duration::from_secs(count));
        for (text, read) in [
            ("90", seconds(90)),
            ("1m30s", seconds(90)),
            ("1.5h", seconds(5400)),
            ("none", seconds(0)),
        ] {
            assert_eq!(duration(text), read, "{text}");
        }
        for text in ["soon", "", "-1", "5 m"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(some_time("none").is_err() && some_time("0").is_err());
    }
}
