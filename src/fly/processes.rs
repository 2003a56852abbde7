//! What runs inside machines.

use reqwest::Method;

use super::call::{Again, Call};
use super::machines::of_machine;
use super::wire::{ListenSocket, Process};
use super::{AppName, Client, Error};

impl Client {
    /// Reads where the processes of a machine listen. Does not retry: the caller asks again
    /// anyway.
    ///
    /// # Errors
    ///
    /// Fails when the machine is not there or does not run.
    pub async fn machine_sockets(
        &self,
        app: &AppName,
        machine: &str,
    ) -> Result<Vec<ListenSocket>, Error> {
        let path = ["apps", app.as_str(), "machines", machine, "ps"];
        let mut call =
            Call::new(Method::GET, &path, format!("read the processes of machine {machine}"));
        call.again = Again::Never;
        let processes: Option<Vec<Process>> =
            self.call(&call).await.map_err(|error| of_machine(machine, error))?;
        Ok(processes.into_iter().flatten().flat_map(|process| process.listen_sockets).collect())
    }
}
