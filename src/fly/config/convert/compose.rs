//! Containers from a compose file.
//!
//! What can be said of containers within one machine is taken over: images, variables,
//! commands, users, files, health checks, the order in which they begin. All else has no
//! effect, and is warned of.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fly::config::patches::text;
use crate::fly::config::problem::Fault;
use crate::fly::config::read::read;
use crate::fly::config::rules::Note;
use crate::fly::config::syntax::Syntax;
use crate::fly::config::tree::{self, Node};
use crate::fly::config::{GoDuration, words};

use super::files::{encode, read_beside};

/// The key of fly.toml that every problem is told of: the compose file is another file.
const KEY: &str = "build.compose";

/// The names that are looked for, in this order.
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// What says nothing that a machine would do otherwise: its containers share one network.
const MEANINGLESS: [&str; 8] =
    ["version", "name", "networks", "ports", "expose", "links", "container_name", "hostname"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    image: String,
    build: Option<Value>,
    environment: BTreeMap<String, String>,
    command: Vec<String>,
    entrypoint: Vec<String>,
    user: String,
    volumes: Vec<String>,
    depends_on: BTreeMap<String, Dependency>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Dependency {
    condition: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Healthcheck {
    test: Vec<String>,
    interval: Option<GoDuration>,
    timeout: Option<GoDuration>,
    start_period: Option<GoDuration>,
    retries: u64,
}

/// Reads the compose file `name`, or the one that is found, to a machine's `containers`.
pub(super) fn containers(
    name: &str,
    folder: Option<&Path>,
    notes: &mut Vec<Note>,
) -> Result<Value, Fault> {
    let found = || NAMES.into_iter().find(|name| folder.is_some_and(|f| f.join(name).exists()));
    let name = match name {
        "" => found().ok_or_else(|| {
            Fault::of(KEY, format!("there is no compose file: none of {}", NAMES.join(", ")))
        })?,
        name => name,
    };
    let wrong = |reason: String| Fault::of(KEY, reason);
    let bytes = read_beside(folder, name).map_err(wrong)?;
    let text =
        String::from_utf8(bytes).map_err(|_not_text| wrong(format!("`{name}` is no text")))?;
    let told = |fault: Fault| wrong(format!("`{name}` {}", fault.told(Some(&text)).line()));
    let mut tree = Syntax::Yaml.read(&text).map_err(|mut faults| told(faults.remove(0)))?;
    normalize(&mut tree).map_err(told)?;
    let mut reading = read::<File>(&tree);
    if let Some(fault) = reading.faults.drain(..).next() {
        return Err(told(fault));
    }
    for unknown in reading.unknown {
        let last = unknown.key.rsplit('.').next().unwrap_or_default();
        if !MEANINGLESS.contains(&last) && !last.starts_with("x-") {
            notes.push(idle(name, &unknown.key, "has no effect in a machine"));
        }
    }
    if text.contains("${") {
        notes.push(idle(name, "${…}", "is not replaced by variables"));
    }
    let services = reading.value.unwrap_or_default().services;
    let builds = services.values().filter(|service| service.build.is_some()).count();
    match builds {
        _ if services.is_empty() => return Err(wrong(format!("`{name}` has no `services`"))),
        0 => notes.push(idle(name, "services", "has none with `build`: none gets the image")),
        1 => {}
        _ => return Err(wrong(format!("`{name}` has several services with `build`"))),
    }
    let folder = folder.map(|folder| folder.join(name));
    let folder = folder.as_deref().and_then(Path::parent);
    let containers = services.iter().map(|(service, settings)| {
        let at = format!("`{name}`: `services.{service}`");
        container(service, settings, folder, name, notes).map_err(|e| wrong(format!("{at}: {e}")))
    });
    containers.collect()
}

fn idle(file: &str, key: &str, text: &str) -> Note {
    Note::new("config.compose-without-effect", KEY, format!("`{key}` of `{file}` {text}"))
}

fn container(
    name: &str,
    service: &Service,
    folder: Option<&Path>,
    file: &str,
    notes: &mut Vec<Note>,
) -> Result<Value, String> {
    let image = match &service.build {
        Some(_) => ".",
        None if service.image.is_empty() => return Err("it has no `image` and no `build`".into()),
        None => &service.image,
    };
    let mut files = Vec::new();
    for volume in &service.volumes {
        let Some((host, guest, mode)) = bound(volume) else {
            let key = format!("services.{name}.volumes");
            let text = format!("names `{volume}`, which has no effect: only files are copied");
            notes.push(idle(file, &key, &text));
            continue;
        };
        let content = encode(&read_beside(folder, host)?);
        files.push(json!({"guest_path": guest, "raw_value": content, "mode": mode}));
    }
    let depends_on: Result<Vec<_>, String> = service
        .depends_on
        .iter()
        .map(|(name, dependency)| {
            let condition = match dependency.condition.as_str() {
                "" | "service_started" => "started",
                "service_healthy" => "healthy",
                "service_completed_successfully" => "exited_successfully",
                other => return Err(format!("`{other}` is no condition of `depends_on`")),
            };
            Ok(json!({"name": name, "condition": condition}))
        })
        .collect();
    let mut container = Map::new();
    let mut set = |key: &str, value: Value| {
        let is_empty = match &value {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !is_empty {
            container.insert(key.to_owned(), value);
        }
    };
    set("name", name.into());
    set("image", image.into());
    set("env", json!(service.environment));
    set("entrypoint", json!(service.entrypoint));
    set("cmd", json!(service.command));
    set("user", service.user.as_str().into());
    set("files", Value::Array(files));
    set("depends_on", Value::Array(depends_on?));
    set("healthchecks", service.healthcheck.iter().filter_map(healthcheck).collect());
    Ok(Value::Object(container))
}

/// Takes a volume apart that is a file or folder of this machine: its path here, its path in
/// the container, its mode.
fn bound(volume: &str) -> Option<(&str, &str, u32)> {
    let (host, rest) = volume.split_once(':')?;
    let (guest, options) = rest.split_once(':').unwrap_or((rest, "rw"));
    let is_path = host.starts_with(['.', '/']);
    let mode = if options.split(',').any(|option| option == "ro") { 0o444 } else { 0o644 };
    is_path.then_some((host, guest, mode))
}

fn healthcheck(check: &Healthcheck) -> Option<Value> {
    let command = match check.test.split_first()? {
        (word, _) if word == "NONE" => return None,
        (word, rest) if word == "CMD" => rest.to_vec(),
        (word, rest) if word == "CMD-SHELL" => {
            [&["/bin/sh".to_owned(), "-c".to_owned()], rest].concat()
        }
        _ => check.test.clone(),
    };
    let seconds = |duration: Option<GoDuration>| {
        duration.map(GoDuration::as_std).filter(|d| !d.is_zero()).map(rounded_up)
    };
    let mut value = json!({"name": "healthcheck", "exec": {"command": command}});
    for (key, number) in [
        ("interval", seconds(check.interval)),
        ("timeout", seconds(check.timeout)),
        ("grace_period", seconds(check.start_period)),
        ("failure_threshold", Some(check.retries).filter(|retries| *retries > 0)),
    ] {
        if let (Some(number), Some(members)) = (number, value.as_object_mut()) {
            members.insert(key.to_owned(), number.into());
        }
    }
    Some(value)
}

fn rounded_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Gives each setting that can be written in several ways the shape of its type.
fn normalize(tree: &mut Node) -> Result<(), Fault> {
    let services = tree.table_mut().and_then(|root| root.get_mut("services"));
    for service in services.and_then(Node::table_mut).into_iter().flat_map(|s| s.values_mut()) {
        let Some(service) = service.table_mut() else { continue };
        for name in ["command", "entrypoint"] {
            if let Some(node) = service.get_mut(name) {
                let words = match &node.value {
                    tree::Value::Text(text) => {
                        words::split(text).map_err(|reason| node.fault(reason))?
                    }
                    _ => continue,
                };
                node.value = list(node, words);
            }
        }
        if let Some(node) = service.get_mut("environment") {
            by_name(node, |entry, node| {
                let (name, value) = entry.split_once('=')?;
                Some((name.to_owned(), node.with(tree::Value::Text(value.to_owned()))))
            });
            for value in node.table_mut().into_iter().flat_map(|table| table.values_mut()) {
                to_text(value);
            }
        }
        if let Some(node) = service.get_mut("depends_on") {
            by_name(node, |name, node| {
                Some((name.to_owned(), node.with(tree::Value::Table(tree::Table::new()))))
            });
        }
        if let Some(user) = service.get_mut("user") {
            to_text(user);
        }
        let test = service.get_mut("healthcheck").and_then(Node::table_mut);
        if let Some(node) = test.and_then(|check| check.get_mut("test"))
            && let tree::Value::Text(text) = &node.value
        {
            let words = vec!["CMD-SHELL".to_owned(), text.clone()];
            node.value = list(node, words);
        }
    }
    Ok(())
}

fn list(node: &Node, words: Vec<String>) -> tree::Value {
    tree::Value::List(words.into_iter().map(|word| node.with(tree::Value::Text(word))).collect())
}

/// Makes a table of a list of texts.
fn by_name(node: &mut Node, entry: impl Fn(&str, &Node) -> Option<(String, Node)>) {
    let tree::Value::List(items) = &node.value else { return };
    let entries = items.iter().filter_map(|item| match &item.value {
        tree::Value::Text(text) => entry(text, item),
        _ => None,
    });
    node.value = tree::Value::Table(entries.collect());
}

/// What is no scalar stays, and is told of as of the wrong type.
fn to_text(node: &mut Node) {
    if let Ok(Some(text)) = text(node) {
        node.value = text;
    }
}
