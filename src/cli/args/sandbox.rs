//! `snowbird sandbox`

use std::path::PathBuf;

use crate::sandbox::{Fault, Place};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SandboxArgs {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    /// An app that exists from the start, of the organization `personal` unless another is
    /// named; may be repeated. Without any, apps come to be when they are named
    #[arg(long = "app", value_name = "NAME[@ORGANIZATION]")]
    pub(in crate::cli) apps: Vec<String>,
    /// A folder to keep images, apps and machines in; without it they are kept in memory
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// Something to go wrong with requests: `METHOD PATH[#WHICH] [for:SECONDS]=KIND`; may be
    /// repeated
    ///
    /// METHOD may be `*`. PATH is what the request's path begins with; `*` in it stands for a
    /// segment, `$` for its end. WHICH is `N`, `N-M`, `N-` or `*`; without it and without
    /// `for:` it is the first. KIND is `status:CODE[,retry-after:SECONDS][:TEXT]`, `reset`,
    /// `cut:BYTES`, `lost` (done, but not answered), `delay:SECONDS`, `capacity` (no room),
    /// `steal:SECONDS` (another takes the machine's lease), `unlease` (the lease is lost) or
    /// `unreachable` (the machine's host is lost). `* /v1 for:20s=status:503` is an outage.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(in crate::cli) faults: Vec<Fault>,
    /// Let only N more machines find room in a region, or for an app; may be repeated
    #[arg(long = "capacity", value_name = "REGION|APP=N", value_parser = room)]
    pub(in crate::cli) capacity: Vec<(Place, u64)>,
    /// Enforce the platform's documented rate limits
    #[arg(long)]
    pub(in crate::cli) rate_limits: bool,
    /// Say in such a refusal when to ask again, by `Retry-After`
    #[arg(long, requires = "rate_limits")]
    pub(in crate::cli) retry_after: bool,
    /// A file with the token that is accepted, in place of `sandbox`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,
}

fn room(text: &str) -> Result<(Place, u64), String> {
    let read = || {
        let (place, machines) = text.split_once('=')?;
        Some((place.parse().ok()?, machines.parse().ok()?))
    };
    read().ok_or_else(|| "write it as REGION=N or APP=N".to_owned())
}
