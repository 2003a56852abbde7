//! Log lines, as `GET /api/v1/apps/{app}/logs` gives them.

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// Some lines, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnswer {
    /// The lines.
    #[serde(default, deserialize_with = "null_as_default")]
    pub data: Vec<LogEntry>,
    /// Where to go on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub meta: LogMeta,
}

/// Where the next page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMeta {
    /// Given back as the query's `next_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A line with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its ID.
    #[serde(default)]
    pub id: String,
    /// The line.
    #[serde(default)]
    pub attributes: LogAttributes,
}

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAttributes {
    /// When it was written, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub timestamp: String,
    /// The text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// `info`, `error` and so on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub level: String,
    /// ID of the machine that wrote it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub instance: String,
    /// Where it runs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub region: String,
}
