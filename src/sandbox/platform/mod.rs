//! The platform: the Machines API, the REST API beside it, and some GraphQL.
//!
//! It answers what a deploy asks, by snowbird or by flyctl, and what one looks at after
//! it. Secrets, certificates, volumes' contents and billing are not here.

mod answer;
mod apps;
mod graphql;
mod leases;
mod logs;
mod machines;
mod metadata;
mod orders;
mod releases;
mod route;
#[cfg(test)]
mod tests;
mod volumes;
mod wait;

pub(super) use route::answer;
