//! `snowbird plan`

use super::RequestArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PlanArgs {
    #[command(flatten)]
    pub(in crate::cli) request: RequestArgs,
    /// End with 20 when something would change; an image that is not built yet counts as a
    /// change
    #[arg(long, help_heading = "Output")]
    pub(in crate::cli) exit_code: bool,
}
