//! Completions and man page, made from the description of the arguments.

use clap::CommandFactory as _;

use super::args::Args;
use super::exit::Failure;
use super::Context;

/// Writes completions for `shell`.
pub(super) fn completions(context: &Context, shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "snowbird", &mut text);
    context.output.raw(&text)
}

/// Writes the man page.
pub(super) fn man(context: &Context) -> Result<(), Failure> {
    let mut text = Vec::new();
    let made = clap_mangen::Man::new(Args::command()).render(&mut text);
    made.map_err(|error| Failure::unforeseen(&error.to_string()))?;
    context.output.raw(&text)
}
