//! `snowbird config`

use clap::Subcommand;

use super::ConfigArgs;
use crate::fly::AppName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Show the configuration that a new machine of each process group would get
    ///
    /// It is one JSON object on stdout, by the names of the groups.
    Show(ConfigShowArgs),
    /// Tell all that is wrong with fly.toml, and what is probably not meant
    ///
    /// Warnings go to stderr; what is wrong ends it with 10.
    Validate(ConfigValidateArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ConfigShowArgs {
    #[command(flatten)]
    pub(in crate::cli) file: ConfigArgs,
    /// The app whose image is named; by default the one that fly.toml names
    #[arg(short, long, value_name = "NAME", env = "FLY_APP", hide_env_values = true)]
    pub(in crate::cli) app: Option<AppName>,
    /// A process group to show, instead of all; may be repeated
    #[arg(short, long = "group", value_name = "GROUP")]
    pub(in crate::cli) groups: Vec<String>,
    /// The image that the machines run [default: the one that fly.toml names, or else the
    /// app's repository in Fly's registry]
    #[arg(short, long, value_name = "REFERENCE")]
    pub(in crate::cli) image: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ConfigValidateArgs {
    #[command(flatten)]
    pub(in crate::cli) file: ConfigArgs,
    /// Take keys that are not known for errors
    #[arg(long)]
    pub(in crate::cli) strict: bool,
}
