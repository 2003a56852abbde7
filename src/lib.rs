//! snowbird

pub mod error;
pub mod event;
pub mod fly;
pub mod http;
pub mod image;
pub mod sandbox;
