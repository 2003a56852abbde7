//! Leases on machines.

use std::time::Duration;

use reqwest::Method;
use tokio::time::Instant;

use super::call::{Again, Call};
use super::machines::of_machine;
use super::wire::{CreateLease, Lease, LeaseAnswer, LeaseNonce};
use super::{AppName, Client, Error};

/// How much longer than its `ttl` a lease may be seen.
const ENDING: Duration = Duration::from_secs(2);

/// How long letting go of a lease may take; it ends by itself anyway.
const LET_GO: Duration = Duration::from_secs(2);

impl Client {
    /// Takes the lease of a machine for `ttl`, or with `nonce` renews the one that is held.
    /// Whoever meets the lease is shown `description`.
    ///
    /// A first lease whose answer was lost is held against ourselves: where the holder's
    /// description is ours, it is waited for until it ends by itself.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::LeaseHeld`] when another has it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave a lease that ends by itself after `ttl`.
    pub async fn lease_machine(
        &self,
        app: &AppName,
        machine: &str,
        ttl: Duration,
        nonce: Option<&LeaseNonce>,
        description: &str,
    ) -> Result<Lease, Error> {
        let path = ["apps", app.as_str(), "machines", machine, "lease"];
        let ttl_s = ttl.as_secs().max(1);
        let body = CreateLease { description: description.to_owned(), ttl: Some(ttl_s) };
        let mut call =
            Call::new(Method::POST, &path, format!("lease machine {machine}")).json(&body)?;
        // The document has it in the body, the platform's own client in the query.
        call.query = vec![("ttl", ttl_s.to_string())];
        call.nonce = nonce;
        if nonce.is_some() {
            return self.leased(&call, machine).await;
        }
        call.again = Again::NothingDone;
        let mut attempt = 1;
        let mut lost_until = None;
        loop {
            let error = match self.leased(&call, machine).await {
                Ok(lease) => return Ok(lease),
                Err(error) => error,
            };
            if error.may_be_done() && self.has_patience(attempt) {
                lost_until = Some(Instant::now() + Duration::from_secs(ttl_s) + ENDING);
                self.pause_before_look_up(attempt).await;
            } else if lost_until.is_some_and(|until| Instant::now() < until)
                && matches!(error, Error::LeaseHeld { .. })
                && self.is_described(app, machine, description).await
            {
                self.pause_before_look_up(2).await;
            } else {
                return Err(error);
            }
            attempt += 1;
        }
    }

    async fn leased(&self, call: &Call<'_>, machine: &str) -> Result<Lease, Error> {
        match self.call::<LeaseAnswer>(call).await {
            Ok(answer) => Ok(answer.into_lease()),
            Err(Error::Refused(refusal)) if refusal.status == 409 => {
                Err(Error::LeaseHeld { machine: machine.to_owned(), refusal })
            }
            Err(error) => Err(of_machine(machine, error)),
        }
    }

    /// Whether the lease on a machine says `description`, or has just ended.
    async fn is_described(&self, app: &AppName, machine: &str, description: &str) -> bool {
        match self.machine_lease(app, machine).await {
            Ok(Some(lease)) => lease.description == description,
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Reads who holds the lease of a machine. Gives nothing when nobody does.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn machine_lease(
        &self,
        app: &AppName,
        machine: &str,
    ) -> Result<Option<Lease>, Error> {
        let path = ["apps", app.as_str(), "machines", machine, "lease"];
        let call = Call::new(Method::GET, &path, format!("read the lease of machine {machine}"));
        match self.call::<LeaseAnswer>(&call).await {
            Ok(answer) => Ok(Some(answer.into_lease())),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(of_machine(machine, error)),
        }
    }

    /// Lets go of a lease. Does not retry; takes two seconds at most.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses. The lease ends by itself then.
    pub async fn release_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: &LeaseNonce,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "lease"];
        let mut call =
            Call::new(Method::DELETE, &path, format!("release the lease of machine {machine}"));
        call.nonce = Some(nonce);
        call.again = Again::Never;
        call.within = LET_GO;
        match self.call_bytes(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) => Ok(()),
            Err(error) => Err(of_machine(machine, error)),
        }
    }
}
