//! `snowbird status`

use super::AppArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) app: AppArgs,
}
