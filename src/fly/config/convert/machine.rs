//! From the file to a machine's configuration.

use std::collections::BTreeMap;

use crate::fly::config::model::Document;
use crate::fly::config::problem::Fault;
use crate::fly::config::{AppConfig, Error, words};
use crate::fly::wire;
use crate::fly::wire::MachineConfig;

use super::containers::{give_image, merged};
use super::mounts::{mount, remount};
use super::{checks, of_group, services};

/// The variable of a machine that stands in for another.
const STANDBY_FOR: &str = "FLY_STANDBY_FOR";

impl AppConfig {
    /// Returns the configuration of a machine of `group` that runs `image`.
    ///
    /// Without `existing` it is for a new machine: a mount has no volume yet, and a size that
    /// the file does not say is the default one. With `existing`, what the file does not
    /// manage is taken from it: its size where the file says none, its schedule, name
    /// service, containers and other metadata. It keeps its volume if that is the wanted one;
    /// a mount without a volume says that the machine must be replaced.
    ///
    /// What identifies a release is not in it; see the rollout.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the group has several mounts, or when `machine_config` does not
    /// fit what `existing` has. All else was looked at when the file was read.
    pub fn machine_config(
        &self,
        group: &str,
        image: &str,
        existing: Option<&MachineConfig>,
    ) -> Result<MachineConfig, Error> {
        self.convert(group, image, existing).map_err(|fault| self.invalid(fault))
    }

    fn convert(
        &self,
        group: &str,
        image: &str,
        existing: Option<&MachineConfig>,
    ) -> Result<MachineConfig, Fault> {
        let document = &self.document;
        let mut config = existing.cloned().unwrap_or_default();
        if let Some(overlay) = &self.overlay {
            config =
                merged(&config, overlay).map_err(|reason| Fault::of("machine_config", reason))?;
        }
        image.clone_into(&mut config.image);
        give_image(&mut config);

        config.services = services(document, group);
        let standby_for = config.env.remove(STANDBY_FOR);
        config.env = environment(document, group);
        if config.services.is_empty() {
            config.env.extend(standby_for.map(|ids| (STANDBY_FOR.to_owned(), ids)));
        } else {
            config.standbys.clear();
        }
        config.checks = checks(document, group)?;
        config.init = wire::Init { rest: config.init.rest, ..init(document, group)? };
        config.stop_config = stop_config(document);
        config.restart = restart(document, group);
        config.metrics = metrics(document, group);
        config.files.clone_from(&self.files);
        config.statics = statics(document);
        config.mounts = remount(&config.mounts, mount(document, group)?);

        if let Some(guest) = of_group(document, group)? {
            config.guest = Some(guest);
        } else if let (Some(guest), false) =
            (&mut config.guest, document.host_dedication_id.is_empty())
        {
            guest.host_dedication_id = Some(document.host_dedication_id.clone());
        } else if config.guest.is_none() && existing.is_none() {
            config.guest = Some(self.default_guest());
        }
        for (key, value) in [("fly_platform_version", "v2"), ("fly_process_group", group)] {
            config.metadata.insert(key.to_owned(), value.to_owned());
        }
        Ok(config)
    }
}

/// Returns the variables of a group's machines.
pub(super) fn environment(document: &Document, group: &str) -> BTreeMap<String, String> {
    let mut env = document.env.clone();
    env.insert("FLY_PROCESS_GROUP".to_owned(), group.to_owned());
    if !document.primary_region.is_empty() {
        env.insert("PRIMARY_REGION".to_owned(), document.primary_region.clone());
    }
    env
}

/// Returns how the process of a group begins.
fn init(document: &Document, group: &str) -> Result<wire::Init, Fault> {
    let command = document.processes.get(group).filter(|command| !command.is_empty());
    let words = command.map(|command| {
        words::split(command).map_err(|reason| Fault::of(format!("processes.{group}"), reason))
    });
    let experimental = document.experimental.as_ref();
    let list = |words: &Vec<String>| Some(words.clone()).filter(|words| !words.is_empty());
    Ok(wire::Init {
        cmd: match words.transpose()? {
            Some(words) => list(&words),
            None => experimental.and_then(|e| list(&e.cmd)),
        },
        entrypoint: experimental.and_then(|e| list(&e.entrypoint)),
        exec: experimental.and_then(|e| list(&e.exec)),
        swap_size_mb: document.swap_size_mb,
        ..wire::Init::default()
    })
}

/// Returns how machines are asked to stop, if the file says so.
pub(super) fn stop_config(document: &Document) -> Option<wire::StopConfig> {
    let stop = wire::StopConfig {
        timeout: document.kill_timeout.map(|timeout| timeout.to_string()),
        signal: document.kill_signal.clone(),
        ..wire::StopConfig::default()
    };
    (stop != wire::StopConfig::default()).then_some(stop)
}

/// The last `[[restart]]` of a group counts.
fn restart(document: &Document, group: &str) -> Option<wire::Restart> {
    let mut of_group = document.restart.iter().filter(|r| document.belongs(&r.processes, group));
    of_group.next_back().map(|restart| wire::Restart {
        policy: Some(match restart.policy.as_str() {
            "never" => "no".to_owned(),
            policy => policy.to_owned(),
        }),
        max_retries: Some(restart.retries).filter(|retries| *retries > 0),
        ..wire::Restart::default()
    })
}

/// The first `[[metrics]]` of a group counts.
fn metrics(document: &Document, group: &str) -> Option<wire::Metrics> {
    let mut of_group = document.metrics.iter().filter(|m| document.belongs(&m.processes, group));
    of_group.next().map(|metrics| wire::Metrics {
        port: metrics.port,
        path: metrics.path.clone(),
        https: metrics.https,
        ..wire::Metrics::default()
    })
}

fn statics(document: &Document) -> Vec<wire::Static> {
    let convert = |folder: &crate::fly::config::model::Static| wire::Static {
        guest_path: folder.guest_path.clone(),
        url_prefix: folder.url_prefix.clone(),
        tigris_bucket: folder.tigris_bucket.clone().unwrap_or_default(),
        index_document: folder.index_document.clone(),
        ..wire::Static::default()
    };
    document.statics.iter().map(convert).collect()
}
