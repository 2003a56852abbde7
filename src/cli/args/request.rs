//! What shall run, and where.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;

use super::duration::duration;
use super::{FlyArgs, ImageArgs, OverrideArgs, RolloutArgs};
use crate::fly::config::{AppConfig, Error};
use crate::image::Reference;
use crate::rollout::{Addresses, FirstDeploy, NewGroups, Settings};

/// What shall run, where, and how it gets there.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RequestArgs {
    #[command(flatten)]
    pub(in crate::cli) image: ImageArgs,
    /// Deploy an image that is in a registry already, and build nothing
    #[arg(
        short = 'i',
        long = "image",
        value_name = "REFERENCE",
        conflicts_with_all = ["installable", "file"],
        help_heading = "Image"
    )]
    pub(in crate::cli) reference: Option<Reference>,
    #[command(flatten)]
    pub(in crate::cli) fly: FlyArgs,
    /// The app's configuration file, or the folder that it is in; when repeated, the one image
    /// is deployed to all these apps, one after the other
    #[arg(
        short,
        long = "config",
        value_name = "PATH",
        env = "SNOWBIRD_CONFIG",
        hide_env_values = true,
        help_heading = "Fly"
    )]
    pub(in crate::cli) configs: Vec<PathBuf>,
    /// Deploy to a sandbox: a new one, which ends with this command, or the one at URL
    #[arg(
        long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "",
        help_heading = "Fly"
    )]
    pub(in crate::cli) sandbox: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) overrides: OverrideArgs,
    #[command(flatten)]
    pub(in crate::cli) rollout: RolloutArgs,
    #[command(flatten)]
    pub(in crate::cli) release_command: ReleaseCommandArgs,
    #[command(flatten)]
    pub(in crate::cli) new_machines: NewMachinesArgs,
    /// Agree to what costs money or cannot be undone: a dedicated address for services that
    /// need one, machines that lose their volume
    #[arg(
        short, long, aliases = ["now", "auto-confirm"], env = "SNOWBIRD_YES", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) yes: bool,
}

impl RequestArgs {
    /// Sets over `config` what was typed.
    ///
    /// # Errors
    ///
    /// Fails when that does not go with it.
    pub(in crate::cli) fn configure(&self, config: &mut AppConfig) -> Result<(), Error> {
        self.overrides.apply(config)?;
        if let Some(strategy) = self.rollout.strategy {
            config.set_strategy(strategy.into());
        }
        if let Some(max_unavailable) = self.rollout.max_unavailable {
            config.set_max_unavailable(max_unavailable);
        }
        // Of a group that is there no more, but has machines, the rollout knows.
        let all = config.groups();
        let typed = &self.rollout.scope.groups;
        let known: Vec<_> = typed.iter().filter(|group| all.contains(group)).cloned().collect();
        if known.is_empty() && !typed.is_empty() { Ok(()) } else { config.check_groups(&known) }
    }

    /// Returns how an app with `config` is deployed to.
    pub(in crate::cli) fn settings(&self, config: &AppConfig) -> Settings {
        let mut settings = self.rollout.over(Settings::of(config));
        settings.release_command = !self.release_command.skip_release_command;
        if let Some(timeout) = self.release_command.release_command_timeout {
            settings.patience.release_command_timeout = Some(timeout).filter(|t| !t.is_zero());
        }
        settings.new_groups = self.new_machines.new_groups();
        settings.first_deploy = self.new_machines.first_deploy(self.yes);
        settings.may_detach_volumes = self.yes;
        settings
    }
}

/// The command that runs before any machine is changed.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReleaseCommandArgs {
    /// Do not run the release command
    #[arg(
        long, env = "SNOWBIRD_SKIP_RELEASE_COMMAND", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) skip_release_command: bool,
    /// How long the release command may take, `none` for as long as it wants, over fly.toml
    /// [default: 5m]
    #[arg(
        long, value_name = "DURATION", value_parser = duration,
        env = "SNOWBIRD_RELEASE_COMMAND_TIMEOUT", hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) release_command_timeout: Option<Duration>,
}

/// What process groups without machines get, and fresh apps.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(in crate::cli) struct NewMachinesArgs {
    /// Give process groups without machines a spare one, too: a second where there are
    /// services, else a standby; `--ha=false` makes one machine
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value = "true", default_missing_value = "true", hide_possible_values = true,
        value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set,
        env = "SNOWBIRD_HA", hide_env_values = true, help_heading = "New machines"
    )]
    pub(in crate::cli) ha: bool,
    /// Make no machines for process groups that have none
    #[arg(
        long, env = "SNOWBIRD_UPDATE_ONLY", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "New machines"
    )]
    pub(in crate::cli) update_only: bool,
    /// Give a fresh app no IP addresses
    #[arg(
        long, conflicts_with = "flycast", env = "SNOWBIRD_NO_PUBLIC_IPS", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "New machines"
    )]
    pub(in crate::cli) no_public_ips: bool,
    /// Give a fresh app an address in the organization's private network alone
    #[arg(
        long, env = "SNOWBIRD_FLYCAST", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "New machines"
    )]
    pub(in crate::cli) flycast: bool,
    /// The size in GB of a fresh app's volumes, where fly.toml says none [default: 1]
    #[arg(
        long, value_name = "GB", value_parser = clap::value_parser!(u64).range(1..),
        env = "SNOWBIRD_VOLUME_INITIAL_SIZE", hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) volume_initial_size: Option<u64>,
}

impl NewMachinesArgs {
    fn new_groups(&self) -> NewGroups {
        match self {
            Self { update_only: true, .. } => NewGroups::Nothing,
            Self { ha: false, .. } => NewGroups::OneMachine,
            _ => NewGroups::WithSpares,
        }
    }

    fn first_deploy(&self, may_pay: bool) -> FirstDeploy {
        let usual = FirstDeploy::default();
        FirstDeploy {
            addresses: match self {
                Self { no_public_ips: true, .. } => Addresses::Nothing,
                Self { flycast: true, .. } => Addresses::Private,
                _ => usual.addresses,
            },
            may_pay_for_address: may_pay,
            volume_size_gb: self.volume_initial_size.unwrap_or(usual.volume_size_gb),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::fly::config::Strategy;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        request: RequestArgs,
    }

    fn settings(typed: &[&str], config: &str) -> Settings {
        let (config, _) = AppConfig::parse(config, Path::new("fly.toml")).unwrap();
        let line = Line::try_parse_from(["x"].iter().chain(typed)).unwrap();
        line.request.settings(&config)
    }

    #[test]
    fn nothing_typed_means_what_the_file_says() {
        let config = "[deploy]\nstrategy = 'canary'\nwait_timeout = '90s'\nmax_unavailable = 0.5\n";
        let (parsed, _) = AppConfig::parse(config, Path::new("fly.toml")).unwrap();
        assert_eq!(settings(&[], config), Settings::of(&parsed));
        let typed = settings(&["--strategy=rolling", "--wait-timeout=2m"], config);
        assert_eq!(typed.strategy, Strategy::Rolling);
        assert_eq!(typed.patience.wait_timeout, Duration::from_secs(120));
    }

    #[test]
    fn the_release_command_may_be_left_out_or_take_as_long_as_it_wants() {
        let timeout = |typed: &str| settings(&[typed], "").patience.release_command_timeout;
        assert_eq!(timeout("--release-command-timeout=90"), Some(Duration::from_secs(90)));
        for unlimited in ["none", "0"] {
            assert_eq!(timeout(&format!("--release-command-timeout={unlimited}")), None);
        }
        assert!(!settings(&["--skip-release-command"], "").release_command);
    }

    #[test]
    fn new_groups_get_what_was_asked_for() {
        for (typed, new_groups) in [
            (&["--ha"][..], NewGroups::WithSpares),
            (&["--ha=true"], NewGroups::WithSpares),
            (&["--ha=false"], NewGroups::OneMachine),
            (&["--ha=false", "--update-only"], NewGroups::Nothing),
        ] {
            assert_eq!(settings(typed, "").new_groups, new_groups, "{typed:?}");
        }
    }

    #[test]
    fn a_fresh_app_gets_what_was_asked_for_and_nothing_that_costs_without_consent() {
        let usual = FirstDeploy::default();
        for (typed, first_deploy) in [
            (&["--no-public-ips"][..], FirstDeploy { addresses: Addresses::Nothing, ..usual }),
            (&["--flycast"], FirstDeploy { addresses: Addresses::Private, ..usual }),
            (&["--volume-initial-size=3"], FirstDeploy { volume_size_gb: 3, ..usual }),
            (&["-y"], FirstDeploy { may_pay_for_address: true, ..usual }),
        ] {
            let settings = settings(typed, "");
            assert_eq!(settings.first_deploy, first_deploy, "{typed:?}");
            assert_eq!(settings.may_detach_volumes, typed == ["-y"]);
        }
        assert!(Line::try_parse_from(["x", "--flycast", "--no-public-ips"]).is_err());
    }
}
