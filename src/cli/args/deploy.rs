//! `snowbird deploy`

use std::time::Duration;

use super::duration::duration;
use super::{FlyArgs, ImageArgs};
use crate::image::Reference;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeployArgs {
    #[command(flatten)]
    pub(in crate::cli) image: ImageArgs,
    #[command(flatten)]
    pub(in crate::cli) fly: FlyArgs,
    /// Deploy an image that is in a registry already, and build nothing
    #[arg(
        short = 'i',
        long = "image",
        value_name = "REFERENCE",
        conflicts_with = "installable",
        help_heading = "Image"
    )]
    pub(in crate::cli) reference: Option<Reference>,
    /// Set a variable in the machines' environment, over fly.toml; may be repeated
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE", value_parser = variable, help_heading = "Deploy")]
    pub(in crate::cli) variables: Vec<(String, String)>,
    /// How machines are replaced, over fly.toml; so far only `rolling`
    #[arg(
        long,
        value_name = "STRATEGY",
        env = "SNOWBIRD_STRATEGY",
        hide_env_values = true,
        help_heading = "Deploy"
    )]
    pub(in crate::cli) strategy: Option<String>,
    /// How long a machine may take to start and become healthy, such as `90s`, over fly.toml
    /// [default: 5m]
    #[arg(
        long, value_name = "DURATION", value_parser = duration, env = "SNOWBIRD_WAIT_TIMEOUT",
        hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) wait_timeout: Option<Duration>,
    /// Deploy to a sandbox: a new one, which ends with this command, or the one at URL
    #[arg(
        long, value_name = "URL", num_args = 0..=1, require_equals = true, default_missing_value = "",
        help_heading = "Deploy"
    )]
    pub(in crate::cli) sandbox: Option<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
