//! What runs now.

use crate::fly::config::{RELEASE_COMMAND_GROUP, TEST_GROUP};
use crate::fly::wire::{App, ImageRef, Machine, Volume};
use crate::fly::{AppName, Client};

use super::{Error, Target};

/// Groups whose machines live for one command.
const PASSING: [&str; 3] = ["fly_app_console", RELEASE_COMMAND_GROUP, TEST_GROUP];

/// An app, the machines that deploys manage, and what they may be given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Current {
    /// The app.
    pub app: App,
    /// Its managed machines, by ID.
    pub machines: Vec<Machine>,
    /// Whether there are machines that deploys do not manage.
    pub has_others: bool,
    /// Its volumes, where a mount may want one.
    pub volumes: Vec<Volume>,
    /// Whether it has an IP address, where that matters.
    pub has_addresses: bool,
    /// The release command's machine of an earlier deploy, if one is left.
    pub left_over: Option<String>,
}

impl Current {
    /// Returns whether nothing was deployed to the app before.
    pub fn is_first(&self) -> bool {
        let deployed = matches!(self.app.status.as_str(), "deployed" | "suspended");
        self.machines.is_empty() && (self.has_others || !deployed)
    }

    /// Returns the images that the machines run, by digest where it is known, each once.
    pub fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = self.machines.iter().filter_map(image).collect();
        images.sort();
        images.dedup();
        images
    }
}

/// Returns the image that a machine runs, by digest where it is known.
pub(super) fn image(machine: &Machine) -> Option<String> {
    let resolved = machine.image_ref.as_ref().and_then(ImageRef::reference);
    let written = || machine.known_config().map(|config| config.image.clone());
    resolved.or_else(written).filter(|image| !image.is_empty())
}

/// Reads what runs. Changes nothing.
///
/// # Errors
///
/// Fails when the app is not there for this token, or the platform does not answer.
pub async fn inspect(client: &Client, app: &AppName) -> Result<Current, Error> {
    let found = client.app(app).await?;
    let mut all = client.machines(app).await?;
    all.retain(|machine| !matches!(machine.state.as_str(), "destroyed" | "destroying"));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let left_over = all.iter().rev().find(|machine| ran_release_command(machine));
    let left_over = left_over.map(|machine| machine.id.clone());
    let (machines, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_managed);
    let has_others = others.iter().any(|machine| !is_passing(machine));
    Ok(Current { app: found, machines, has_others, left_over, ..Current::default() })
}

/// Reads what runs, and what `target` may want of it.
pub(super) async fn inspect_for(
    client: &Client,
    app: &AppName,
    target: &Target,
) -> Result<Current, Error> {
    let mut current = inspect(client, app).await?;
    if let Some(config) = target.config() {
        let groups = config.groups();
        if groups.iter().any(|group| config.volume(group).is_some()) {
            current.volumes = client.volumes(app).await?;
        }
        if current.is_first() && groups.iter().any(|group| config.has_services(group)) {
            current.has_addresses = !client.ip_addresses(app).await?.is_empty();
        }
    }
    Ok(current)
}

/// A machine of a deploy: one that has its mark, and does not live for one command.
fn is_managed(machine: &Machine) -> bool {
    let marked = |key: &str| machine.known_config().and_then(|config| config.metadata.get(key));
    marked("fly_platform_version").is_some_and(|version| version == "v2") && !is_passing(machine)
}

/// A machine that lives for one command.
fn is_passing(machine: &Machine) -> bool {
    group(machine).is_some_and(|group| PASSING.contains(&group)) || ran_release_command(machine)
}

fn ran_release_command(machine: &Machine) -> bool {
    let is = |key: &str, word: &str| {
        let config = machine.known_config();
        config.and_then(|config| config.metadata.get(key)).is_some_and(|value| value == word)
    };
    is("fly_process_group", RELEASE_COMMAND_GROUP) || is("process_group", "release_command")
}

/// Returns the process group that a machine says it is in.
pub(super) fn group(machine: &Machine) -> Option<&str> {
    let metadata = &machine.known_config()?.metadata;
    let group = metadata.get("fly_process_group").or_else(|| metadata.get("process_group"))?;
    Some(group.as_str()).filter(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_machines_of_deploys_are_managed() {
        let managed = |metadata: serde_json::Value| {
            let machine = json!({"id": "e1", "config": {"metadata": metadata}});
            is_managed(&serde_json::from_value(machine).unwrap())
        };
        assert!(managed(json!({"fly_platform_version": "v2"})));
        assert!(managed(json!({"fly_platform_version": "v2", "fly_process_group": "web"})));
        assert!(!managed(json!({})));
        for other in [
            json!({"fly_platform_version": "v2", "fly_process_group": "fly_app_console"}),
            json!({"fly_platform_version": "v2", "fly_process_group": "fly_app_release_command"}),
            json!({"fly_platform_version": "v2", "process_group": "release_command"}),
        ] {
            assert!(!managed(other.clone()), "{other}");
        }
    }

    #[test]
    fn images_are_told_by_digest_each_once() {
        let machines = json!([
            {"id": "1", "image_ref": {"registry": "r", "repository": "web", "tag": "t",
                "digest": "sha256:0"}},
            {"id": "2", "image_ref": {"registry": "r", "repository": "web", "digest": "sha256:0"}},
            {"id": "3", "config": {"image": "r/web:old"}},
        ]);
        let current =
            Current { machines: serde_json::from_value(machines).unwrap(), ..Current::default() };
        assert_eq!(current.images(), ["r/web:old", "r/web@sha256:0"]);
    }
}
