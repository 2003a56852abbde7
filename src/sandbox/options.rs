//! What a sandbox is told before it starts, and how its machines behave.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a sandbox is told before it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes any port that is free.
    pub address: SocketAddr,
    /// The tokens that are good, without a scheme word. When there are none, any is.
    pub tokens: Vec<String>,
    /// Apps that exist from the start.
    pub apps: Vec<String>,
    /// Whether an app comes to be when it is first named, as it never does on Fly.
    pub auto_create_apps: bool,
    /// Whether whoever asks more often than Fly documents is told 429.
    pub rate_limits: bool,
    /// Where images, apps and machines are kept.
    pub storage: Storage,
    /// How long the states of a machine last.
    pub pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: Vec::new(),
            apps: Vec::new(),
            auto_create_apps: false,
            rate_limits: false,
            storage: Storage::Memory,
            pace: Pace::default(),
        }
    }
}

/// Where a sandbox keeps what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until it stops.
    Memory,
    /// In a folder, which a later sandbox goes on from. It is made if it is missing.
    Folder(PathBuf),
}

/// How long the states of a machine last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From `created` to `starting`: fetching the image.
    pub created: Duration,
    /// From `starting` to `started`, and in `restarting`.
    pub starting: Duration,
    /// From `replacing` to the launch of the new version.
    pub replacing: Duration,
    /// From `stopping` to `stopped`.
    pub stopping: Duration,
    /// From `destroying` to `destroyed`.
    pub destroying: Duration,
    /// From `started` to the first report of a health check, which is critical.
    pub first_check: Duration,
    /// From `started` to checks that pass.
    pub passing_check: Duration,
    /// From `started` to the exit of a machine that does one thing and ends, or crashes.
    pub exit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            created: ms(200),
            starting: ms(400),
            replacing: ms(300),
            stopping: ms(300),
            destroying: ms(200),
            first_check: ms(200),
            passing_check: ms(500),
            exit: ms(300),
        }
    }
}

impl Pace {
    /// Returns a pace at which every state lasts equally long; checks pass after twice that.
    pub fn every(step: Duration) -> Self {
        Self {
            created: step,
            starting: step,
            replacing: step,
            stopping: step,
            destroying: step,
            first_check: step,
            passing_check: step * 2,
            exit: step,
        }
    }
}

/// The variable in a machine's environment that orders how it behaves.
const BEHAVIOR_VARIABLE: &str = "SNOWBIRD_SANDBOX";

/// How the machines of an app behave once they are launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behavior {
    /// They start, and their checks pass.
    #[default]
    Healthy,
    /// They start and exit at once, again and again as the restart policy says.
    CrashAtStart {
        /// What the process exits with.
        exit_code: i32,
        /// Whether it was killed for want of memory.
        oom_killed: bool,
    },
    /// They start, and their checks stay critical.
    ChecksNeverPass,
    /// They take this much longer to start.
    SlowStart(Duration),
}

impl Behavior {
    /// Reads `ok`, `crash`, `crash:CODE`, `oom`, `unhealthy` or `slow:SECONDS`.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("ok", None) => Some(Self::Healthy),
            ("crash", None) => Some(Self::CrashAtStart { exit_code: 1, oom_killed: false }),
            ("crash", Some(code)) => {
                let exit_code = code.parse().ok()?;
                Some(Self::CrashAtStart { exit_code, oom_killed: false })
            }
            ("oom", None) => Some(Self::CrashAtStart { exit_code: 137, oom_killed: true }),
            ("unhealthy", None) => Some(Self::ChecksNeverPass),
            ("slow", Some(seconds)) => Some(Self::SlowStart(
                seconds.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok())?,
            )),
            _ => None,
        }
    }

    /// Returns what the machine config orders through `SNOWBIRD_SANDBOX` in its `env`.
    pub(super) fn of_config(config: &serde_json::Value) -> Option<Self> {
        Self::parse(config.get("env")?.get(BEHAVIOR_VARIABLE)?.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behavior_is_ordered_by_a_word() {
        assert_eq!(
            Behavior::parse("crash:3"),
            Some(Behavior::CrashAtStart { exit_code: 3, oom_killed: false })
        );
        assert_eq!(
            Behavior::parse("oom"),
            Some(Behavior::CrashAtStart { exit_code: 137, oom_killed: true })
        );
        assert_eq!(
            Behavior::parse("slow:1.5"),
            Some(Behavior::SlowStart(Duration::from_millis(1500)))
        );
        assert_eq!(Behavior::parse("slow:-1"), None);
        assert_eq!(Behavior::parse("crash:one"), None);
        assert_eq!(Behavior::parse("on fire"), None);
    }

    #[test]
    fn a_machine_config_orders_behavior_through_its_environment() {
        let config = serde_json::json!({"env": {"SNOWBIRD_SANDBOX": "unhealthy"}});
        assert_eq!(Behavior::of_config(&config), Some(Behavior::ChecksNeverPass));
        assert_eq!(Behavior::of_config(&serde_json::json!({})), None);
    }
}
