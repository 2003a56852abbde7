//! Everything that needs more than one module, or another program.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod architecture;
mod broken_images;
mod crashes;
mod deploy;
mod faults;
mod help;
mod interrupt;
mod kinds;
mod known_layers;
mod nix;
mod plans;
mod protocol;
mod push;
mod refusals;
mod sandbox_flyctl;
mod secrets;
mod support;
mod whole_way;
mod writers;
