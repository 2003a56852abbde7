//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use super::env::Env;
use super::report::Progress;
use crate::fly::AppName;
use crate::image::{ManifestFormat, Reference, Tag};
use crate::layer::Encoding;
use crate::push::Reuse;
use crate::sandbox::{Fault, Place};

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

/// How progress is shown.
#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Write progress (stderr) and the result (stdout) as JSON, one object a line
    #[arg(
        long,
        global = true,
        env = "SNOWBIRD_JSON",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(super) json: bool,
    /// How to show progress
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        env = "SNOWBIRD_PROGRESS",
        hide_env_values = true,
        help_heading = "Output"
    )]
    progress: ProgressArg,
    /// Show errors and the result alone
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressArg {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// Bars that move
    Bars,
    /// One line for each thing that happens
    Plain,
}

impl OutputArgs {
    /// Decides how progress is shown.
    pub(super) fn progress(&self, env: &Env) -> Progress {
        match self.progress {
            _ if self.json => Progress::Json,
            _ if self.quiet => Progress::Silent,
            ProgressArg::Bars => Progress::Bars,
            ProgressArg::Auto if env.is_interactive() => Progress::Bars,
            ProgressArg::Auto | ProgressArg::Plain => Progress::Plain,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build an image, push it, and deploy it on Fly Machines
    ///
    /// The result, one line on stdout, is the image by digest. Where the machines have that
    /// image and this configuration already, nothing is changed.
    Deploy(Box<DeployArgs>),
    /// Build an image and push it to a registry
    ///
    /// The result, one line on stdout, is the image by digest.
    Push(Box<PushArgs>),
    /// Show the machines of an app, and the images that they run
    Status(StatusArgs),
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

/// What is built, and how.
#[derive(Debug, clap::Args)]
pub(super) struct ImageArgs {
    /// What to build, or a file that is there already
    ///
    /// An installable (`.#container`, `github:owner/repo#image`) is built by Nix. Of a flake
    /// without `#`, the container output is looked for. A path that begins with `/`, `./` or
    /// `../`, also into the store, is read as it is: a docker archive or a stream script.
    /// Without it, the flake in the working directory is meant.
    pub(super) installable: Option<String>,
    /// Further arguments for `nix`, such as `--impure`, after `--`
    #[arg(last = true, value_name = "NIX ARGUMENTS")]
    pub(super) nix_arguments: Vec<OsString>,
    /// How to compress new layers: `gzip` or `zstd`, with a level if you like, such as
    /// `zstd:9` [default: zstd; in a docker manifest gzip]
    #[arg(
        long,
        value_name = "NAME[:LEVEL]",
        env = "SNOWBIRD_COMPRESSION",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(super) compression: Option<Encoding>,
    /// How to write the manifest
    #[arg(
        long,
        value_enum,
        default_value = "oci",
        env = "SNOWBIRD_MANIFEST",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(super) manifest: ManifestArg,
    /// Which image is meant, where a file holds several: its name, or its tag
    #[arg(
        long,
        value_name = "NAME",
        env = "SNOWBIRD_IMAGE_NAME",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub(super) image_name: Option<String>,
    /// Read the image even if the registry has one of its store path; its layers are still
    /// sent only where they are missing
    #[arg(long, help_heading = "Image")]
    rebuild: bool,
    /// Send every layer, whatever the registry has
    #[arg(long, conflicts_with = "rebuild", help_heading = "Image")]
    no_reuse: bool,
    /// A tag that shall point to the image, besides that of its store path; may be repeated
    #[arg(long = "tag", value_name = "TAG", help_heading = "Image")]
    pub(super) tags: Vec<Tag>,
}

impl ImageArgs {
    /// Decides what is believed to be in the registry already.
    pub(super) fn reuse(&self) -> Reuse {
        match self {
            Self { no_reuse: true, .. } => Reuse::Nothing,
            Self { rebuild: true, .. } => Reuse::Layers,
            _ => Reuse::Images,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ManifestArg {
    /// OCI image manifest
    Oci,
    /// Docker's schema 2, whose layers are always gzip
    Docker,
}

impl ManifestArg {
    pub(super) fn format(self) -> ManifestFormat {
        match self {
            Self::Oci => ManifestFormat::Oci,
            Self::Docker => ManifestFormat::Docker,
        }
    }
}

/// Which Fly, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct FlyArgs {
    /// The app; by default the one that fly.toml names
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "FLY_APP",
        hide_env_values = true,
        help_heading = "Fly"
    )]
    pub(super) app: Option<AppName>,
    /// The app's configuration file, or the folder that it is in
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "SNOWBIRD_CONFIG",
        hide_env_values = true,
        help_heading = "Fly"
    )]
    pub(super) config: Option<PathBuf>,
    /// A file with a Fly token; else `SNOWBIRD_TOKEN_FILE`, `FLY_ACCESS_TOKEN`,
    /// `FLY_API_TOKEN`, `FLY_AUTH_TOKEN` or flyctl's own login
    #[arg(long, value_name = "FILE", help_heading = "Fly")]
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    pub(super) image: ImageArgs,
    #[command(flatten)]
    pub(super) fly: FlyArgs,
    /// Deploy an image that is in a registry already, and build nothing
    #[arg(
        short = 'i',
        long = "image",
        value_name = "REFERENCE",
        conflicts_with = "installable",
        help_heading = "Image"
    )]
    pub(super) reference: Option<Reference>,
    /// Set a variable in the machines' environment, over fly.toml; may be repeated
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE", value_parser = variable, help_heading = "Deploy")]
    pub(super) variables: Vec<(String, String)>,
    /// How machines are replaced, over fly.toml; so far only `rolling`
    #[arg(
        long,
        value_name = "STRATEGY",
        env = "SNOWBIRD_STRATEGY",
        hide_env_values = true,
        help_heading = "Deploy"
    )]
    pub(super) strategy: Option<String>,
    /// How long a machine may take to start and become healthy, such as `90s`, over fly.toml
    /// [default: 5m]
    #[arg(
        long, value_name = "DURATION", value_parser = duration, env = "SNOWBIRD_WAIT_TIMEOUT",
        hide_env_values = true, help_heading = "Deploy"
    )]
    pub(super) wait_timeout: Option<Duration>,
    /// Deploy to a sandbox: a new one, which ends with this command, or the one at URL
    #[arg(
        long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "",
        help_heading = "Deploy"
    )]
    pub(super) sandbox: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    pub(super) image: ImageArgs,
    #[command(flatten)]
    pub(super) fly: FlyArgs,
    /// Where to push: HOST/REPOSITORY, with `:TAG` if you like [default: the app's repository
    /// in Fly's registry]
    #[arg(
        long,
        value_name = "REFERENCE",
        env = "SNOWBIRD_TO",
        hide_env_values = true,
        help_heading = "Registry"
    )]
    pub(super) to: Option<Reference>,
    /// The user name for a registry other than Fly's
    #[arg(
        long,
        value_name = "NAME",
        env = "SNOWBIRD_REGISTRY_USERNAME",
        hide_env_values = true,
        requires = "password_file",
        help_heading = "Registry"
    )]
    pub(super) username: Option<String>,
    /// A file with the password for a registry other than Fly's; else docker's own login
    #[arg(
        long,
        value_name = "FILE",
        env = "SNOWBIRD_REGISTRY_PASSWORD_FILE",
        hide_env_values = true,
        requires = "username",
        help_heading = "Registry"
    )]
    pub(super) password_file: Option<PathBuf>,
    /// Speak HTTP without TLS, as is always done with loopback hosts
    #[arg(long, help_heading = "Registry")]
    pub(super) plain_http: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) fly: FlyArgs,
    /// Ask the sandbox at URL
    #[arg(long, value_name = "URL", require_equals = true, help_heading = "Fly")]
    pub(super) sandbox: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct SandboxArgs {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(super) listen: std::net::SocketAddr,
    /// An app that exists from the start, of the organization `personal` unless another is
    /// named; may be repeated. Without any, apps come to be when they are named
    #[arg(long = "app", value_name = "NAME[@ORGANIZATION]")]
    pub(super) apps: Vec<String>,
    /// A folder to keep images, apps and machines in; without it they are kept in memory
    #[arg(long, value_name = "FOLDER")]
    pub(super) state: Option<PathBuf>,
    /// Something to go wrong with requests: `METHOD PATH[#WHICH] [for:SECONDS]=KIND`; may be
    /// repeated
    ///
    /// METHOD may be `*`. PATH is what the request's path begins with; `*` in it stands for a
    /// segment, `$` for its end. WHICH is `N`, `N-M`, `N-` or `*`; without it and without
    /// `for:` it is the first. KIND is `status:CODE[,retry-after:SECONDS][:TEXT]`, `reset`,
    /// `cut:BYTES`, `lost` (done, but not answered), `delay:SECONDS`, `capacity` (no room),
    /// `steal:SECONDS` (another takes the machine's lease), `unlease` (the lease is lost) or
    /// `unreachable` (the machine's host is lost). `* /v1 for:20s=status:503` is an outage.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(super) faults: Vec<Fault>,
    /// Let only N more machines find room in a region, or for an app; may be repeated
    #[arg(long = "capacity", value_name = "REGION|APP=N", value_parser = room)]
    pub(super) capacity: Vec<(Place, u64)>,
    /// Enforce the platform's documented rate limits
    #[arg(long)]
    pub(super) rate_limits: bool,
    /// Say in such a refusal when to ask again, by `Retry-After`
    #[arg(long, requires = "rate_limits")]
    pub(super) retry_after: bool,
    /// A file with the token that is accepted, in place of `sandbox`
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn room(text: &str) -> Result<(Place, u64), String> {
    let read = || {
        let (place, machines) = text.split_once('=')?;
        Some((place.parse().ok()?, machines.parse().ok()?))
    };
    read().ok_or_else(|| "write it as REGION=N or APP=N".to_owned())
}

/// Reads `90s`, `5m`, or seconds alone, as flyctl does.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_follows_two_dashes_is_for_nix() {
        let args = Args::parse_from(["snowbird", "push", ".#a", "--", "--impure"]);
        let Command::Push(push) = args.command else { panic!() };
        assert_eq!(push.image.installable.as_deref(), Some(".#a"));
        assert_eq!(push.image.nix_arguments, ["--impure"]);
    }

    #[test]
    fn a_sandbox_can_be_named_or_not() {
        for (typed, expected) in [
            (&["snowbird", "deploy"][..], None),
            (&["snowbird", "deploy", "--sandbox", ".#a"], Some("")),
            (&["snowbird", "deploy", "--sandbox=http://127.0.0.1:1"], Some("http://127.0.0.1:1")),
        ] {
            let Command::Deploy(deploy) = Args::parse_from(typed).command else { panic!() };
            assert_eq!(deploy.sandbox.as_deref(), expected);
        }
    }

    #[test]
    fn short_flags_are_those_of_flyctl() {
        let typed = ["snowbird", "deploy", "-a", "web", "-c", "f", "-e", "A=1", "-i", "r.io/web:t"];
        let Command::Deploy(deploy) = Args::parse_from(typed).command else { panic!() };
        assert_eq!(deploy.variables, [("A".to_owned(), "1".to_owned())]);
        assert!(deploy.reference.is_some());
    }

    #[test]
    fn durations_are_read_as_flyctl_reads_them() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
    }
}
