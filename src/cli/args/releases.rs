//! `snowbird releases` and `snowbird rollback`

use std::num::NonZeroUsize;

use clap::builder::BoolishValueParser;

use super::{AppArgs, RolloutArgs};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReleasesArgs {
    #[command(flatten)]
    pub(in crate::cli) app: AppArgs,
    /// How many releases to show, the newest first
    #[arg(long, value_name = "NUMBER", default_value = "25")]
    pub(in crate::cli) limit: NonZeroUsize,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RollbackArgs {
    /// The release to go back to, such as `v3` [default: the newest complete one before the one
    /// that runs now, with another image]
    #[arg(value_parser = version)]
    pub(in crate::cli) version: Option<u64>,
    #[command(flatten)]
    pub(in crate::cli) app: AppArgs,
    #[command(flatten)]
    pub(in crate::cli) rollout: RolloutArgs,
    /// Show what would happen to the machines, and change nothing
    #[arg(
        long, env = "SNOWBIRD_DRY_RUN", hide_env_values = true,
        value_parser = BoolishValueParser::new(), help_heading = "Deploy"
    )]
    pub(in crate::cli) dry_run: bool,
}

fn version(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('v').unwrap_or(text).parse().ok();
    number.filter(|version| *version > 0).ok_or_else(|| "write it as `v3` or `3`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_with_or_without_a_v() {
        assert_eq!((version("v12"), version("3")), (Ok(12), Ok(3)));
        for text in ["", "v", "0", "-1", "latest"] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
