//! Leases on all machines of a deploy, let go on every way out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Reporter};
use crate::fly::wire::LeaseNonce;
use crate::fly::{AppName, Client, Error as FlyError};

use super::journal::Standing;
use super::settings::Patience;
use super::{Error, Failure};

/// How long letting go may take; what is not let go ends by itself.
const LET_GO: Duration = Duration::from_secs(2);

/// How long an interrupted deploy waits for leases that are being given.
const LAST_GRANTS: Duration = Duration::from_secs(1);

/// How often a lease that another holds is asked for.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);

/// What others are told of us.
const DESCRIPTION: &str = concat!("snowbird/", env!("CARGO_PKG_VERSION"), " deploy");

/// The leases of a deploy. [`Leases::release`] must end it.
#[derive(Debug)]
pub(super) struct Leases<'a> {
    client: &'a Client,
    app: &'a AppName,
    ttl: Duration,
    held: Mutex<BTreeMap<String, Held>>,
}

/// What is known of a machine's lease.
#[derive(Debug, Clone)]
enum Held {
    Ours(LeaseNonce),
    /// Somebody took it away: why we know.
    Lost(String),
}

impl<'a> Leases<'a> {
    pub(super) fn new(client: &'a Client, app: &'a AppName, patience: &Patience) -> Self {
        Self { client, app, ttl: patience.lease_ttl, held: Mutex::default() }
    }

    /// Takes the leases of all `machines`. Where another holds one, it is asked for again until
    /// `within` is over; meanwhile none is held, so that two deploys cannot wait for each other.
    pub(super) async fn acquire(
        &self,
        machines: &[&str],
        within: Duration,
        reporter: &dyn Reporter,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        let mut told = false;
        loop {
            let error = match self.acquire_once(machines, cancel).await {
                Err(error @ Error::LeaseHeld { .. }) if Instant::now() < deadline => error,
                done => return done,
            };
            self.release().await;
            if let Error::LeaseHeld { machine, owner, until } = &error
                && !std::mem::replace(&mut told, true)
            {
                let (machine, owner) = (machine.clone(), owner.clone());
                reporter.report(Event::LeaseAwaited { machine, owner, until: until.clone() });
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(interrupted(machines)),
                () = sleep(BETWEEN_TRIES) => {}
            }
        }
    }

    /// Takes all leases at once. When `cancel` comes first, what is being given is awaited for a
    /// second, so that it can be let go.
    async fn acquire_once(
        &self,
        machines: &[&str],
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let all = join_all(machines.iter().map(async |machine| {
            let nonce = self.acquire_one(machine).await?;
            self.lock().insert((*machine).to_owned(), Held::Ours(nonce));
            Ok(())
        }));
        let mut all = pin!(all);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                if timeout(LAST_GRANTS, all).await.is_err() {
                    tracing::warn!("leases that are being given end by themselves");
                }
                Err(interrupted(machines))
            }
            results = &mut all => results.into_iter().collect(),
        }
    }

    async fn acquire_one(&self, machine: &str) -> Result<LeaseNonce, Error> {
        let lease = self.client.lease_machine(self.app, machine, self.ttl, None, DESCRIPTION);
        match lease.await {
            Ok(lease) => lease.nonce.ok_or_else(|| {
                Error::Fly(FlyError::Unreadable {
                    what: format!("lease machine {machine}"),
                    reason: "it holds no nonce".to_owned(),
                })
            }),
            Err(FlyError::LeaseHeld { refusal, .. }) => {
                let lease = self.client.machine_lease(self.app, machine).await.ok().flatten();
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

    /// Returns what a request for a machine must show: nothing for a machine that is not leased.
    pub(super) fn nonce(&self, machine: &str) -> Option<LeaseNonce> {
        match self.lock().get(machine) {
            Some(Held::Ours(nonce)) => Some(nonce.clone()),
            Some(Held::Lost(_)) | None => None,
        }
    }

    /// Fails if the lease of a machine was taken away.
    pub(super) fn check(&self, machine: &str, group: &str) -> Result<(), Failure> {
        match self.lock().get(machine) {
            Some(Held::Lost(reason)) => Err(Failure::Machine {
                machine: machine.to_owned(),
                group: group.to_owned(),
                reason: format!("somebody else has taken its lease: {reason}"),
            }),
            Some(Held::Ours(_)) | None => Ok(()),
        }
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
            join_all(self.ours().iter().map(async |(machine, nonce)| {
                self.refresh_one(machine, nonce).await;
            }))
            .await;
        }
    }

    async fn refresh_one(&self, machine: &str, nonce: &LeaseNonce) {
        let (ttl, nonce) = (self.ttl, Some(nonce));
        let refreshed = self.client.lease_machine(self.app, machine, ttl, nonce, DESCRIPTION).await;
        let held = match refreshed {
            Ok(_) => return,
            Err(error @ FlyError::LeaseHeld { .. }) => Held::Lost(error.to_string()),
            // It has ended, or the machine has. Whoever comes first has the next one.
            Err(FlyError::MachineNotFound { .. }) => match self.acquire_one(machine).await {
                Ok(nonce) => Held::Ours(nonce),
                Err(error @ Error::LeaseHeld { .. }) => Held::Lost(error.to_string()),
                Err(_) => return,
            },
            // What else is wrong with it shows when the machine is changed.
            Err(error) => return tracing::warn!(%machine, %error, "lease not refreshed"),
        };
        self.lock().insert(machine.to_owned(), held);
    }

    /// Lets go of all leases, within two seconds.
    pub(super) async fn release(&self) {
        let ours = self.ours();
        self.lock().clear();
        let let_go = join_all(ours.iter().map(async |(machine, nonce)| {
            if let Err(error) = self.client.release_machine(self.app, machine, nonce).await {
                tracing::warn!(%machine, %error, "lease not let go");
            }
        }));
        if timeout(LET_GO, let_go).await.is_err() {
            tracing::warn!("not all leases were let go in time");
        }
    }

    fn ours(&self) -> Vec<(String, LeaseNonce)> {
        let held = self.lock();
        let ours = held.iter().filter_map(|(machine, held)| match held {
            Held::Ours(nonce) => Some((machine.clone(), nonce.clone())),
            Held::Lost(_) => None,
        });
        ours.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn interrupted(machines: &[&str]) -> Error {
    let unchanged = machines.iter().map(|machine| (*machine).to_owned()).collect();
    Error::Interrupted { standing: Standing { unchanged, ..Standing::default() } }
}
