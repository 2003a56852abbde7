//! The `snowbird` program.
fn main() {}
