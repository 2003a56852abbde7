//! `snowbird push`

use std::path::PathBuf;

use super::{ConfigArgs, FlyArgs, ImageArgs};
use crate::image::Reference;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PushArgs {
    #[command(flatten)]
    pub(in crate::cli) image: ImageArgs,
    #[command(flatten)]
    pub(in crate::cli) fly: FlyArgs,
    #[command(flatten)]
    pub(in crate::cli) config: ConfigArgs,
    /// Where to push: HOST/REPOSITORY, with `:TAG` if you like [default: the app's repository
    /// in Fly's registry]
    #[arg(
        long,
        value_name = "REFERENCE",
        env = "SNOWBIRD_TO",
        hide_env_values = true,
        help_heading = "Registry"
    )]
    pub(in crate::cli) to: Option<Reference>,
    /// The user name for a registry other than Fly's
    #[arg(
        long,
        value_name = "NAME",
        env = "SNOWBIRD_REGISTRY_USERNAME",
        hide_env_values = true,
        requires = "password_file",
        help_heading = "Registry"
    )]
    pub(in crate::cli) username: Option<String>,
    /// A file with the password for a registry other than Fly's; else docker's own login
    #[arg(
        long,
        value_name = "FILE",
        env = "SNOWBIRD_REGISTRY_PASSWORD_FILE",
        hide_env_values = true,
        requires = "username",
        help_heading = "Registry"
    )]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Speak HTTP without TLS, as is always done with loopback hosts
    #[arg(long, help_heading = "Registry")]
    pub(in crate::cli) plain_http: bool,
}
