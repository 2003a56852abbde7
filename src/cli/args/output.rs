//! How progress is shown.

use clap::ValueEnum;
use clap::builder::BoolishValueParser;

use crate::cli::env::Env;
use crate::cli::report::Progress;

/// How progress is shown.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct OutputArgs {
    /// Write progress (stderr) and the result (stdout) as JSON, one object a line
    #[arg(
        long,
        global = true,
        env = "SNOWBIRD_JSON",
        hide_env_values = true,
        value_parser = BoolishValueParser::new(),
        help_heading = "Output"
    )]
    pub(in crate::cli) json: bool,
    /// How to show progress
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        env = "SNOWBIRD_PROGRESS",
        hide_env_values = true,
        help_heading = "Output"
    )]
    progress: ProgressArg,
    /// Show errors and the result alone
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressArg {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// Bars that move
    Bars,
    /// One line for each thing that happens
    Plain,
}

impl OutputArgs {
    /// Decides how progress is shown.
    pub(in crate::cli) fn progress(&self, env: &Env) -> Progress {
        match self.progress {
            _ if self.json => Progress::Json,
            _ if self.quiet => Progress::Silent,
            ProgressArg::Bars => Progress::Bars,
            ProgressArg::Auto if env.is_interactive() => Progress::Bars,
            ProgressArg::Auto | ProgressArg::Plain => Progress::Plain,
        }
    }
}
