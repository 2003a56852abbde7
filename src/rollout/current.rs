//! What runs now.

use crate::fly::wire::{App, ImageRef, Machine};
use crate::fly::{AppName, Client};

use super::Error;

/// Groups whose machines live for one command.
const PASSING: [&str; 3] =
    ["fly_app_console", "fly_app_release_command", "fly_app_test_machine_command"];

/// An app and the machines that deploys manage.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// The app.
    pub app: App,
    /// Its managed machines, by ID.
    pub machines: Vec<Machine>,
}

impl Current {
    /// Returns the images that the machines run, by digest where it is known, each once.
    pub fn images(&self) -> Vec<String> {
        let mut images: Vec<String> = self.machines.iter().filter_map(image).collect();
        images.sort();
        images.dedup();
        images
    }
}

fn image(machine: &Machine) -> Option<String> {
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
    let machines = machines(client, app).await?;
    Ok(Current { app: found, machines })
}

/// Lists the machines that deploys manage, by ID.
pub(super) async fn machines(client: &Client, app: &AppName) -> Result<Vec<Machine>, Error> {
    let mut machines = client.machines(app).await?;
    machines.retain(is_managed);
    machines.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(machines)
}

fn is_managed(machine: &Machine) -> bool {
    let Some(config) = machine.known_config() else {
        return false;
    };
    let managed = config.metadata.get("fly_platform_version").is_some_and(|v| v == "v2");
    let lives = !matches!(machine.state.as_str(), "destroyed" | "destroying");
    let stays = group(machine).is_none_or(|group| !PASSING.contains(&group));
    let releases = config.metadata.get("process_group").is_some_and(|g| g == "release_command");
    managed && lives && stays && !releases
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
        let machine = |metadata: serde_json::Value, state: &str| -> Machine {
            serde_json::from_value(
                json!({"id": "e1", "state": state, "config": {"metadata": metadata}}),
            )
            .unwrap()
        };
        let v2 = json!({"fly_platform_version": "v2"});
        assert!(is_managed(&machine(v2.clone(), "started")));
        assert!(!is_managed(&machine(v2, "destroyed")));
        assert!(!is_managed(&machine(json!({}), "started")));
        assert!(!is_managed(&machine(
            json!({"fly_platform_version": "v2", "fly_process_group": "fly_app_console"}),
            "started"
        )));
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
            Current { app: App::default(), machines: serde_json::from_value(machines).unwrap() };
        assert_eq!(current.images(), ["r/web:old", "r/web@sha256:0"]);
    }
}
