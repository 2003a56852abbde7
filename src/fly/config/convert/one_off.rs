//! Machines that run one command and are gone: the release command, and tests of machines.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fly::config::model::{Document, Vm};
use crate::fly::config::problem::Fault;
use crate::fly::config::{AppConfig, Error, GoDuration, words};
use crate::fly::wire;
use crate::fly::wire::{Guest, MachineConfig};

use super::machine::{environment, stop_config};
use super::{of_group, sized_by};

/// The group of the machine that runs the release command.
pub const RELEASE_COMMAND_GROUP: &str = "fly_app_release_command";
/// The group of machines that test others.
pub const TEST_GROUP: &str = "fly_app_test_machine_command";

/// The size of the release command's machine when nothing says another.
const RELEASE_SIZE: &str = "shared-cpu-2x";

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// As long as it likes: `none`, or zero.
    Unlimited,
    /// At most so long.
    After(Duration),
}

impl Timeout {
    fn of(duration: GoDuration) -> Self {
        match duration.as_std() {
            Duration::ZERO => Self::Unlimited,
            duration => Self::After(duration),
        }
    }
}

/// A command that runs once, before the machines are changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseCommand {
    /// The command as it is written.
    pub command: String,
    /// How long it may take, if the file says so.
    pub timeout: Option<Timeout>,
}

/// A command that tests a machine after it was changed, from another machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineCheck {
    /// The command and its arguments. It succeeds by ending with 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The image that has it; empty for that of the tested machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Replaces the image's entrypoint, unless it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The signal by which the test is asked to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_signal: Option<String>,
    /// How long it may take to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_timeout: Option<GoDuration>,
}

impl AppConfig {
    /// Returns the command that is to run before the machines are changed.
    pub fn release_command(&self) -> Option<ReleaseCommand> {
        let deploy = self.document.deploy.as_ref()?;
        (!deploy.release_command.is_empty()).then(|| ReleaseCommand {
            command: deploy.release_command.clone(),
            timeout: deploy.release_command_timeout.map(Timeout::of),
        })
    }

    /// Returns the size of the machine that runs the release command, where `largest` is that
    /// of the largest machine of the default group.
    pub fn release_guest(&self, largest: Option<Guest>) -> Guest {
        let of_file = release_guest(&self.document).ok().flatten();
        let usual = || {
            let vm = Vm { size: RELEASE_SIZE.to_owned(), ..Vm::default() };
            sized_by(&vm, "", &self.document).unwrap_or_default()
        };
        of_file.or(largest).or_else(|| self.new_guest.clone()).unwrap_or_else(usual)
    }

    /// Returns the configuration of the machine that runs the release command in `image`, all
    /// but its size.
    ///
    /// It is removed by the platform when it ends, is in no name service, and has no services,
    /// checks and volumes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the command does not split into words, which was looked at when
    /// the file was read.
    pub fn release_machine_config(&self, image: &str) -> Result<MachineConfig, Error> {
        let document = &self.document;
        let command = document.deploy.as_ref().map(|deploy| deploy.release_command.as_str());
        let command = words::split(command.unwrap_or_default())
            .map_err(|reason| self.invalid(Fault::of("deploy.release_command", reason)))?;
        let mut config = one_off(document, RELEASE_COMMAND_GROUP, image);
        config.env.insert("RELEASE_COMMAND".to_owned(), "1".to_owned());
        config.init.cmd = list(&command);
        config.init.entrypoint = entrypoint(document);
        config.stop_config = stop_config(document);
        config.files.clone_from(&self.files);
        Ok(config)
    }

    /// Returns the tests of a machine of `group`: those of its services, and those that the
    /// file has for all machines.
    pub fn machine_checks(&self, group: &str) -> Vec<MachineCheck> {
        let document = &self.document;
        let is_of = |processes: &[String]| {
            processes.is_empty() || processes.iter().any(|name| name == group)
        };
        let http = document.http_service.iter().filter(|s| is_of(&s.processes));
        let others = document.services.iter().filter(|s| is_of(&s.processes));
        let of_services = http
            .flat_map(|service| &service.machine_checks)
            .chain(others.flat_map(|service| &service.machine_checks));
        of_services.chain(&document.machine_checks).cloned().collect()
    }

    /// Returns the configuration of a machine that runs `check` against a machine of `group`
    /// that runs `image` and has the address `tested_private_ip` in the private network.
    ///
    /// Its size is that of a new machine of the group.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the check has no command, which was looked at when the file was
    /// read.
    pub fn test_machine_config(
        &self,
        group: &str,
        check: &MachineCheck,
        image: &str,
        tested_private_ip: &str,
    ) -> Result<MachineConfig, Error> {
        let document = &self.document;
        if check.command.is_empty() {
            return Err(self.invalid(Fault::of("machine_checks", NO_COMMAND)));
        }
        let own_image = !check.image.is_empty();
        let image = if own_image { &check.image } else { image };
        let mut config = one_off(document, TEST_GROUP, image);
        config.env.insert("FLY_TEST_COMMAND".to_owned(), "1".to_owned());
        config.env.insert("FLY_TEST_MACHINE_IP".to_owned(), tested_private_ip.to_owned());
        config.init.cmd = list(&check.command);
        config.init.entrypoint = entrypoint(document).or_else(|| list(&check.entrypoint));
        // How another image is stopped is not this file's to say.
        let timeout = check.kill_timeout.or(document.kill_timeout.filter(|_| !own_image));
        let signal =
            check.kill_signal.clone().or(document.kill_signal.clone().filter(|_| !own_image));
        config.stop_config = Some(wire::StopConfig {
            timeout: timeout.map(|timeout| timeout.to_string()),
            signal,
            ..wire::StopConfig::default()
        });
        let guest = of_group(document, group).map_err(|fault| self.invalid(fault))?;
        config.guest = Some(guest.unwrap_or_else(|| self.default_guest()));
        Ok(config)
    }
}

/// What is said of a test without a command.
pub(in crate::fly::config) const NO_COMMAND: &str = "it has no `command`";

/// Returns the size of the release command's machine, if the file says one.
pub(in crate::fly::config) fn release_guest(document: &Document) -> Result<Option<Guest>, Fault> {
    let vm = document.deploy.as_ref().and_then(|deploy| deploy.release_command_vm.as_ref());
    vm.map(|vm| sized_by(vm, "deploy.release_command_vm", document)).transpose()
}

fn one_off(document: &Document, group: &str, image: &str) -> MachineConfig {
    let restart = wire::Restart { policy: Some("no".to_owned()), ..wire::Restart::default() };
    let dns = wire::Dns { skip_registration: Some(true), ..wire::Dns::default() };
    let metadata = [("fly_platform_version", "v2"), ("fly_process_group", group)];
    MachineConfig {
        image: image.to_owned(),
        env: environment(document, group),
        init: wire::Init { swap_size_mb: document.swap_size_mb, ..wire::Init::default() },
        restart: Some(restart),
        auto_destroy: Some(true),
        dns: Some(dns),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..MachineConfig::default()
    }
}

fn entrypoint(document: &Document) -> Option<Vec<String>> {
    document.experimental.as_ref().and_then(|experimental| list(&experimental.entrypoint))
}

fn list(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}
