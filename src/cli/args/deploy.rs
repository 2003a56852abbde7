//! `snowbird deploy`

use clap::ValueEnum;
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
    /// Have another program deploy the image once it is pushed, and see whether it did
    #[arg(
        long, value_enum, value_name = "PROGRAM", conflicts_with_all = ["dry_run", "wait_lease"],
        env = "SNOWBIRD_VIA", hide_env_values = true, help_heading = "Deploy"
    )]
    pub(in crate::cli) via: Option<ViaArg>,
}

/// The programs that a deploy may be left to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ViaArg {
    /// The platform's own client, `flyctl` or `fly` on PATH
    Flyctl,
}
