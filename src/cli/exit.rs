//! Exit codes, and what a command fails with.

use std::process::ExitCode;

use crate::error::{Account, Explain};

/// What the process ends with. The numbers are a public format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// A bug, or something unforeseen.
    Unforeseen = 1,
    /// The configuration, or a file that it names, cannot be used.
    Config = 10,
    /// Nix could not build, or is missing.
    Nix = 11,
    /// The image or the registry.
    Registry = 12,
    /// Fly refused.
    Fly = 13,
    /// The app did not become healthy, and runs what it ran before.
    RolledBack = 14,
    /// The app did not become healthy, and was left as it is.
    Unhealthy = 15,
    /// Another deploy holds a lease.
    LeaseHeld = 16,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

/// The exit codes, for the help. Clap itself ends with 2.
pub(super) const HELP: &str = "\
Exit codes:
    0  done
    1  a bug, or something unforeseen
    2  wrong arguments
   10  the configuration cannot be used
   11  Nix could not build
   12  the image or the registry
   13  Fly refused
   14  unhealthy, and rolled back (kept free: nothing is rolled back yet)
   15  unhealthy, and not rolled back
   16  another deploy holds a lease
  130  interrupted";

impl Exit {
    /// Returns the exit that belongs to an error's code word.
    fn of_code(code: &str) -> Self {
        match code {
            "interrupted" | "rollout.interrupted" => Self::Interrupted,
            "rollout.lease-held" => Self::LeaseHeld,
            "rollout.rolled-back" => Self::RolledBack,
            "rollout.unhealthy" => Self::Unhealthy,
            _ => match code.split('.').next() {
                Some("config") => Self::Config,
                Some("nix") => Self::Nix,
                Some("source" | "push" | "registry" | "http") => Self::Registry,
                Some("fly" | "rollout") => Self::Fly,
                _ => Self::Unforeseen,
            },
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, ready to be told.
#[derive(Debug)]
pub(super) struct Failure(Account);

impl Failure {
    /// Makes a failure of any module's error.
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub(super) fn of(error: impl Explain) -> Self {
        Self(Account::of(&error))
    }

    /// Makes a failure of something in the user's own configuration.
    pub(super) fn config(message: &str) -> Self {
        Self(Account::new("config.unusable", message))
    }

    /// Makes the failure of a command that was interrupted.
    pub(super) fn interrupted() -> Self {
        Self(Account::new("interrupted", "interrupted"))
    }

    /// Makes a failure that nobody foresaw.
    pub(super) fn unforeseen(message: &str) -> Self {
        Self(Account::new("unforeseen", message))
    }

    /// Makes a failure that stands for others, with the code word of one of them.
    pub(super) fn standing_for(code: &'static str, message: &str) -> Self {
        Self(Account::new(code, message))
    }

    /// Adds what the reader can do.
    pub(super) fn hint(self, hint: &str) -> Self {
        Self(Account { hint: Some(hint.to_owned()), ..self.0 })
    }

    /// Returns what is told.
    pub(super) fn account(&self) -> &Account {
        &self.0
    }

    /// Returns what the process ends with.
    pub(super) fn exit(&self) -> Exit {
        Exit::of_code(self.0.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_exit_code() {
        for (code, exit) in [
            ("interrupted", Exit::Interrupted),
            ("rollout.interrupted", Exit::Interrupted),
            ("config.invalid", Exit::Config),
            ("nix.build-failed", Exit::Nix),
            ("source.not-an-image", Exit::Registry),
            ("push.layer-mismatch", Exit::Registry),
            ("registry.unauthorized", Exit::Registry),
            ("fly.app-not-found", Exit::Fly),
            ("rollout.lease-held", Exit::LeaseHeld),
            ("rollout.unhealthy", Exit::Unhealthy),
            ("rollout.strategy-unsupported", Exit::Fly),
            ("whatever", Exit::Unforeseen),
        ] {
            assert_eq!(Exit::of_code(code), exit, "{code}");
        }
        for line in HELP.lines().skip(1) {
            let number: u8 = line.split_whitespace().next().unwrap().parse().unwrap();
            assert!([0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 130].contains(&number));
        }
    }
}
