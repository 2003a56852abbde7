//! Leases on machines.

use std::time::Duration;

use reqwest::Method;

use super::call::{Again, Call};
use super::machines::of_machine;
use super::wire::{CreateLease, Lease, LeaseAnswer, LeaseNonce};
use super::{AppName, Client, Error};

/// How long letting go of a lease may take; it ends by itself anyway.
const LET_GO: Duration = Duration::from_secs(2);

impl Client {
    /// Takes the lease of a machine for `ttl`, or with `nonce` renews the one that is held.
    /// Whoever meets the lease is shown `description`.
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
        // A first lease whose answer was lost would be held against ourselves until it ends.
        call.again = if nonce.is_some() { Again::Transient } else { Again::NothingDone };
        match self.call::<LeaseAnswer>(&call).await {
            Ok(answer) => Ok(answer.into_lease()),
            Err(Error::Refused(refusal)) if refusal.status == 409 => {
                Err(Error::LeaseHeld { machine: machine.to_owned(), refusal })
            }
            Err(error) => Err(of_machine(machine, error)),
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
