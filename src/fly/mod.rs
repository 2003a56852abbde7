//! The platform: its API, its configuration file and its errors.

pub mod wire;
