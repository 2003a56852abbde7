//! Settings of a machine that are given as JSON, and the containers in it.

use std::path::Path;

use serde_json::{Map, Value};

use crate::fly::config::model::Document;
use crate::fly::config::problem::Fault;
use crate::fly::config::rules::Note;
use crate::fly::wire::MachineConfig;

use super::compose;
use super::files::{encode, read_beside};

/// The image of the container that gets the deployed one.
const DEPLOYED: &str = ".";

/// What of a machine's configuration a deploy sets in any case, and of its `init`.
const REPLACED: [&str; 10] = [
    "checks",
    "env",
    "files",
    "image",
    "metrics",
    "mounts",
    "restart",
    "services",
    "statics",
    "stop_config",
];
const REPLACED_IN_INIT: [&str; 4] = ["cmd", "entrypoint", "exec", "swap_size_mb"];

/// Reads what `build.compose` or `machine_config` say of a machine. `experimental` beats the
/// top level, a compose file both.
pub(in crate::fly::config) fn overlay(
    document: &Document,
    folder: Option<&Path>,
    notes: &mut Vec<Note>,
) -> Result<Option<Map<String, Value>>, Fault> {
    let experimental = document.experimental.as_ref().map(|e| e.machine_config.as_str());
    let experimental = experimental.filter(|text| !text.is_empty());
    let top = Some(document.machine_config.as_str()).filter(|text| !text.is_empty());
    let given = experimental
        .map(|text| ("experimental.machine_config", text))
        .or(top.map(|text| ("machine_config", text)));
    if experimental.is_some() && top.is_some() {
        notes.push(Note::idle("machine_config", "`experimental.machine_config` takes its place"));
    }
    let build = document.build.as_ref();
    if let Some(compose) = build.and_then(|build| build.compose.as_ref()) {
        if let Some((key, _)) = given {
            notes.push(Note::idle(key, "`build.compose` takes its place"));
        }
        if !document.container.is_empty() {
            notes.push(Note::idle("container", "the compose file says it by `build`"));
        }
        let containers = compose::containers(&compose.file, folder, notes)?;
        return Ok(Some(Map::from_iter([("containers".to_owned(), containers)])));
    }
    let Some((key, text)) = given else {
        if !document.container.is_empty() {
            let reason = "there are no containers: they come with `machine_config`";
            notes.push(Note::idle("container", reason));
        }
        return Ok(None);
    };
    let mut overlay = decode(key, text, folder)?;
    let wrong = |reason: String| Fault::of(key, reason);
    let mut replaced = |table: &mut Map<String, Value>, names: &[&str], at: &str| {
        for name in names.iter().filter(|name| table.remove(**name).is_some()) {
            let text = format!("its `{at}{name}` has no effect: a deploy sets that itself");
            notes.push(Note::new("config.key-without-effect", key, text));
        }
    };
    replaced(&mut overlay, &REPLACED, "");
    if let Some(init) = overlay.get_mut("init").and_then(Value::as_object_mut) {
        replaced(init, &REPLACED_IN_INIT, "init.");
    }
    if let Some(containers) = overlay.get_mut("containers").and_then(Value::as_array_mut) {
        choose(containers, &document.container, key)?;
        for file in containers.iter_mut().filter_map(|c| c.get_mut("files")) {
            let files = file.as_array_mut().into_iter().flatten();
            files
                .filter_map(Value::as_object_mut)
                .try_for_each(|f| fill(f, folder))
                .map_err(wrong)?;
        }
    }
    // Whether the types fit does not depend on the machine.
    merged(&MachineConfig::default(), &overlay).map_err(wrong)?;
    Ok(Some(overlay))
}

/// Reads the JSON that is written there, or in the file that is named there.
fn decode(key: &str, text: &str, folder: Option<&Path>) -> Result<Map<String, Value>, Fault> {
    let wrong = |reason: String| Fault::of(key, reason);
    let (source, bytes) = if text.trim_start().starts_with('{') {
        ("it".to_owned(), text.as_bytes().to_vec())
    } else if Path::new(text).extension().is_some_and(|ending| ending == "json") {
        (format!("`{text}`"), read_beside(folder, text).map_err(wrong)?)
    } else {
        let reason = "it is neither JSON, which begins with `{`, nor the path of a `.json` file";
        return Err(wrong(reason.to_owned()));
    };
    serde_json::from_slice(&bytes).map_err(|error| wrong(format!("{source} is no JSON: {error}")))
}

/// Marks the container that gets the deployed image: that of this name, or else `app`, or
/// else the first. All others have their own.
fn choose(containers: &mut [Value], name: &str, key: &str) -> Result<(), Fault> {
    let called =
        |container: &Value, name: &str| container.get("name").and_then(Value::as_str) == Some(name);
    let wanted = if name.is_empty() { "app" } else { name };
    let chosen = match containers.iter().position(|container| called(container, wanted)) {
        None if !name.is_empty() => {
            let reason = format!("there is no container `{name}` in `{key}`");
            return Err(Fault::of("container", reason));
        }
        found => found.unwrap_or(0),
    };
    for (n, container) in containers.iter_mut().enumerate() {
        let Some(container) = container.as_object_mut() else {
            return Err(Fault::of(key, format!("its `containers[{n}]` is no table")));
        };
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        if n == chosen {
            container.insert("image".to_owned(), DEPLOYED.into());
        } else if image.is_empty() {
            return Err(Fault::of(key, format!("its `containers[{n}]` has no `image`")));
        }
    }
    Ok(())
}

/// Puts the content of a file in the place of its `local_path`.
fn fill(file: &mut Map<String, Value>, folder: Option<&Path>) -> Result<(), String> {
    let path = file.remove("local_path");
    let has_content = file.contains_key("raw_value") || file.contains_key("secret_name");
    if let (Some(path), false) = (path.as_ref().and_then(Value::as_str), has_content) {
        let content = read_beside(folder, path)?;
        file.insert("raw_value".to_owned(), encode(&content).into());
    }
    Ok(())
}

/// Writes `overlay` over a machine's configuration: what is in both is merged, a list
/// replaced, and `null` takes away.
pub(super) fn merged(
    config: &MachineConfig,
    overlay: &Map<String, Value>,
) -> Result<MachineConfig, String> {
    let failed = |error: serde_json::Error| format!("it is no machine's configuration: {error}");
    let mut value = serde_json::to_value(config).map_err(failed)?;
    write_over(&mut value, &Value::Object(overlay.clone()));
    serde_json::from_value(value).map_err(failed)
}

fn write_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                if value.is_null() {
                    below.remove(name);
                } else {
                    write_over(below.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// Gives the deployed image to the container that waits for it.
pub(super) fn give_image(config: &mut MachineConfig) {
    for container in config.containers.iter_mut().filter(|c| c.image == DEPLOYED) {
        container.image.clone_from(&config.image);
    }
}
