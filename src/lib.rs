//! snowbird

pub mod error;
pub mod event;
pub mod image;
pub mod sandbox;
