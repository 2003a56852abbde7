//! Apps and who owns them.

use serde::{Deserialize, Serialize};

/// An app, as `GET /v1/apps/{app}` gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// The platform's ID of it.
    #[serde(default)]
    pub id: String,
    /// Its name, unique on the platform.
    pub name: String,
    /// Who owns it.
    #[serde(default)]
    pub organization: Organization,
    /// `pending` before the first deploy, then `deployed` or `suspended`.
    #[serde(default)]
    pub status: String,
    /// The private network it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The platform's number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_numeric_id: Option<u64>,
    /// Machines in it, of every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_count: Option<u64>,
    /// Volumes in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_count: Option<u64>,
    /// `postgres_cluster` for the platform's databases. The document does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<String>,
}

/// Asks for an app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateApp {
    /// Its name.
    pub name: String,
    /// The organization that it shall belong to.
    #[serde(default)]
    pub org_slug: String,
    /// The same key and name give the first app again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// The owner of apps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// Its name in requests.
    #[serde(default)]
    pub slug: String,
    /// The platform's number of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_numeric_id: Option<u64>,
}
