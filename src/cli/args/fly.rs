//! Which app, and as whom.

use std::path::PathBuf;

use crate::fly::AppName;

/// Which app of Fly, and as whom.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FlyArgs {
    /// The app; by default the one that fly.toml names
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "FLY_APP",
        hide_env_values = true,
        help_heading = "Fly"
    )]
    pub(in crate::cli) app: Option<AppName>,
    /// A file with a Fly token; else `SNOWBIRD_TOKEN_FILE`, `FLY_ACCESS_TOKEN`,
    /// `FLY_API_TOKEN`, `FLY_AUTH_TOKEN` or flyctl's own login
    #[arg(long, value_name = "FILE", help_heading = "Fly")]
    pub(in crate::cli) token_file: Option<PathBuf>,
}

/// Where one app is described.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ConfigArgs {
    /// The app's configuration file, or the folder that it is in
    #[arg(
        short,
        long,
        value_name = "PATH",
        env = "SNOWBIRD_CONFIG",
        hide_env_values = true,
        help_heading = "Fly"
    )]
    pub(in crate::cli) config: Option<PathBuf>,
}

/// An app that is there already.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AppArgs {
    #[command(flatten)]
    pub(in crate::cli) fly: FlyArgs,
    #[command(flatten)]
    pub(in crate::cli) config: ConfigArgs,
    /// Ask the sandbox at URL
    #[arg(long, value_name = "URL", require_equals = true, help_heading = "Fly")]
    pub(in crate::cli) sandbox: Option<String>,
}
