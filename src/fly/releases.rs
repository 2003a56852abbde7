//! Releases and logs: the platform's web API. It is not documented; everything here is
//! done as the platform's own client does it, and nothing depends on it.

use std::time::Duration;

use reqwest::Method;

use crate::http::clean;

use super::client::{Again, Call, Service};
use super::wire::{CreateRelease, LogPage, Release, ReleaseAnswer, UpdateRelease};
use super::{AppName, Client, Error};

/// How long an answer may take: deploys go on without it.
const ANSWER: Duration = Duration::from_secs(15);

impl Client {
    /// Records a release. Is not repeated when it may have been recorded.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn create_release(&self, request: &CreateRelease) -> Result<Release, Error> {
        let what = format!("record a release of `{}`", request.app_name);
        let mut call = Call::new(Method::POST, &["releases"], what).json(request)?;
        call.service = Service::Releases;
        call.again = Again::NothingDone;
        call.within = ANSWER;
        Ok(self.call::<ReleaseAnswer>(&call).await?.release)
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
        call.service = Service::Releases;
        call.within = ANSWER;
        self.call_bytes(&call).await.map(drop)
    }

    /// Reads the newest lines that a machine wrote, oldest first, cleaned. Does not retry. Deploy
    /// tokens may not read logs: the platform answers 401 then.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn log_lines(&self, app: &AppName, machine: &str) -> Result<Vec<String>, Error> {
        let path = ["apps", app.as_str(), "logs"];
        let mut call = Call::new(Method::GET, &path, format!("read the logs of {machine}"));
        call.service = Service::Logs;
        call.query = vec![("instance", machine.to_owned())];
        call.again = Again::Never;
        call.within = ANSWER;
        let page: LogPage = self.call(&call).await?;
        Ok(page.data.iter().map(|entry| clean(&entry.attributes.message)).collect())
    }
}
