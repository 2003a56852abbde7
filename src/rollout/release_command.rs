//! The release command: run once, before any machine is touched.

use crate::fly::config::{AppConfig, RELEASE_COMMAND_GROUP};
use crate::fly::wire::{Guest, Machine};

use super::command::{self, Command, CommandError};
use super::crew::Crew;
use super::{Current, Error};

/// Runs the release command, if fly.toml has one.
///
/// # Errors
///
/// Fails when it does. No machine was changed then.
pub(super) async fn run(
    crew: &Crew<'_>,
    current: &Current,
    config: &AppConfig,
    image: &str,
) -> Result<(), Error> {
    let Some(wanted) = config.release_command() else { return Ok(()) };
    if let Some(machine) = &current.left_over
        && let Err(error) = crew.destroy(machine, RELEASE_COMMAND_GROUP).await
    {
        tracing::debug!(%machine, %error, "an earlier release command's machine stays");
    }
    let mut machine_config = config.release_machine_config(image).map_err(super::Conflict::from)?;
    let largest = largest(&current.machines, &config.default_group());
    machine_config.guest = Some(config.release_guest(largest));
    let anywhere = current.machines.first().map(|machine| machine.region.as_str());
    let command = Command {
        text: &wanted.command,
        group: RELEASE_COMMAND_GROUP,
        config: machine_config,
        region: config.primary_region().or(anywhere),
        within: crew.settings.patience.release_command_timeout,
    };
    command::run(crew, command).await.map_err(|error| match error {
        CommandError::NotStarted(error) => Error::Fly(error),
        CommandError::Failed { machine, reason } => {
            Error::ReleaseCommand { machine, command: wanted.command.clone(), reason }
        }
    })
}

/// Returns the size of the group's machine with the most memory.
fn largest(machines: &[Machine], group: &str) -> Option<Guest> {
    let of_group = |machine: &&Machine| {
        super::current::group(machine).is_none_or(|its_group| its_group == group)
    };
    let guests = machines
        .iter()
        .filter(of_group)
        .filter_map(|machine| machine.known_config().and_then(|config| config.guest.clone()));
    guests.max_by_key(|guest| guest.memory_mb)
}
