//! What can be typed.

mod apps;
mod config;
mod deploy;
mod duration;
mod fly;
mod image;
mod logs;
mod nix;
mod output;
mod overrides;
mod plan;
mod push;
mod releases;
mod request;
mod rollout;
mod sandbox;
mod scope;
mod status;

use clap::{Parser, Subcommand};

pub(super) use apps::{AppsCommand, CreateArgs};
pub(super) use config::{ConfigCommand, ConfigShowArgs, ConfigValidateArgs};
pub(super) use deploy::{DeployArgs, ViaArg};
pub(super) use fly::{AppArgs, ConfigArgs, FlyArgs};
pub(super) use image::ImageArgs;
pub(super) use logs::LogsArgs;
use nix::NixArgs;
use output::OutputArgs;
use overrides::OverrideArgs;
pub(super) use plan::PlanArgs;
pub(super) use push::PushArgs;
pub(super) use releases::{ReleasesArgs, RollbackArgs};
pub(super) use request::RequestArgs;
use rollout::RolloutArgs;
pub(super) use sandbox::SandboxArgs;
use scope::ScopeArgs;
pub(super) use status::StatusArgs;

/// Take a Nix flake to Fly.io
///
/// Builds the flake's container output, streams its layers into the registry, and deploys
/// it on Fly Machines. No Docker, no skopeo, no flyctl.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = super::exit::HELP)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build an image, push it, and deploy it on Fly Machines
    ///
    /// The result, one line on stdout, is the image by digest. Where the machines have that
    /// image and this configuration already, nothing is changed.
    Deploy(Box<DeployArgs>),
    /// Show what a deploy would do to the machines, and change nothing
    ///
    /// The result says what would happen to each machine, and in what its configuration would
    /// differ. Nothing is built: an image that is not in the registry under its store path is
    /// told as one that is not built yet.
    Plan(Box<PlanArgs>),
    /// Build an image and push it to a registry
    ///
    /// The result, one line on stdout, is the image by digest.
    Push(Box<PushArgs>),
    /// Show the machines of an app, and the images that they run
    Status(StatusArgs),
    /// List what was deployed to an app: version, status, image, when and by whom
    Releases(ReleasesArgs),
    /// Bring an app's machines back to the image of an earlier release
    ///
    /// Their configuration stays as it is but for the image, and no machine is created or
    /// destroyed. The result, one line on stdout, is the image by digest. Where it runs already,
    /// nothing is changed.
    Rollback(Box<RollbackArgs>),
    /// Show what an app's machines wrote, the newest lines
    Logs(LogsArgs),
    /// Create apps
    #[command(subcommand)]
    Apps(AppsCommand),
    /// Check Nix, the token, the app and the registry, and explain what is wrong
    ///
    /// One line on stdout for each check; the exit code is that of the first one that fails.
    Doctor(AppArgs),
    /// Read fly.toml as a deploy would, without token and network
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run a Fly for one machine: registry and platform on loopback
    ///
    /// It writes to stdout the variables that lead snowbird and flyctl to it, and runs until
    /// Ctrl-C. Its machines go through their states, but nothing runs in them.
    Sandbox(SandboxArgs),
    /// Write completions for a shell to stdout
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man page to stdout
    #[command(hide = true)]
    Man,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::nix::Target;

    #[test]
    fn the_arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_is_for_nix() {
        let typed = ["snowbird", "push", "--impure", ".#a", "--", "--keep-going"];
        let Command::Push(push) = Args::parse_from(typed).command else { panic!() };
        assert_eq!(push.image.installable.as_deref(), Some(".#a"));
        assert_eq!(push.image.nix_arguments(), ["--impure", "--keep-going"]);
    }

    #[test]
    fn a_file_is_named_instead_of_a_flake() {
        for (typed, named) in [
            (&["-f", "x.nix", "-A", "web"][..], Some("--file x.nix --attr web")),
            (&["--file", "x.nix"], Some("x.nix")),
            (&["-f", "x.nix", ".#a"], None),
            (&["-A", "web"], None),
        ] {
            let args = Args::try_parse_from([&["snowbird", "push"], typed].concat());
            let named_by = |args: Args| {
                let Command::Push(push) = args.command else { panic!() };
                match push.image.named() {
                    Some(Target::Installable(installable)) => installable.to_string(),
                    Some(Target::ContainerOf(place)) => place.to_string(),
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(args.ok().map(named_by).as_deref(), named, "{typed:?}");
        }
    }

    #[test]
    fn a_sandbox_can_be_named_or_not() {
        for (typed, expected) in [
            (&["snowbird", "deploy"][..], None),
            (&["snowbird", "deploy", "--sandbox", ".#a"], Some("")),
            (&["snowbird", "deploy", "--sandbox=http://127.0.0.1:1"], Some("http://127.0.0.1:1")),
        ] {
            let Command::Deploy(deploy) = Args::parse_from(typed).command else { panic!() };
            assert_eq!(deploy.request.sandbox.as_deref(), expected);
        }
    }

    #[test]
    fn short_flags_are_those_of_flyctl() {
        let typed = ["snowbird", "deploy", "-a", "web", "-c", "f", "-e", "A=1", "-i", "r.io/web:t"];
        let Command::Deploy(deploy) = Args::parse_from(typed).command else { panic!() };
        let request = deploy.request;
        assert_eq!(request.overrides.variables, [("A".to_owned(), "1".to_owned())]);
        assert!(request.reference.is_some() && request.fly.app.is_some());
        assert_eq!(request.configs, [std::path::Path::new("f")]);
    }
}
