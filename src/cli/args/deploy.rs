//! `snowbird deploy`

use clap::builder::BoolishValueParser;

use super::RequestArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeployArgs {
    #[command(flatten)]
    pub(in crate::cli) request: RequestArgs,
    /// Show what would happen to the machines; build, push and change nothing
    #[arg(
        long, env = "SNOWBIRD_DRY_RUN", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) dry_run: bool,
}
