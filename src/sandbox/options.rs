//! What a sandbox is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::access::Grant;
use super::pace::Pace;

/// As large as an unpacked image may be on Fly, in bytes.
const ROOTFS_BYTES: u64 = 8_000_000_000;

/// What a sandbox is told before it starts.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Options {
    /// Where it listens; port 0 takes any port that is free.
    pub address: SocketAddr,
    /// Tokens that are good for everything, without a scheme word.
    pub tokens: Vec<String>,
    /// Tokens that are good for one organization or one app. When there are neither these
    /// nor [`Options::tokens`], any token is good for everything.
    pub grants: Vec<Grant>,
    /// Whether a macaroon that demands a discharge is refused without one. Those that
    /// [`Sandbox::mint_macaroon`](super::Sandbox::mint_macaroon) makes for more than an app
    /// demand it then.
    pub require_discharge: bool,
    /// How long a discharge is good; on Fly about five minutes.
    pub discharge_lifetime: Duration,
    /// Apps that exist from the start: `NAME`, or `NAME@ORGANIZATION`. The organization is
    /// `personal` if none is named.
    pub apps: Vec<String>,
    /// Whether an app comes to be when it is first named, as it never does on Fly.
    pub auto_create_apps: bool,
    /// Whether whoever asks more often than Fly documents is told 429.
    pub rate_limits: bool,
    /// Whether such an answer says when to ask again, by `Retry-After`.
    pub retry_after: bool,
    /// How many bytes an unpacked image may have. A machine with a larger one never starts.
    pub rootfs_bytes: u64,
    /// Where images, apps and machines are kept.
    pub storage: Storage,
    /// How long the states of a machine last.
    pub pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: Vec::new(),
            grants: Vec::new(),
            require_discharge: false,
            discharge_lifetime: Duration::from_secs(300),
            apps: Vec::new(),
            auto_create_apps: false,
            rate_limits: false,
            retry_after: false,
            rootfs_bytes: ROOTFS_BYTES,
            storage: Storage::Memory,
            pace: Pace::default(),
        }
    }
}

/// Where a sandbox keeps what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until it stops.
    Memory,
    /// In a folder, which a later sandbox goes on from. It is made if it is missing.
    Folder(PathBuf),
}
