//! `snowbird apps`

use std::path::PathBuf;

use clap::Subcommand;

use crate::fly::AppName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AppsCommand {
    /// Create an app
    ///
    /// It has no machines and no addresses until it is deployed. The result, one line on
    /// stdout, is its name.
    Create(CreateArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CreateArgs {
    /// Its name, unique on all of Fly
    #[arg(required_unless_present = "generate_name")]
    pub(in crate::cli) name: Option<AppName>,
    /// Make up a name
    #[arg(long, conflicts_with = "name")]
    generate_name: bool,
    /// The organization that it shall belong to [default: the one that the token is for, or
    /// `personal`]
    #[arg(short, long, value_name = "SLUG", env = "FLY_ORG", hide_env_values = true)]
    pub(in crate::cli) org: Option<String>,
    /// A file with a Fly token; else as for `deploy`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// Ask the sandbox at URL
    #[arg(long, value_name = "URL", require_equals = true)]
    pub(in crate::cli) sandbox: Option<String>,
}
