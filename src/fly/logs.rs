//! Logs. They are not documented, and read as the platform's own client does.

use std::time::Duration;

use reqwest::Method;

use crate::http::clean;

use super::call::{Again, Call};
use super::endpoints::Service;
use super::wire::{LogAnswer, LogAttributes};
use super::{AppName, Client, Error};

/// How long an answer may take: deploys go on without it.
const ANSWER: Duration = Duration::from_secs(15);

/// Lines of a log, and where the next ones are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// What [`Client::log_page`] is given for the lines that came after these.
    pub next_token: Option<String>,
}

/// A line of a log, fit to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, RFC 3339.
    pub timestamp: String,
    /// The text.
    pub message: String,
    /// `info`, `error` and so on.
    pub level: String,
    /// ID of the machine that wrote it.
    pub machine: String,
    /// Where that runs.
    pub region: String,
}

impl Client {
    /// Reads lines that a machine wrote: the newest ones, or with the token of a page, those
    /// that came after it. Does not retry: the caller asks again anyway. Deploy tokens may
    /// not read logs: the platform answers 401 then.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses.
    pub async fn log_page(
        &self,
        app: &AppName,
        machine: &str,
        next_token: Option<&str>,
    ) -> Result<LogPage, Error> {
        let what = format!("read the logs of {machine}");
        self.log_page_of(app, Some(machine), what, next_token).await
    }

    /// Reads lines that any of an app's machines wrote, as [`Client::log_page`] does those of one.
    ///
    /// # Errors
    ///
    /// As [`Client::log_page`].
    pub async fn app_log_page(
        &self,
        app: &AppName,
        next_token: Option<&str>,
    ) -> Result<LogPage, Error> {
        self.log_page_of(app, None, format!("read the logs of `{app}`"), next_token).await
    }

    async fn log_page_of(
        &self,
        app: &AppName,
        machine: Option<&str>,
        what: String,
        next_token: Option<&str>,
    ) -> Result<LogPage, Error> {
        let path = ["apps", app.as_str(), "logs"];
        let mut call = Call::new(Method::GET, &path, what);
        call.service = Service::Logs;
        call.query = vec![("next_token", next_token.unwrap_or_default().to_owned())];
        call.query.extend(machine.map(|machine| ("instance", machine.to_owned())));
        call.again = Again::Never;
        call.within = ANSWER;
        let answer: LogAnswer = self.call(&call).await?;
        let known = |token: &String| !token.is_empty();
        let next_token =
            answer.meta.next_token.filter(known).or_else(|| next_token.map(str::to_owned));
        let lines = answer.data.iter().map(|entry| line(&entry.attributes)).collect();
        Ok(LogPage { lines, next_token })
    }
}

fn line(attributes: &LogAttributes) -> LogLine {
    LogLine {
        timestamp: clean(&attributes.timestamp),
        message: clean(&attributes.message),
        level: clean(&attributes.level),
        machine: clean(&attributes.instance),
        region: clean(&attributes.region),
    }
}
