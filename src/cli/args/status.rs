//! `snowbird status`

use super::FlyArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) fly: FlyArgs,
    /// Ask the sandbox at URL
    #[arg(long, value_name = "URL", require_equals = true, help_heading = "Fly")]
    pub(in crate::cli) sandbox: Option<String>,
}
