//! Releases: the platform's book of deploys. It is not documented; everything here is done
//! as the platform's own client does it, and nothing depends on it.

use std::cmp::Reverse;
use std::time::Duration;

use reqwest::Method;

use super::apps::of_app;
use super::call::Call;
use super::endpoints::Service;
use super::wire::{CreateRelease, Release, ReleaseAnswer, ReleaseList, UpdateRelease};
use super::{AppName, Client, Error};

/// How long an answer may take: deploys go on without it.
const ANSWER: Duration = Duration::from_secs(15);

impl Client {
    /// Records a release, once: the request is repeated only when the app's newest release is
    /// not a pending one of that image.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn create_release(&self, request: &CreateRelease) -> Result<Release, Error> {
        let what = format!("record a release of `{}`", request.app_name);
        let mut call = Call::new(Method::POST, &["releases"], what).json(request)?;
        call.service = Service::Web;
        call.within = ANSWER;
        let recorded = self.create_once(call, async || {
            let newest = self.newest_release(&request.app_name).await?;
            let is_it = |release: &Release| {
                release.status == "pending" && release.image_ref == request.image
            };
            Ok(newest.filter(is_it).map(ReleaseAnswer::Bare))
        });
        Ok(recorded.await?.into_release())
    }

    async fn newest_release(&self, app: &str) -> Result<Option<Release>, Error> {
        Ok(self.list_releases(app, 1).await?.into_iter().next())
    }

    /// Changes what is recorded of a release. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn update_release(&self, id: &str, request: &UpdateRelease) -> Result<(), Error> {
        let path = ["releases", id];
        let what = format!("record the release as {}", request.status);
        let mut call = Call::new(Method::PATCH, &path, what).json(request)?;
        call.service = Service::Web;
        call.within = ANSWER;
        self.call_bytes(&call).await.map(drop)
    }

    /// Lists the newest releases of an app, at most `limit`, newest first. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// As [`Client::app`].
    pub async fn releases(&self, app: &AppName, limit: usize) -> Result<Vec<Release>, Error> {
        self.list_releases(app.as_str(), limit).await.map_err(|error| of_app(app, error))
    }

    async fn list_releases(&self, app: &str, limit: usize) -> Result<Vec<Release>, Error> {
        let path = ["apps", app, "releases"];
        let mut call = Call::new(Method::GET, &path, format!("list the releases of `{app}`"));
        call.service = Service::Web;
        call.query = vec![("limit", limit.to_string())];
        call.within = ANSWER;
        let mut releases = self.call::<ReleaseList>(&call).await?.releases;
        releases.sort_by_key(|release| Reverse(release.version));
        releases.truncate(limit);
        Ok(releases)
    }

    /// Reads the release that the app has. Gives nothing when there is none. Idempotent;
    /// retries.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn current_release(&self, app: &AppName) -> Result<Option<Release>, Error> {
        let path = ["apps", app.as_str(), "releases", "current"];
        let what = format!("read the current release of `{app}`");
        let mut call = Call::new(Method::GET, &path, what);
        call.service = Service::Web;
        call.within = ANSWER;
        match self.call::<Option<ReleaseAnswer>>(&call).await {
            Ok(answer) => Ok(answer.map(ReleaseAnswer::into_release)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(of_app(app, error)),
        }
    }
}
