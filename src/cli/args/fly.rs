//! Which app, and as whom.

use std::path::PathBuf;

use crate::fly::AppName;

/// Which Fly, and as whom.
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
    /// A file with a Fly token; else `SNOWBIRD_TOKEN_FILE`, `FLY_ACCESS_TOKEN`,
    /// `FLY_API_TOKEN`, `FLY_AUTH_TOKEN` or flyctl's own login
    #[arg(long, value_name = "FILE", help_heading = "Fly")]
    pub(in crate::cli) token_file: Option<PathBuf>,
}
