//! How machines are changed.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::BoolishValueParser;

use super::ScopeArgs;
use super::duration::{duration, some_time};
use crate::fly::config::{MaxUnavailable, Strategy};
use crate::rollout::{OnFailure, Settings};

/// How machines are changed, whatever they are changed to.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RolloutArgs {
    #[command(flatten)]
    pub(in crate::cli) scope: ScopeArgs,
    /// How machines are replaced, over fly.toml [default: rolling]
    #[arg(
        long,
        value_enum,
        value_name = "STRATEGY",
        env = "SNOWBIRD_STRATEGY",
        hide_env_values = true,
        help_heading = "Deploy"
    )]
    pub(in crate::cli) strategy: Option<StrategyArg>,
    /// How many machines of a process group may be changed at once: a number from 1, or a
    /// part such as `0.25`, over fly.toml [default: 0.33]
    #[arg(
        long, value_name = "NUMBER", value_parser = max_unavailable,
        env = "SNOWBIRD_MAX_UNAVAILABLE", hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) max_unavailable: Option<MaxUnavailable>,
    /// How many machines an immediate or bluegreen deploy works on at once [default: 8]
    #[arg(
        long,
        value_name = "NUMBER",
        env = "SNOWBIRD_MAX_CONCURRENT",
        hide_env_values = true,
        help_heading = "Deploy"
    )]
    pub(in crate::cli) max_concurrent: Option<NonZeroUsize>,
    /// How long a machine may take to start, and then to become healthy, such as `90s`, over
    /// fly.toml [default: 5m]
    #[arg(
        long, value_name = "DURATION", value_parser = some_time, env = "SNOWBIRD_WAIT_TIMEOUT",
        hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) wait_timeout: Option<Duration>,
    /// How long leases on machines live unless they are refreshed [default: 13s]
    #[arg(
        long, value_name = "DURATION", value_parser = some_time, env = "SNOWBIRD_LEASE_TIMEOUT",
        hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) lease_timeout: Option<Duration>,
    /// Wait for machines that another deploy leases, instead of giving up at once, for as long
    /// as the wait timeout or DURATION
    #[arg(
        long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
        value_parser = duration, env = "SNOWBIRD_WAIT_LEASE", hide_env_values = true,
        help_heading = "Deploy"
    )]
    #[expect(clippy::option_option, reason = "not given, given alone, given with a value")]
    pub(in crate::cli) wait_lease: Option<Option<Duration>>,
    /// Do not watch machines after they were changed
    #[arg(
        long, env = "SNOWBIRD_DETACH", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) detach: bool,
    /// Watch machines without health checks for some seconds after their start
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value = "true", default_missing_value = "true", hide_possible_values = true,
        value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set,
        env = "SNOWBIRD_SMOKE_CHECKS", hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) smoke_checks: bool,
    /// Leave machines as they are when a deploy fails, instead of giving them back what they
    /// ran before
    #[arg(
        long, env = "SNOWBIRD_NO_ROLLBACK", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) no_rollback: bool,
    /// The signal by which a bluegreen deploy stops the machines that it replaces
    /// [default: SIGINT]
    #[arg(
        short,
        long,
        value_name = "SIGNAL",
        env = "SNOWBIRD_SIGNAL",
        hide_env_values = true,
        help_heading = "Deploy"
    )]
    pub(in crate::cli) signal: Option<String>,
}

impl RolloutArgs {
    /// Returns `settings` with what was typed.
    pub(in crate::cli) fn over(&self, mut settings: Settings) -> Settings {
        settings.scope = self.scope.scope();
        settings.watch = !self.detach;
        if self.no_rollback {
            settings.on_failure = OnFailure::Stay;
        }
        if let Some(strategy) = self.strategy {
            settings.strategy = strategy.into();
        }
        if let Some(max_unavailable) = self.max_unavailable {
            settings.max_unavailable = max_unavailable;
        }
        if let Some(max_concurrent) = self.max_concurrent {
            settings.max_concurrent = max_concurrent.get();
        }
        if let Some(signal) = &self.signal {
            settings.stop_signal.clone_from(signal);
        }
        let patience = &mut settings.patience;
        if let Some(timeout) = self.wait_timeout {
            patience.wait_timeout = timeout;
        }
        if let Some(ttl) = self.lease_timeout {
            patience.lease_ttl = ttl;
        }
        if let Some(within) = self.wait_lease {
            patience.wait_for_leases = within.unwrap_or(patience.wait_timeout);
        }
        if !self.smoke_checks {
            patience.without_checks = Duration::ZERO;
        }
        settings
    }
}

/// The strategies, with what each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StrategyArg {
    /// A few machines at a time, each watched until it is healthy
    Rolling,
    /// All machines at once, not watched
    Immediate,
    /// One machine more to try the image, then as rolling
    Canary,
    /// A second set of machines, and a switch when all are healthy
    Bluegreen,
}

impl StrategyArg {
    /// Returns the word for it.
    pub(in crate::cli) fn word(self) -> &'static str {
        Strategy::from(self).as_str()
    }
}

impl From<StrategyArg> for Strategy {
    fn from(strategy: StrategyArg) -> Self {
        match strategy {
            StrategyArg::Rolling => Self::Rolling,
            StrategyArg::Immediate => Self::Immediate,
            StrategyArg::Canary => Self::Canary,
            StrategyArg::Bluegreen => Self::Bluegreen,
        }
    }
}

fn max_unavailable(text: &str) -> Result<MaxUnavailable, String> {
    let number = text.parse().ok().and_then(MaxUnavailable::from_number);
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        rollout: RolloutArgs,
    }

    fn settings(typed: &[&str]) -> Settings {
        let line = Line::try_parse_from(["x"].iter().chain(typed)).unwrap();
        line.rollout.over(Settings::default())
    }

    #[test]
    fn nothing_typed_leaves_the_settings_as_they_are() {
        assert_eq!(settings(&[]), Settings::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let typed = [
            "--strategy=bluegreen",
            "--max-unavailable=2",
            "--max-concurrent=3",
            "--wait-timeout=90",
            "--lease-timeout=20s",
            "--detach",
            "--smoke-checks=false",
            "--no-rollback",
            "-s",
            "SIGTERM",
        ];
        let settings = settings(&typed);
        assert_eq!(settings.strategy, Strategy::Bluegreen);
        assert_eq!(settings.max_unavailable, MaxUnavailable::Count(2));
        assert_eq!(settings.max_concurrent, 3);
        assert_eq!(settings.patience.wait_timeout, Duration::from_secs(90));
        assert_eq!(settings.patience.lease_ttl, Duration::from_secs(20));
        assert_eq!(settings.patience.without_checks, Duration::ZERO);
        assert_eq!((settings.watch, settings.on_failure), (false, OnFailure::Stay));
        assert_eq!(settings.stop_signal, "SIGTERM");
    }

    #[test]
    fn leases_are_waited_for_when_asked_and_as_long_as_asked() {
        for (typed, seconds) in [
            (&[][..], 0),
            (&["--wait-lease"], 300),
            (&["--wait-lease", "--wait-timeout=10"], 10),
            (&["--wait-lease=1m"], 60),
        ] {
            let waits = settings(typed).patience.wait_for_leases;
            assert_eq!(waits, Duration::from_secs(seconds), "{typed:?}");
        }
    }

    #[test]
    fn filters_take_lists_and_repetition_by_any_of_their_names() {
        let typed = [
            "--regions=fra,ams",
            "--only-regions",
            "syd",
            "--process-groups=web",
            "--process-group=cron,",
            "--only-machines=e1",
            "--exclude-machines=e2,e3",
            "--exclude-regions=iad",
        ];
        let scope = settings(&typed).scope;
        let list = |set: &std::collections::BTreeSet<String>| Vec::from_iter(set.clone()).join(" ");
        assert_eq!(list(&scope.regions), "ams fra syd");
        assert_eq!(list(&scope.groups), "cron web");
        assert_eq!(list(&scope.excluded_regions), "iad");
        assert_eq!(list(&scope.machines), "e1");
        assert_eq!(list(&scope.excluded_machines), "e2 e3");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for typed in
            ["--max-unavailable=0", "--max-concurrent=0", "--wait-timeout=none", "--strategy=x"]
        {
            assert!(Line::try_parse_from(["x", typed]).is_err(), "{typed}");
        }
    }
}
