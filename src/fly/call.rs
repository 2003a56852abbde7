//! A request to the platform, before it is sent.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;

use super::Error;
use super::endpoints::Service;
use super::wire::LeaseNonce;

/// How long an answer may take. Updates are answered when the host has taken them, which
/// includes the pull of a large image.
const ANSWER: Duration = Duration::from_secs(180);

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// All that may pass: doing it twice is doing it once.
    Transient,
    /// Only those after which surely nothing was done.
    NothingDone,
    /// None: the caller goes on by itself.
    Never,
}

/// A request. Its body may hold the token, so it cannot be shown.
pub(super) struct Call<'a> {
    pub(super) what: String,
    pub(super) service: Service,
    pub(super) method: Method,
    /// Segments of the path behind the service's prefix.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) nonce: Option<&'a LeaseNonce>,
    pub(super) body: Option<Bytes>,
    pub(super) again: Again,
    pub(super) within: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a [&'a str], what: String) -> Self {
        Self {
            what,
            service: Service::Machines,
            method,
            path,
            query: Vec::new(),
            nonce: None,
            body: None,
            again: Again::Transient,
            within: ANSWER,
        }
    }

    /// Sets the body.
    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body).map_err(|e| Error::Unreadable {
            what: self.what.clone(),
            reason: format!("the request is not JSON: {e}"),
        })?;
        self.body = Some(bytes.into());
        Ok(self)
    }
}
