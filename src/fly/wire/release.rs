//! Releases: the platform's book of deploys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Asks to record a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateRelease {
    /// The app.
    pub app_name: String,
    /// ID of the platform's build, or 0 for none.
    #[serde(default)]
    pub build_id: i64,
    /// The app's configuration, whole.
    #[serde(default)]
    pub definition: Value,
    /// Reference of the image.
    pub image: String,
    /// The strategy in capitals, such as `ROLLING`.
    pub strategy: String,
}

/// The answer to [`CreateRelease`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseAnswer {
    /// What was recorded.
    pub release: Release,
}

/// A recorded deploy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The platform's ID of it.
    #[serde(default)]
    pub id: String,
    /// Its number within the app, from 1.
    #[serde(default)]
    pub version: u64,
    /// Whether it was healthy.
    #[serde(default)]
    pub stable: bool,
    /// Whether it is being deployed.
    #[serde(default)]
    pub in_progress: bool,
    /// `pending`, `running`, `complete`, `failed` or `interrupted`.
    #[serde(default)]
    pub status: String,
    /// How it was deployed.
    #[serde(default)]
    pub strategy: String,
    /// Who deployed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
    /// When it was recorded, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Reference of the image.
    #[serde(default)]
    pub image_ref: String,
}

/// Changes what is recorded of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateRelease {
    /// `running`, `complete`, `failed` or `interrupted`.
    pub status: String,
    /// Notes, or nothing.
    #[serde(default)]
    pub metadata: Option<Value>,
}
