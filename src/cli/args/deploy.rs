//! `snowbird deploy`

use super::RequestArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeployArgs {
    #[command(flatten)]
    pub(in crate::cli) request: RequestArgs,
}
