//! Releases: the platform's book of deploys.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::null_as_default;

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

/// An answer with one release: the platform wraps it when it was created, and gives it bare
/// when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReleaseAnswer {
    /// As it is created.
    Wrapped {
        /// The release.
        release: Release,
    },
    /// As it is read.
    Bare(Release),
}

impl ReleaseAnswer {
    /// Returns the release, however it was wrapped.
    pub fn into_release(self) -> Release {
        match self {
            Self::Wrapped { release } | Self::Bare(release) => release,
        }
    }
}

/// The answer to a request for an app's releases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleaseList {
    /// The releases, newest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub releases: Vec<Release>,
}

/// A recorded deploy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The platform's ID of it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// Its number within the app, from 1.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: u64,
    /// Whether it was healthy.
    #[serde(default, deserialize_with = "null_as_default")]
    pub stable: bool,
    /// Whether it is being deployed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub in_progress: bool,
    /// `pending`, `running`, `complete`, `failed` or `interrupted`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// How it was deployed, such as `ROLLING`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub strategy: String,
    /// Who deployed it: a text, or an object with an `email` and a `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
    /// When it was recorded, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created_at: String,
    /// Reference of the image.
    #[serde(default, deserialize_with = "null_as_default")]
    pub image_ref: String,
    /// What it is about, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Release {
    /// Returns who deployed it, however that is told.
    pub fn user_name(&self) -> Option<&str> {
        let user = self.user.as_ref()?;
        let named = || ["email", "name", "id"].iter().find_map(|key| user.get(key)?.as_str());
        user.as_str().or_else(named).filter(|name| !name.is_empty())
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_release_is_read_wrapped_and_bare_and_with_nulls() {
        let bare = json!({"id": "r1", "version": 3, "status": null, "user": "me@example.com"});
        for value in [bare.clone(), json!({"release": bare})] {
            let release = serde_json::from_value::<ReleaseAnswer>(value).unwrap().into_release();
            assert_eq!((release.id.as_str(), release.version), ("r1", 3));
            assert_eq!(release.user_name(), Some("me@example.com"));
        }
        let user = Some(json!({"id": "usr_1", "name": "Me"}));
        assert_eq!(Release { user, ..Release::default() }.user_name(), Some("Me"));
    }
}
