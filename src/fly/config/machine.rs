//! From the file to a machine's configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fly::wire;
use crate::fly::wire::MachineConfig;

use super::guest::{gigabytes, guest, smallest};
use super::locate::line_of;
use super::model::Mount;
use super::services::{machine_check, services};
use super::{AppConfig, Error, GoDuration};

/// The variable of a machine that stands in for another.
const STANDBY_FOR: &str = "FLY_STANDBY_FOR";

impl AppConfig {
    /// Returns the configuration of a machine of `group` that runs `image`. With `existing`,
    /// what the file does not manage is taken from it; without, it is for a new machine.
    ///
    /// What identifies a release is not in it; see the rollout.
    ///
    /// # Errors
    ///
    /// Fails when a value does not convert, or when `existing` and the file do not agree on
    /// a volume.
    pub fn machine_config(
        &self,
        group: &str,
        image: &str,
        existing: Option<&MachineConfig>,
    ) -> Result<MachineConfig, Error> {
        let document = &self.document;
        let mut config = existing.cloned().unwrap_or_default();
        image.clone_into(&mut config.image);

        let standby_for = config.env.remove(STANDBY_FOR);
        config.env.clone_from(&document.env);
        config.env.insert("FLY_PROCESS_GROUP".to_owned(), group.to_owned());
        if let Some(region) = self.primary_region() {
            config.env.insert("PRIMARY_REGION".to_owned(), region.to_owned());
        }

        config.services = services(document, group);
        if config.services.is_empty() {
            config.env.extend(standby_for.map(|ids| (STANDBY_FOR.to_owned(), ids)));
        } else {
            config.standbys.clear();
        }

        config.checks.clear();
        for (name, check) in &document.checks {
            if document.belongs(&check.processes, group) {
                let converted = machine_check(document, name, check, group)
                    .map_err(|reason| self.invalid(&format!("checks.{name}"), reason))?;
                config.checks.insert(name.clone(), converted);
            }
        }

        self.set_init(&mut config, group)?;
        self.set_process_settings(&mut config, group);
        config.files = files(document);
        config.statics = statics(document);

        let size = guest(document, group).map_err(|(key, reason)| self.invalid(&key, reason))?;
        config.guest = size.or(config.guest).or_else(|| existing.is_none().then(smallest));

        for (key, value) in [("fly_platform_version", "v2"), ("fly_process_group", group)] {
            config.metadata.insert(key.to_owned(), value.to_owned());
        }
        config.mounts = self.mounts(group, existing)?;
        Ok(config)
    }

    fn set_init(&self, config: &mut MachineConfig, group: &str) -> Result<(), Error> {
        let document = &self.document;
        let command = document.processes.get(group).filter(|command| !command.is_empty());
        let words = match command {
            Some(command) => Some(shlex::split(command).ok_or_else(|| {
                self.invalid(
                    &format!("processes.{group}"),
                    format!("`{command}` has a quote that is not closed"),
                )
            })?),
            None => None,
        };
        let experimental = &document.experimental;
        let written = |words: &Option<super::shapes::Words>| words.clone().map(|words| words.0);
        config.init.cmd =
            words.filter(|words| !words.is_empty()).or_else(|| written(&experimental.cmd));
        config.init.entrypoint = written(&experimental.entrypoint);
        config.init.exec = written(&experimental.exec);
        config.init.swap_size_mb = document.swap_size_mb;
        Ok(())
    }

    fn set_process_settings(&self, config: &mut MachineConfig, group: &str) {
        let document = &self.document;
        let kill_timeout = document.kill_timeout.or(document.experimental.kill_timeout);
        let stop = wire::StopConfig {
            timeout: kill_timeout
                .and_then(|span| span.resolve(GoDuration::from_secs))
                .map(|timeout| timeout.to_string()),
            signal: document.kill_signal.clone(),
            ..wire::StopConfig::default()
        };
        config.stop_config = (stop != wire::StopConfig::default()).then_some(stop);

        let restart = document.restart.iter().rev().find(|r| document.belongs(&r.processes, group));
        config.restart = restart.map(|restart| wire::Restart {
            policy: restart
                .policy
                .as_deref()
                .map(|policy| if policy == "never" { "no".to_owned() } else { policy.to_owned() }),
            max_retries: restart.retries,
            ..wire::Restart::default()
        });

        let metrics = document.metrics.iter().find(|m| document.belongs(&m.processes, group));
        let experimental = &document.experimental;
        config.metrics = match (metrics, experimental.metrics_port) {
            (Some(metrics), _) => Some(wire::Metrics {
                port: metrics.port,
                path: metrics.path.clone(),
                https: metrics.https,
                ..wire::Metrics::default()
            }),
            (None, Some(port))
                if document.metrics.is_empty() && group == document.default_group() =>
            {
                Some(wire::Metrics {
                    port,
                    path: experimental.metrics_path.clone().unwrap_or_default(),
                    ..wire::Metrics::default()
                })
            }
            _ => None,
        };
    }

    /// Returns the mounts of a machine: its volume stays, or it never had one.
    fn mounts(
        &self,
        group: &str,
        existing: Option<&MachineConfig>,
    ) -> Result<Vec<wire::Mount>, Error> {
        let document = &self.document;
        let wanted = document.mounts.iter().find(|m| document.belongs(&m.processes, group));
        let mounted = existing.and_then(|config| config.mounts.first());
        let refuse = |reason: String, hint: &str| {
            Err(Error::Volume { group: group.to_owned(), reason, hint: hint.to_owned() })
        };
        match (mounted, wanted) {
            (None, None) => Ok(Vec::new()),
            (None, Some(mount)) => refuse(
                format!(
                    "a machine needs volume `{}`, and volumes are not created here",
                    mount.source.as_deref().unwrap_or_default()
                ),
                "create its machine with `fly deploy --image` once; deploys after that keep it",
            ),
            (Some(mounted), None) => refuse(
                format!("a machine has volume `{}`, and no `[[mounts]]` wants it", name(mounted)),
                "add it to `[[mounts]]`, or destroy the machine with `fly machine destroy`",
            ),
            (Some(mounted), Some(mount)) => match (&mounted.name, &mount.source) {
                (Some(has), Some(wants)) if has != wants && !has.is_empty() => refuse(
                    format!("a machine has volume `{has}`, and `[[mounts]]` wants `{wants}`"),
                    "a machine cannot change its volume: destroy it, or keep the name",
                ),
                _ => Ok(vec![self.remount(mounted, mount)?]),
            },
        }
    }

    fn remount(&self, mounted: &wire::Mount, wanted: &Mount) -> Result<wire::Mount, Error> {
        let size = |key: &str, text: &Option<String>| {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let wrong = || self.invalid(key, format!("`{text}` is not a size such as `3gb`"));
            gigabytes(text).map(Some).ok_or_else(wrong)
        };
        let mut mount = mounted.clone();
        // A volume without a name is older than names: it stays as it is.
        if mounted.name.as_ref().is_some_and(|name| !name.is_empty())
            && let Some(path) = &wanted.destination
        {
            mount.path.clone_from(path);
        }
        mount.extend_threshold_percent = wanted.auto_extend_size_threshold;
        mount.add_size_gb =
            size("mounts.auto_extend_size_increment", &wanted.auto_extend_size_increment)?;
        mount.size_gb_limit =
            size("mounts.auto_extend_size_limit", &wanted.auto_extend_size_limit)?;
        Ok(mount)
    }

    /// Converts a group for its errors alone, which tell their lines. Volumes are judged
    /// when the machines are known.
    pub(super) fn check_conversion(&self, text: &str, group: &str) -> Result<(), Error> {
        match self.machine_config(group, "", None) {
            Err(Error::Invalid { path, key, reason, .. }) => {
                Err(Error::Invalid { path, line: line_of(text, &key), key, reason })
            }
            _ => Ok(()),
        }
    }

    fn invalid(&self, key: &str, reason: String) -> Error {
        Error::Invalid { path: self.path.clone(), line: None, key: key.to_owned(), reason }
    }
}

fn name(mount: &wire::Mount) -> &str {
    mount.name.as_deref().or(mount.volume.as_deref()).unwrap_or_default()
}

fn files(document: &super::model::Document) -> Vec<wire::File> {
    let convert = |file: &super::model::File| wire::File {
        guest_path: file.guest_path.clone(),
        raw_value: file.raw_value.as_ref().map(|text| STANDARD.encode(text)),
        secret_name: file.secret_name.clone(),
        ..wire::File::default()
    };
    document.files.iter().map(convert).collect()
}

fn statics(document: &super::model::Document) -> Vec<wire::Static> {
    let convert = |folder: &super::model::Static| wire::Static {
        guest_path: folder.guest_path.clone(),
        url_prefix: folder.url_prefix.clone(),
        tigris_bucket: folder.tigris_bucket.clone(),
        index_document: folder.index_document.clone(),
        ..wire::Static::default()
    };
    document.statics.iter().map(convert).collect()
}
