//! `snowbird sandbox`

use std::path::PathBuf;

use crate::fly::AppName;
use crate::sandbox::Fault;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SandboxArgs {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    /// An app that exists from the start; may be repeated. Without any, apps come to be when
    /// they are named
    #[arg(long = "app", value_name = "NAME")]
    pub(in crate::cli) apps: Vec<AppName>,
    /// A folder to keep images, apps and machines in; without it they are kept in memory
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// Something to go wrong, once: `METHOD PATH[#NTH]=KIND`, where KIND is `status:CODE`,
    /// `cut:BYTES`, `lost` or `delay:SECONDS`
    #[arg(long = "fault", value_name = "FAULT")]
    pub(in crate::cli) faults: Vec<Fault>,
    /// Enforce the platform's documented rate limits
    #[arg(long)]
    pub(in crate::cli) rate_limits: bool,
    /// A file with the token that is accepted, in place of `sandbox`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,
}
