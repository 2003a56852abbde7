//! Completions and man page, made from the description of the arguments.

use clap::CommandFactory as _;

use super::args::Args;
use super::exit::Failure;
use super::output::to_stdout;

/// Writes completions for `shell`.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "snowbird", &mut text);
    to_stdout(&text).map(drop)
}

/// Writes the man page.
pub(super) fn man() -> Result<(), Failure> {
    let mut text = Vec::new();
    let made = clap_mangen::Man::new(Args::command()).render(&mut text);
    made.map_err(|error| Failure::unforeseen(&error.to_string()))?;
    to_stdout(&text).map(drop)
}
