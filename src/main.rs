//! The `snowbird` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    snowbird::cli::main()
}
