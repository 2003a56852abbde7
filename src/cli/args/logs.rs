//! `snowbird logs`

use super::AppArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct LogsArgs {
    #[command(flatten)]
    pub(in crate::cli) app: AppArgs,
    /// Only what the machine with this ID wrote
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) machine: Option<String>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long)]
    pub(in crate::cli) follow: bool,
}
