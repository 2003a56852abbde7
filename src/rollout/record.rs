//! The release in the platform's book. Nothing depends on it: where it fails, a warning
//! tells and the deploy goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::event::{Event, Reporter};
use crate::fly::config::Strategy;
use crate::fly::wire::{CreateRelease, MachineConfig, Release, UpdateRelease};
use crate::fly::{AppName, Client};

/// How long a user who has interrupted waits for the book.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A release that is recorded, or could not be.
pub(super) struct Record<'a> {
    client: &'a Client,
    reporter: &'a dyn Reporter,
    release: Option<Release>,
}

impl<'a> Record<'a> {
    /// Records the release as running.
    pub(super) async fn open(
        client: &'a Client,
        reporter: &'a dyn Reporter,
        app: &AppName,
        definition: Value,
        image: &str,
        strategy: Strategy,
    ) -> Self {
        let request = CreateRelease {
            app_name: app.to_string(),
            build_id: 0,
            definition,
            image: image.to_owned(),
            strategy: strategy.as_str().to_uppercase(),
        };
        let release = match client.create_release(&request).await {
            Ok(release) => {
                reporter.report(Event::ReleaseCreated { version: release.version });
                Some(release)
            }
            Err(error) => {
                warn(reporter, &format!("the release is not recorded: {error}"));
                None
            }
        };
        let record = Self { client, reporter, release };
        record.status("running", None).await;
        record
    }

    /// Returns the release's number, if there is one.
    pub(super) fn version(&self) -> Option<u64> {
        self.release.as_ref().map(|release| release.version)
    }

    /// Writes the release into a machine's metadata; without one, an older release's
    /// traces are taken out.
    pub(super) fn stamp(&self, config: &mut MachineConfig) {
        const ID: &str = "fly_release_id";
        const VERSION: &str = "fly_release_version";
        if let Some(release) = &self.release {
            config.metadata.insert(ID.to_owned(), release.id.clone());
            config.metadata.insert(VERSION.to_owned(), release.version.to_string());
        } else {
            config.metadata.remove(ID);
            config.metadata.remove(VERSION);
        }
    }

    /// Records how it ended: `complete`, `failed` or `interrupted`.
    pub(super) async fn close(&self, status: &str, error: Option<String>) {
        if status == "interrupted" {
            if tokio::time::timeout(LAST_WORD, self.status(status, error)).await.is_err() {
                warn(self.reporter, "the interruption is not recorded: no answer");
            }
        } else {
            self.status(status, error).await;
        }
    }

    async fn status(&self, status: &str, error: Option<String>) {
        let Some(release) = &self.release else {
            return;
        };
        let metadata = error.map(|error| {
            let version = concat!("snowbird/", env!("CARGO_PKG_VERSION"));
            json!({"PostDeploymentInfo": {"FlyctlVersion": version, "Error": error}})
        });
        let request = UpdateRelease { status: status.to_owned(), metadata };
        if let Err(error) = self.client.update_release(&release.id, &request).await {
            warn(self.reporter, &format!("the release is not recorded as {status}: {error}"));
        }
    }
}

fn warn(reporter: &dyn Reporter, message: &str) {
    reporter
        .report(Event::Warning { code: "fly.release-not-recorded", message: message.to_owned() });
}
