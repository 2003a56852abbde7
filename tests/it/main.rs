//! Everything that needs more than one module, or another program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod deploy;
mod help;
mod nix;
