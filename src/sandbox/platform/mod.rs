//! The platform: the Machines API, the REST API beside it, and GraphQL.
//!
//! It answers what a deploy asks, by snowbird or by flyctl, and what one looks at after
//! it. Secrets, certificates, volumes' contents and billing are not here.

mod answer;
mod apps;
mod builds;
mod capacity;
mod graphql;
mod ips;
mod leases;
mod logs;
mod lookup;
mod machine_config;
mod machines;
mod metadata;
mod orders;
mod organizations;
mod releases;
mod route;
#[cfg(test)]
mod tests;
mod tokens;
mod volumes;
mod wait;

pub(super) use capacity::no_capacity;
pub(super) use ips::view as ip_view;
pub(super) use lookup::MachinePath;
pub(super) use route::answer;
pub(super) use volumes::view as volume_view;
