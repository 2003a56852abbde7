//! Machines.

use std::time::Duration;

use reqwest::Method;

use super::apps::of_app;
use super::call::{Again, Call};
use super::wire::{CreateMachine, LeaseNonce, Machine, UpdateMachine, WaitResponse};
use super::{AppName, Client, Error};

/// The metadata by which a machine is found again whose creation was not answered.
pub const LAUNCH_ID: &str = "snowbird_launch_id";

/// The platform's text when a request lacks the nonce of a machine's lease.
const LEASE_HELD: &str = "lease currently held by";

/// How much longer than asked for the answer to a wait may take.
const WAIT_SLACK: Duration = Duration::from_secs(10);

impl Client {
    /// Lists the machines of an app, of every kind. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// As [`Client::app`].
    pub async fn machines(&self, app: &AppName) -> Result<Vec<Machine>, Error> {
        let path = ["apps", app.as_str(), "machines"];
        let call = Call::new(Method::GET, &path, format!("list the machines of `{app}`"));
        self.call_list(call).await.map_err(|error| of_app(app, error))
    }

    /// Reads a machine. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::MachineNotFound`] when there is none.
    pub async fn machine(&self, app: &AppName, machine: &str) -> Result<Machine, Error> {
        let path = ["apps", app.as_str(), "machines", machine];
        let call = Call::new(Method::GET, &path, format!("read machine {machine}"));
        self.call(&call).await.map_err(|error| of_machine(machine, error))
    }

    /// Creates a machine, once: the request is repeated only when no machine of the app
    /// bears its launch ID. `launch_id` must be new; it becomes metadata of the machine.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses. After [`Error::NoAnswer`] the machine may be there.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave the machine behind.
    pub async fn create_machine(
        &self,
        app: &AppName,
        mut request: CreateMachine,
        launch_id: &str,
    ) -> Result<Machine, Error> {
        request.config.metadata.insert(LAUNCH_ID.to_owned(), launch_id.to_owned());
        let path = ["apps", app.as_str(), "machines"];
        let call = Call::new(Method::POST, &path, format!("create a machine of `{app}`"))
            .json(&request)?;
        let created = self.create_once(call, async || self.launched(app, launch_id).await);
        created.await.map_err(|error| of_app(app, error))
    }

    async fn launched(&self, app: &AppName, launch_id: &str) -> Result<Option<Machine>, Error> {
        Ok(self.machines(app).await?.into_iter().find(|machine| {
            machine
                .known_config()
                .and_then(|config| config.metadata.get(LAUNCH_ID))
                .is_some_and(|id| id == launch_id)
        }))
    }

    /// Gives a machine a new configuration, once: when an answer was lost, the request is
    /// repeated only if the machine still has the version that `request` replaces.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Changed`] when the machine has another version than it says, and
    /// with [`Error::LeaseHeld`] when another holds its lease.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the machine with the old configuration or with the new one.
    pub async fn update_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
        request: &UpdateMachine,
    ) -> Result<Machine, Error> {
        let path = ["apps", app.as_str(), "machines", machine];
        let mut call =
            Call::new(Method::POST, &path, format!("update machine {machine}")).json(request)?;
        call.nonce = nonce;
        call.again = Again::NothingDone;
        let (mut attempt, mut lost) = (1, false);
        loop {
            let error = match self.call(&call).await {
                Ok(machine) => return Ok(machine),
                Err(error) => error,
            };
            lost |= error.may_be_done();
            let conflict = error.status() == Some(409);
            if !lost && !conflict {
                return Err(of_machine(machine, error));
            }
            // A conflict with an update of our own that was not answered passes, too.
            if lost {
                self.pause_before_look_up(attempt).await;
            }
            match self.machine(app, machine).await {
                Ok(now) if has_taken(&now, request) => return Ok(now),
                Ok(now) if lost && is_replaced_by(&now, request) => {}
                _ => return Err(of_machine(machine, error)),
            }
            if !self.has_patience(attempt) {
                return Err(of_machine(machine, error));
            }
            attempt += 1;
        }
    }

    /// Destroys a machine, running or not; one that is gone already is fine. Idempotent;
    /// retries.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn destroy_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine];
        let mut call = Call::new(Method::DELETE, &path, format!("destroy machine {machine}"));
        call.nonce = nonce;
        // The document knows `force`, the platform's own client sends `kill`.
        call.query = vec![("force", "true".to_owned()), ("kill", "true".to_owned())];
        match self.call_bytes(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) => Ok(()),
            Err(error) => Err(of_machine(machine, error)),
        }
    }

    /// Waits until `version` of a machine is in one of `states`, at most `within`, which is
    /// cut to between 1 and 60 seconds. Gives nothing when the time is over. Does not
    /// retry: the caller asks again anyway.
    ///
    /// # Errors
    ///
    /// Fails when there is no such machine, or the platform refuses.
    pub async fn wait_machine(
        &self,
        app: &AppName,
        machine: &str,
        states: &[&str],
        version: Option<&str>,
        within: Duration,
    ) -> Result<Option<WaitResponse>, Error> {
        let path = ["apps", app.as_str(), "machines", machine, "wait"];
        let mut call = Call::new(Method::GET, &path, format!("wait for machine {machine}"));
        let seconds = within.as_secs().clamp(1, 60);
        call.query = states.iter().map(|state| ("state", (*state).to_owned())).collect();
        call.query.push(("timeout", seconds.to_string()));
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            call.query.push(("version", version.to_owned()));
        }
        call.again = Again::Never;
        call.within = Duration::from_secs(seconds) + WAIT_SLACK;
        match self.call(&call).await {
            Ok(reached) => Ok(Some(reached)),
            Err(error) if error.status() == Some(408) => Ok(None),
            Err(error) => Err(of_machine(machine, error)),
        }
    }
}

/// Whether a machine has what `request` gives: another version than the one that was to be
/// replaced, with its image and metadata. Everything else may come back spelled otherwise.
fn has_taken(machine: &Machine, request: &UpdateMachine) -> bool {
    let moved = request.current_version.as_deref().is_some_and(|old| old != machine.version());
    let same = machine.config.as_ref().is_some_and(|config| {
        config.image == request.config.image && config.metadata == request.config.metadata
    });
    moved && same
}

/// Whether a machine still has the version that `request` replaces.
fn is_replaced_by(machine: &Machine, request: &UpdateMachine) -> bool {
    request.current_version.as_deref() == Some(machine.version())
}

/// Says of a refusal what it means for a request that names a machine.
pub(super) fn of_machine(machine: &str, error: Error) -> Error {
    match error {
        Error::Refused(refusal) if refusal.status == 404 => {
            Error::MachineNotFound { machine: machine.to_owned(), refusal }
        }
        Error::Refused(refusal) if refusal.status == 409 && refusal.text.contains(LEASE_HELD) => {
            Error::LeaseHeld { machine: machine.to_owned(), refusal }
        }
        Error::Refused(refusal) if refusal.status == 409 => {
            Error::Changed { machine: machine.to_owned(), refusal }
        }
        other => other,
    }
}
