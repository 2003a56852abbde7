//! Leases: the exclusive right to change a machine, for a time.

use serde::{Deserialize, Serialize};

/// The word that proves a lease, sent in the header `fly-machine-lease-nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseNonce(pub String);

/// A lease on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Proves the lease; only its holder is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<LeaseNonce>,
    /// When it ends by itself, in seconds since 1970.
    #[serde(default)]
    pub expires_at: u64,
    /// Who holds it, as the platform names them.
    #[serde(default)]
    pub owner: String,
    /// What the holder says it is for.
    #[serde(default)]
    pub description: String,
    /// The machine's version when the lease was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Asks for a lease, or to renew one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLease {
    /// What it is for; whoever meets the lease is shown it.
    #[serde(default)]
    pub description: String,
    /// How long it lives unless it is renewed, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
}

/// The answer to a request for a lease: the document says bare, the platform wraps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LeaseAnswer {
    /// As the platform answers.
    Wrapped {
        /// `success`.
        status: String,
        /// The lease.
        data: Lease,
    },
    /// As the document describes.
    Bare(Lease),
}

impl LeaseAnswer {
    /// Returns the lease, however it was wrapped.
    pub fn into_lease(self) -> Lease {
        match self {
            Self::Wrapped { data, .. } => data,
            Self::Bare(lease) => lease,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_wrapped_and_bare() {
        for text in [
            r#"{"status":"success","data":{"nonce":"ab","expires_at":7,"owner":"me"}}"#,
            r#"{"nonce":"ab","expires_at":7,"owner":"me","description":"","version":null}"#,
        ] {
            let lease = serde_json::from_str::<LeaseAnswer>(text).unwrap().into_lease();
            assert_eq!(lease.nonce, Some(LeaseNonce("ab".into())), "{text}");
            assert_eq!((lease.expires_at, lease.owner.as_str()), (7, "me"), "{text}");
        }
    }
}
