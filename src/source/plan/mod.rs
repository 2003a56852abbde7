//! Layer plans: what `dockerTools.streamLayeredImage` decides when it is built.
//!
//! A plan (`…-conf.json`) says which store paths make up which layer. nixpkgs turns it into
//! a docker archive with a Python script, one layer after another, each written twice. Here
//! the same layers are made straight from the store paths, to the same bytes: each can be
//! read by itself, in any order, at any time, and one that nobody wants is never read.
//!
//! Where the same bytes cannot be promised, the plan is refused with the reason, and the
//! script is left to do its work.

mod conf;
mod config;
mod interpreter;
mod json;
mod layer;
mod script;
mod time;
mod tree;

pub(super) use conf::Plan;
pub(super) use config::Base;
pub(super) use layer::{CustomisationLayer, PlanLayer, StoreLayer};
pub(super) use script::{Found, plan_of_script};

#[cfg(test)]
mod tests;
