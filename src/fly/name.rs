//! Names of apps.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The longest name: it becomes a label of a host name.
const LONGEST: usize = 63;

/// The name of an app: lower-case letters, digits and dashes, as in `NAME.fly.dev`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AppName(String);

/// Why a text is no name of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an app name: up to 63 lower-case letters, digits and dashes")]
pub struct ParseAppNameError(String);

impl AppName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = ParseAppNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let whole = !text.is_empty()
            && text.len() <= LONGEST
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if whole { Ok(Self(text.to_owned())) } else { Err(ParseAppNameError(text.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_host_name_can_hold() {
        let long = "a".repeat(63);
        for good in ["web", "my-app-2", "0", long.as_str()] {
            assert_eq!(good.parse::<AppName>().unwrap().as_str(), good);
        }
        let longer = "a".repeat(64);
        for bad in ["", "Web", "a_b", "-a", "a-", "a/b", "a b", "é", longer.as_str()] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }
}
