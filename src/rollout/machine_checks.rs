//! Machine checks: after a machine was changed, another one tests it.

use crate::fly::config::{AppConfig, TEST_GROUP};
use crate::fly::wire::Machine;

use super::command::{self, Command, CommandError};
use super::crew::Crew;

/// What fly.toml has of machine checks.
#[derive(Debug, Clone, Copy)]
pub(super) struct MachineChecks<'a> {
    pub(super) config: Option<&'a AppConfig>,
    pub(super) image: &'a str,
}

impl MachineChecks<'_> {
    /// Lets each check of the group test a machine. The first that fails is told.
    pub(super) async fn run(
        &self,
        crew: &Crew<'_>,
        group: &str,
        machine: &Machine,
    ) -> Result<(), String> {
        let Some(config) = self.config else { return Ok(()) };
        let address = machine.private_ip.as_deref().unwrap_or_default();
        for check in config.machine_checks(group) {
            let shown = check.command.join(" ");
            let machine_config = config
                .test_machine_config(group, &check, self.image, address)
                .map_err(|error| error.to_string())?;
            let command = Command {
                text: &shown,
                group: TEST_GROUP,
                config: machine_config,
                region: Some(machine.region.as_str()),
                within: Some(crew.settings.patience.wait_timeout),
            };
            command::run(crew, command).await.map_err(|error| match error {
                CommandError::NotStarted(error) => error.to_string(),
                CommandError::Failed { machine, reason } => {
                    format!("machine check `{shown}` failed on machine {machine}: {reason}")
                }
            })?;
        }
        Ok(())
    }
}
