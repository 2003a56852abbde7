//! Metadata of machines. To change it makes no new version and needs no lease: flyctl marks
//! machines without the nonce of the lease that it has on them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::{living, machine, machine_mut};
use crate::sandbox::machine::Machine;

fn change(machine: &mut Machine, key: &str, value: Option<String>) {
    let Some(config) = machine.config.as_object_mut() else { return };
    let metadata = config.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(members) = metadata.as_object_mut() else { return };
    // An empty text deletes, too.
    match value.filter(|value| !value.is_empty()) {
        Some(value) => members.insert(key.to_owned(), Value::String(value)),
        None => members.remove(key),
    };
}

pub(super) fn list(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    let state = call.core.state();
    let metadata = machine(&state, name, id)?.config.get("metadata").cloned();
    Ok(Answer::ok(metadata.unwrap_or_else(|| json!({}))))
}

pub(super) fn get(call: &Call<'_>, name: &str, id: &str, key: &str) -> Outcome {
    let state = call.core.state();
    let value = machine(&state, name, id)?.metadata(key);
    let value = value.ok_or_else(|| Refusal::not_found("metadata"))?;
    Ok(Answer::ok(json!({"value": value})))
}

pub(super) fn set(call: &Call<'_>, name: &str, id: &str, key: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Set {
        value: String,
    }
    let Set { value } = call.json()?;
    let mut state = call.core.state();
    living(&state, name, id)?;
    change(machine_mut(&mut state, name, id)?, key, Some(value));
    Ok(Answer::no_content())
}

pub(super) fn remove(call: &Call<'_>, name: &str, id: &str, key: &str) -> Outcome {
    let mut state = call.core.state();
    living(&state, name, id)?;
    change(machine_mut(&mut state, name, id)?, key, None);
    Ok(Answer::no_content())
}

/// `PATCH`, and `PUT`, which does the same.
pub(super) fn merge(call: &Call<'_>, name: &str, id: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Merge {
        metadata: BTreeMap<String, Option<String>>,
        machine_version: Option<String>,
    }
    let request: Merge = call.json()?;
    let mut state = call.core.state();
    living(&state, name, id)?;
    let machine = machine_mut(&mut state, name, id)?;
    if request.machine_version.is_some_and(|version| version != machine.instance_id) {
        return Err(Refusal::precondition("the machine has another version"));
    }
    for (key, value) in request.metadata {
        change(machine, &key, value);
    }
    Ok(Answer::no_content())
}
