//! snowbird

pub mod error;
pub mod event;
pub mod fly;
pub mod http;
pub mod image;
pub mod layer;
pub mod nix;
pub mod push;
pub mod registry;
pub mod sandbox;
pub mod source;
