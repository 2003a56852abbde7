//! Exit codes, and what a command fails with.

use std::process::ExitCode;

use crate::error::{Account, Explain, shown};

/// What the process ends with. The numbers are a public format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done,
    /// A bug, or something unforeseen.
    Unforeseen,
    /// Arguments that do not go together.
    Arguments,
    /// The configuration, or a file that it names, cannot be used.
    Config,
    /// Nix could not build, or is missing.
    Nix,
    /// The image or the registry.
    Registry,
    /// Fly refused.
    Fly,
    /// The new version failed, and the app runs what it ran before.
    RolledBack,
    /// The app did not become healthy, and was left as it is.
    Unhealthy,
    /// Another deploy holds a lease.
    LeaseHeld,
    /// A plan would change something.
    Changes,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// What flyctl ended with, when it was handed over to.
    Flyctl(u8),
}

/// The exit codes, for the help. Clap itself ends with 2, too.
pub(super) const HELP: &str = "\
Exit codes:
    0  done; also if there was nothing to do
    1  a bug, or something unforeseen
    2  wrong arguments
   10  the configuration cannot be used
   11  Nix could not build
   12  the image or the registry
   13  Fly refused
   14  the new version failed, and the app runs what it ran before
   15  unhealthy, and not rolled back
   16  another deploy holds a lease
   20  `plan --exit-code`: something would change
  130  interrupted

`deploy --via flyctl` ends with flyctl's code when flyctl fails.";

impl Exit {
    /// Returns the number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unforeseen => 1,
            Self::Arguments => 2,
            Self::Config => 10,
            Self::Nix => 11,
            Self::Registry => 12,
            Self::Fly => 13,
            Self::RolledBack => 14,
            Self::Unhealthy => 15,
            Self::LeaseHeld => 16,
            Self::Changes => 20,
            Self::Interrupted => 130,
            Self::Flyctl(code) => code,
        }
    }

    /// Returns the exit that belongs to an error's code word.
    fn of_code(code: &str) -> Self {
        match code {
            "interrupted" | "rollout.interrupted" => Self::Interrupted,
            "rollout.lease-held" => Self::LeaseHeld,
            "rollout.rolled-back" | "rollout.release-command-failed" => Self::RolledBack,
            "rollout.unhealthy" => Self::Unhealthy,
            _ => match code.split('.').next() {
                Some("arguments") => Self::Arguments,
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
        Self::from(exit.code())
    }
}

/// Why a command failed, ready to be told.
#[derive(Debug)]
pub(super) struct Failure {
    account: Account,
    /// The message as people read it, where programs read another.
    told: Option<String>,
    exit: Exit,
}

impl Failure {
    fn new(account: Account) -> Self {
        Self { exit: Exit::of_code(account.code), account, told: None }
    }

    /// Makes a failure of any module's error.
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub(super) fn of(error: impl Explain) -> Self {
        Self::new(Account::of(&error))
    }

    /// Makes a failure of something in the user's own configuration.
    pub(super) fn config(message: &str) -> Self {
        Self::new(Account::new("config.unusable", message))
    }

    /// Makes a failure of arguments that do not go together.
    pub(super) fn arguments(message: &str) -> Self {
        Self::new(Account::new("arguments.conflict", message))
    }

    /// Makes a failure of an image that is not where it should be.
    pub(super) fn no_image(message: &str) -> Self {
        Self::new(Account::new("registry.no-image", message))
    }

    /// Makes the failure of a command that was interrupted.
    pub(super) fn interrupted() -> Self {
        Self::new(Account::new("interrupted", "interrupted"))
    }

    /// Makes a failure that nobody foresaw.
    pub(super) fn unforeseen(message: &str) -> Self {
        Self::new(Account::new("unforeseen", message))
    }

    /// Makes a failure that stands for others, with the code word of one of them.
    pub(super) fn standing_for(code: &'static str, message: &str) -> Self {
        Self::new(Account::new(code, message))
    }

    /// Adds what the reader can do.
    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.account.hint = Some(hint.to_owned());
        self
    }

    /// Tells people another message than programs.
    pub(super) fn told_as(self, message: &str) -> Self {
        Self { told: Some(shown(message)), ..self }
    }

    /// Ends the process with something else than the code word asks for.
    pub(super) fn ending_with(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Returns what people are told.
    pub(super) fn text(&self) -> String {
        let message = self.told.as_ref().unwrap_or(&self.account.message).clone();
        Account { message, ..self.account.clone() }.to_string()
    }

    /// Returns what programs are told.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns what the process ends with.
    pub(super) fn exit(&self) -> Exit {
        self.exit
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
            ("arguments.conflict", Exit::Arguments),
            ("config.invalid", Exit::Config),
            ("nix.build-failed", Exit::Nix),
            ("source.not-an-image", Exit::Registry),
            ("push.layer-mismatch", Exit::Registry),
            ("registry.unauthorized", Exit::Registry),
            ("fly.app-not-found", Exit::Fly),
            ("rollout.lease-held", Exit::LeaseHeld),
            ("rollout.rolled-back", Exit::RolledBack),
            ("rollout.release-command-failed", Exit::RolledBack),
            ("rollout.unhealthy", Exit::Unhealthy),
            ("rollout.left-over", Exit::Fly),
            ("whatever", Exit::Unforeseen),
        ] {
            assert_eq!(Exit::of_code(code), exit, "{code}");
        }
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        let first_words = HELP.lines().filter_map(|line| line.split_whitespace().next());
        let listed: Vec<u8> = first_words.filter_map(|word| word.parse().ok()).collect();
        let all = [
            Exit::Done,
            Exit::Unforeseen,
            Exit::Arguments,
            Exit::Config,
            Exit::Nix,
            Exit::Registry,
            Exit::Fly,
            Exit::RolledBack,
            Exit::Unhealthy,
            Exit::LeaseHeld,
            Exit::Changes,
            Exit::Interrupted,
        ];
        assert_eq!(listed, all.map(Exit::code));
    }
}
