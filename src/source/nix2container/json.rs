//! The description as it is written.
//!
//! What nix2container does not know yet may be left out or be anything in the image and its
//! layers, but not in what decides the bytes of a layer: a new option there is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An image.
#[derive(Debug, Deserialize)]
pub(super) struct ImageJson {
    #[serde(default)]
    pub(super) version: i64,
    #[serde(default, rename = "image-config")]
    pub(super) config: Option<ConfigJson>,
    #[serde(default)]
    pub(super) layers: Option<Vec<LayerJson>>,
    #[serde(default)]
    pub(super) arch: String,
    #[serde(default)]
    pub(super) created: Option<String>,
}

/// The `config` of an image's config, its members in the order in which Go writes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfigJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exposed_ports: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cmd: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volumes: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_dir: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_signal: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    args_escaped: Option<Value>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// A layer.
#[derive(Debug, Deserialize)]
pub(super) struct LayerJson {
    #[serde(default)]
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: i64,
    #[serde(default)]
    pub(super) diff_ids: String,
    #[serde(default)]
    pub(super) paths: Option<Vec<PathJson>>,
    #[serde(default, rename = "mediatype")]
    pub(super) media_type: String,
    #[serde(default, rename = "layer-path")]
    pub(super) layer_path: String,
    /// Go's name, for nobody has given it another.
    #[serde(default, rename = "History")]
    pub(super) history: Option<HistoryJson>,
}

/// An entry of the history, its members in the order in which Go writes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HistoryJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    empty_layer: bool,
}

/// A store path of a layer.
#[derive(Debug, Deserialize)]
pub(super) struct PathJson {
    pub(super) path: String,
    #[serde(default)]
    pub(super) options: Option<OptionsJson>,
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

/// How a store path comes into the layer.
#[derive(Debug, Deserialize)]
pub(super) struct OptionsJson {
    #[serde(default)]
    pub(super) rewrite: RewriteJson,
    #[serde(default)]
    pub(super) perms: Option<Vec<PermJson>>,
    #[serde(default, rename = "ignoreDestination")]
    pub(super) ignore_destination: String,
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

/// What of a path is replaced.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RewriteJson {
    #[serde(default)]
    pub(super) regex: String,
    #[serde(default)]
    pub(super) repl: String,
}

/// Owner and permissions of files.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct PermJson {
    pub(super) regex: String,
    #[serde(default)]
    pub(super) mode: String,
    #[serde(default, rename = "orMode")]
    pub(super) or_mode: String,
    #[serde(default)]
    pub(super) uid: i64,
    #[serde(default)]
    pub(super) gid: i64,
    #[serde(default)]
    pub(super) uname: String,
    #[serde(default)]
    pub(super) gname: String,
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

/// Returns the first of `others` that says something. Go may write what is empty.
pub(super) fn unknown(others: &BTreeMap<String, Value>) -> Option<&str> {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    others.iter().find(|(_, value)| !is_empty(value)).map(|(name, _)| name.as_str())
}
