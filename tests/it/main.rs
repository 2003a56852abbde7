//! Everything that needs more than one module, or another program.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod apps;
mod architecture;
mod broken_images;
mod commands;
mod config;
mod crashes;
mod doctor;
mod faults;
mod fly_toml;
mod help;
mod hosts;
mod interrupt;
mod kinds;
mod known_layers;
mod nix;
mod plans;
mod protocol;
mod push;
mod rates;
mod refusals;
mod rollout;
mod sandbox_flyctl;
mod secrets;
mod support;
mod whole_way;
mod writers;
