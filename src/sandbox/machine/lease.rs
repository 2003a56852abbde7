//! Leases: one holder at a time, until a moment.

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Machine;
use crate::fly::wire::{Lease, LeaseNonce};

/// Who holds leases that were asked for.
const OWNER: &str = "sandbox@tokens.fly.io";

/// A lease, as it is kept. It is over when its time is, without anybody's doing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Leased {
    pub(in crate::sandbox) nonce: String,
    /// Milliseconds since 1970.
    pub(in crate::sandbox) expires_at_ms: u64,
    pub(in crate::sandbox) owner: String,
    pub(in crate::sandbox) description: String,
    /// The machine's version when it was taken.
    pub(in crate::sandbox) version: String,
}

impl Leased {
    /// Returns what its holder is told; others are not told the nonce.
    pub(in crate::sandbox) fn view(&self, to_holder: bool) -> Lease {
        Lease {
            nonce: to_holder.then(|| LeaseNonce(self.nonce.clone())),
            expires_at: self.expires_at_ms / 1000,
            owner: self.owner.clone(),
            description: self.description.clone(),
            version: Some(self.version.clone()),
        }
    }
}

/// Somebody else holds the lease, or nobody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Held {
    /// The nonce is not the one of the lease that lives.
    ByOther { owner: String, expires_at_ms: u64 },
    /// A nonce was shown, but its lease is over.
    ByNobody,
}

impl Machine {
    /// Returns the lease that lives.
    pub(in crate::sandbox) fn live_lease(&self, now_ms: u64) -> Option<&Leased> {
        self.lease.as_ref().filter(|lease| lease.expires_at_ms > now_ms)
    }

    /// Lets pass whoever shows the nonce of the lease that lives, and anybody if none does.
    pub(in crate::sandbox) fn check_lease(
        &self,
        nonce: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Held> {
        match self.live_lease(now_ms) {
            Some(lease) if nonce != Some(&lease.nonce) => Err(Held::ByOther {
                owner: lease.owner.clone(),
                expires_at_ms: lease.expires_at_ms,
            }),
            _ => Ok(()),
        }
    }

    /// Takes the lease without a nonce, or renews it with one, for `ttl_s` seconds. A new
    /// description replaces the one before.
    pub(in crate::sandbox) fn take_lease(
        &mut self,
        nonce: Option<&str>,
        ttl_s: u64,
        description: String,
        now_ms: u64,
    ) -> Result<&Leased, Held> {
        self.check_lease(nonce, now_ms)?;
        let live = self.live_lease(now_ms).cloned();
        let expires_at_ms = now_ms + ttl_s * 1000;
        let lease = match (live, nonce) {
            (Some(lease), _) if description.is_empty() => Leased { expires_at_ms, ..lease },
            (Some(lease), _) => Leased { expires_at_ms, description, ..lease },
            (None, Some(_)) => return Err(Held::ByNobody),
            (None, None) => Leased {
                nonce: new_nonce(),
                expires_at_ms,
                owner: OWNER.into(),
                description,
                version: self.instance_id.clone(),
            },
        };
        Ok(self.lease.insert(lease))
    }

    /// Gives the lease to somebody else, whoever had it.
    pub(in crate::sandbox) fn steal_lease(&mut self, owner: &str, until_ms: u64) {
        self.lease = Some(Leased {
            nonce: new_nonce(),
            expires_at_ms: until_ms,
            owner: owner.into(),
            description: String::new(),
            version: self.instance_id.clone(),
        });
    }

    /// Gives the lease up.
    pub(in crate::sandbox) fn drop_lease(
        &mut self,
        nonce: Option<&str>,
        now_ms: u64,
    ) -> Result<(), Held> {
        self.check_lease(nonce, now_ms)?;
        self.live_lease(now_ms).ok_or(Held::ByNobody)?;
        self.lease = None;
        Ok(())
    }
}

fn new_nonce() -> String {
    format!("{:012x}", Ulid::generate().random() & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_excludes_others_until_its_time_is_over() {
        let mut machine = Machine::default();
        let nonce = machine.take_lease(None, 10, String::new(), 1_000).unwrap().nonce.clone();
        let other = machine.check_lease(Some("other"), 10_999).unwrap_err();
        assert!(matches!(other, Held::ByOther { expires_at_ms: 11_000, .. }));
        assert!(machine.check_lease(None, 10_999).is_err());
        assert_eq!(machine.check_lease(Some(&nonce), 10_999), Ok(()));
        assert_eq!(machine.check_lease(None, 11_000), Ok(()));
    }

    #[test]
    fn a_renewed_lease_keeps_its_nonce_and_one_that_is_over_is_not_renewed() {
        let mut machine = Machine::default();
        let nonce = machine.take_lease(None, 10, String::new(), 0).unwrap().nonce.clone();
        let renewed = machine.take_lease(Some(&nonce), 10, String::new(), 5_000).unwrap();
        assert_eq!((&renewed.nonce, renewed.expires_at_ms), (&nonce, 15_000));
        let late = machine.take_lease(Some(&nonce), 10, String::new(), 15_000);
        assert!(matches!(late, Err(Held::ByNobody)));
        let second = machine.take_lease(None, 10, String::new(), 15_000).unwrap();
        assert_ne!(second.nonce, nonce);
    }

    #[test]
    fn a_stolen_lease_is_somebody_elses() {
        let mut machine = Machine::default();
        let nonce = machine.take_lease(None, 10, String::new(), 0).unwrap().nonce.clone();
        machine.steal_lease("thief", 20_000);
        let held = machine.take_lease(Some(&nonce), 10, String::new(), 1).unwrap_err();
        assert_eq!(held, Held::ByOther { owner: "thief".into(), expires_at_ms: 20_000 });
    }

    #[test]
    fn only_the_holder_gives_a_lease_up() {
        let mut machine = Machine::default();
        let nonce = machine.take_lease(None, 10, String::new(), 0).unwrap().nonce.clone();
        assert!(machine.drop_lease(None, 1).is_err());
        assert_eq!(machine.drop_lease(Some(&nonce), 1), Ok(()));
        assert_eq!(machine.drop_lease(Some(&nonce), 1), Err(Held::ByNobody));
    }
}
