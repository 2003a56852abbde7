//! How machines are changed.

use std::fmt;
use std::str::FromStr;

/// How machines are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// A few at a time, each watched until it is healthy.
    #[default]
    Rolling,
    /// All at once, not watched.
    Immediate,
    /// One more machine first, then as [`Strategy::Rolling`].
    Canary,
    /// A second set of machines, then a switch.
    Bluegreen,
}

impl Strategy {
    /// Returns the word that fly.toml has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Immediate => "immediate",
            Self::Canary => "canary",
            Self::Bluegreen => "bluegreen",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Rolling, Self::Immediate, Self::Canary, Self::Bluegreen]
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is not one of `rolling`, `immediate`, `canary`, `bluegreen`")
            })
    }
}

/// How many of a group's machines may be changed at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxUnavailable {
    /// So many.
    Count(usize),
    /// This part of them, above 0 and below 1, rounded up.
    Part(f64),
}

impl MaxUnavailable {
    /// What the platform's own client takes when nothing is set.
    pub const DEFAULT: Self = Self::Part(0.33);

    /// Reads fly.toml's number: from 1 a count, below a part.
    pub fn from_number(number: f64) -> Option<Self> {
        match number {
            n if (1.0..1e6).contains(&n) =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the range was checked"
                )]
                Some(Self::Count(n as usize))
            }
            n if n > 0.0 && n < 1.0 => Some(Self::Part(n)),
            _ => None,
        }
    }

    /// Returns how many of `machines` that is, at least one.
    pub fn of(self, machines: usize) -> usize {
        match self {
            Self::Count(count) => count.max(1),
            Self::Part(part) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "an app has far fewer machines than a float can count"
                )]
                let count = (machines as f64 * part).ceil() as usize;
                count.max(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_from_one_on_is_a_count_and_below_a_part() {
        for (number, of_ten) in [(0.33, 4), (0.1, 1), (0.01, 1), (1.0, 1), (2.9, 2), (20.0, 20)] {
            assert_eq!(MaxUnavailable::from_number(number).unwrap().of(10), of_ten, "{number}");
        }
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(MaxUnavailable::from_number(number), None, "{number}");
        }
        assert_eq!(MaxUnavailable::DEFAULT.of(0), 1);
    }

    #[test]
    fn strategies_print_as_they_are_read() {
        for word in ["rolling", "immediate", "canary", "bluegreen"] {
            assert_eq!(word.parse::<Strategy>().unwrap().to_string(), word);
        }
        assert!("fast".parse::<Strategy>().unwrap_err().contains("bluegreen"));
    }
}
