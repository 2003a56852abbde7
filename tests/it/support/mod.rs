//! What the tests of the whole program need: a place of its own for each run, a registry, a
//! Fly, images, and an independent reader of what was pushed.

pub(crate) mod archive;
pub(crate) mod docker_registry;
pub(crate) mod fly;
pub(crate) mod library;
pub(crate) mod request;
pub(crate) mod rust_text;
pub(crate) mod scripted_registry;
pub(crate) mod skopeo;
pub(crate) mod world;

pub(crate) use archive::{Archive, Kind};
pub(crate) use docker_registry::DockerRegistry;
pub(crate) use fly::Fly;
pub(crate) use scripted_registry::ScriptedRegistry;
pub(crate) use world::World;
