//! Orders to machines that exist.

use reqwest::Method;
use serde_json::json;

use super::call::Call;
use super::machines::of_machine;
use super::wire::{LeaseNonce, StopMachine};
use super::{AppName, Client, Error};

impl Client {
    /// Starts a machine. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or in no state to start.
    pub async fn start_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "start"];
        let call = Call::new(Method::POST, &path, format!("start machine {machine}"));
        self.order(machine, call, nonce).await
    }

    /// Stops a machine by `signal`, such as `SIGTERM`, or by the one it is configured for. The
    /// answer comes before it has stopped. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or the platform refuses.
    pub async fn stop_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
        signal: Option<&str>,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "stop"];
        let body =
            StopMachine { signal: signal.map(str::to_owned), timeout: Some("0s".to_owned()) };
        let call = Call::new(Method::POST, &path, format!("stop machine {machine}")).json(&body)?;
        self.order(machine, call, nonce).await
    }

    /// Keeps the proxy from sending requests to a machine. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or the platform refuses.
    pub async fn cordon_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "cordon"];
        let call = Call::new(Method::POST, &path, format!("cordon machine {machine}"));
        self.order(machine, call, nonce).await
    }

    /// Lets the proxy send requests to a machine. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or the platform refuses.
    pub async fn uncordon_machine(
        &self,
        app: &AppName,
        machine: &str,
        nonce: Option<&LeaseNonce>,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "uncordon"];
        let call = Call::new(Method::POST, &path, format!("uncordon machine {machine}"));
        self.order(machine, call, nonce).await
    }

    /// Sets one value of a machine's metadata. It makes no new version. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or the platform refuses.
    pub async fn set_machine_metadata(
        &self,
        app: &AppName,
        machine: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Error> {
        let path = ["apps", app.as_str(), "machines", machine, "metadata", key];
        let call = Call::new(Method::POST, &path, format!("set `{key}` of machine {machine}"))
            .json(&json!({ "value": value }))?;
        self.order(machine, call, None).await
    }

    async fn order<'a>(
        &self,
        machine: &str,
        mut call: Call<'a>,
        nonce: Option<&'a LeaseNonce>,
    ) -> Result<(), Error> {
        call.nonce = nonce;
        self.call_bytes(&call).await.map(drop).map_err(|error| of_machine(machine, error))
    }
}
