//! What is handed on to Nix.

use std::ffi::OsString;

/// Flags of `nix` itself, as it knows them. All others go after `--`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Nix")]
pub(in crate::cli) struct NixArgs {
    /// Build for this system; only what is named without one is looked for there
    #[arg(long, value_name = "SYSTEM")]
    system: Option<OsString>,
    /// Let the flake read the environment and the whole file system
    #[arg(long)]
    impure: bool,
    /// Set one of Nix's settings
    #[arg(long = "option", num_args = 2, value_names = ["NAME", "VALUE"])]
    options: Vec<OsString>,
    /// Use another flake for one of the flake's inputs
    #[arg(long = "override-input", num_args = 2, value_names = ["INPUT", "FLAKE"])]
    inputs: Vec<OsString>,
    /// Take the settings that the flake asks for
    #[arg(long)]
    accept_flake_config: bool,
    /// Build on these machines, such as `ssh://HOST x86_64-linux`
    #[arg(long, value_name = "MACHINES")]
    builders: Option<OsString>,
    /// Build in this store, and fetch the image from it
    #[arg(long, value_name = "URL")]
    store: Option<OsString>,
    /// Evaluate in this store
    #[arg(long, value_name = "URL")]
    eval_store: Option<OsString>,
}

impl NixArgs {
    /// Returns what was typed, as Nix wants it.
    pub(in crate::cli) fn arguments(&self) -> Vec<OsString> {
        let Self { system, impure, options, inputs, accept_flake_config, builders, .. } = self;
        let Self { store, eval_store, .. } = self;
        let mut arguments: Vec<OsString> = Vec::new();
        for (flag, value) in [
            ("--system", system),
            ("--builders", builders),
            ("--store", store),
            ("--eval-store", eval_store),
        ] {
            arguments.extend(value.iter().flat_map(|value| [flag.into(), value.clone()]));
        }
        for (flag, pairs) in [("--option", options), ("--override-input", inputs)] {
            for pair in pairs.chunks(2) {
                arguments.push(flag.into());
                arguments.extend_from_slice(pair);
            }
        }
        for (flag, is_set) in [("--impure", impure), ("--accept-flake-config", accept_flake_config)]
        {
            arguments.extend(is_set.then(|| flag.into()));
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        nix: NixArgs,
    }

    #[test]
    fn what_was_typed_is_handed_on() {
        for typed in [
            "",
            "--system aarch64-linux --builders ssh://b --store ssh-ng://s --eval-store auto",
            "--option cores 2 --option max-jobs 1 --override-input nixpkgs path:/n",
            "--override-input a b --override-input c d --impure --accept-flake-config",
        ] {
            let words: Vec<_> = typed.split_whitespace().collect();
            let line = Line::try_parse_from(["x"].iter().chain(&words)).unwrap();
            assert_eq!(line.nix.arguments(), words, "{typed}");
        }
    }

    #[test]
    fn half_a_pair_is_refused() {
        assert!(Line::try_parse_from(["x", "--option", "cores"]).is_err());
    }
}
