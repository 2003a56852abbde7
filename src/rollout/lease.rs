//! Leases on all machines of a deploy, let go on every way out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fly::wire::LeaseNonce;
use crate::fly::{AppName, Client, Error as FlyError};

use super::Error;

/// How long letting go may take; what is not let go ends by itself.
const LET_GO: Duration = Duration::from_secs(2);

/// How long an interrupted deploy waits for leases that are being given.
const LAST_GRANTS: Duration = Duration::from_secs(1);

/// What the leases are for, for those who meet them.
const PURPOSE: &str = "snowbird deploy";

/// The leases of a deploy. [`Leases::release`] must end it.
#[derive(Debug)]
pub(super) struct Leases<'a> {
    client: &'a Client,
    app: &'a AppName,
    ttl: Duration,
    held: Mutex<BTreeMap<String, LeaseNonce>>,
}

impl<'a> Leases<'a> {
    pub(super) fn new(client: &'a Client, app: &'a AppName, ttl: Duration) -> Self {
        Self { client, app, ttl, held: Mutex::default() }
    }

    /// Takes the leases of all `machines` at once. When `cancel` comes first, what is being
    /// given is awaited for a second, so that it can be let go.
    pub(super) async fn acquire(
        &self,
        machines: &[&str],
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let all = join_all(machines.iter().map(async |machine| {
            let nonce = acquire(self.client, self.app, machine, self.ttl).await?;
            self.lock().insert((*machine).to_owned(), nonce);
            Ok(())
        }));
        let mut all = pin!(all);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                if timeout(LAST_GRANTS, all).await.is_err() {
                    tracing::warn!("leases that are being given end by themselves");
                }
                Err(Error::Interrupted {
                    changed: Vec::new(),
                    unchanged: machines.iter().map(|machine| (*machine).to_owned()).collect(),
                })
            }
            results = &mut all => results.into_iter().collect(),
        }
    }

    pub(super) fn nonce(&self, machine: &str) -> Option<LeaseNonce> {
        self.lock().get(machine).cloned()
    }

    /// Runs `work` and keeps the leases fresh meanwhile.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = work => result,
            never = self.refresh() => match never {},
        }
    }

    async fn refresh(&self) -> Infallible {
        loop {
            sleep(self.ttl / 3).await;
            let leases = self.lock().clone();
            join_all(leases.iter().map(async |(machine, nonce)| {
                let renewed = self
                    .client
                    .lease_machine(self.app, machine, self.ttl, Some(nonce), PURPOSE)
                    .await;
                // A lease that is lost shows when the machine is updated.
                if let Err(error) = renewed {
                    tracing::warn!(%machine, %error, "lease not refreshed");
                }
            }))
            .await;
        }
    }

    /// Lets go of all leases, within two seconds.
    pub(super) async fn release(&self) {
        let leases = std::mem::take(&mut *self.lock());
        let let_go = join_all(leases.iter().map(async |(machine, nonce)| {
            if let Err(error) = self.client.release_machine(self.app, machine, nonce).await {
                tracing::warn!(%machine, %error, "lease not let go");
            }
        }));
        if timeout(LET_GO, let_go).await.is_err() {
            tracing::warn!("not all leases were let go in time");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LeaseNonce>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn acquire(
    client: &Client,
    app: &AppName,
    machine: &str,
    ttl: Duration,
) -> Result<LeaseNonce, Error> {
    match client.lease_machine(app, machine, ttl, None, PURPOSE).await {
        Ok(lease) => lease.nonce.ok_or_else(|| {
            Error::Fly(FlyError::Unreadable {
                what: format!("lease machine {machine}"),
                reason: "it holds no nonce".to_owned(),
            })
        }),
        Err(FlyError::LeaseHeld { refusal, .. }) => {
            let lease = client.machine_lease(app, machine).await.ok().flatten();
            let (owner, expires_at) = match lease {
                Some(lease) if !lease.owner.is_empty() => (lease.owner, lease.expires_at),
                _ => (format!("another ({})", refusal.text), 0),
            };
            let until = match expires_at {
                0 => "an unknown time".to_owned(),
                at => SystemTime::UNIX_EPOCH
                    .checked_add(Duration::from_secs(at))
                    .map_or_else(String::new, |at| {
                        humantime::format_rfc3339_seconds(at).to_string()
                    }),
            };
            Err(Error::LeaseHeld { machine: machine.to_owned(), owner, until })
        }
        Err(error) => Err(error.into()),
    }
}
