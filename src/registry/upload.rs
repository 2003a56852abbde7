//! Sending blobs.
//!
//! A blob goes in one piece, whatever its size, as an unbroken connection is the fastest
//! way and the only one that all registries understand. So what a registry says of the
//! size of chunks, `OCI-Chunk-Min-Length`, is of no concern: that the last one may be
//! smaller is the specification's word, and ours is always the last.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};

use super::Error;
use super::blob::http_error;
use super::client::{Ask, Registry, Within};
use super::location::Location;
use super::manifest::check_digest;
use super::stream::{BodyEnd, Way};
use crate::http::{Judge as _, Verdict, read_capped};
use crate::image::Digest;

/// How long a request that nobody waits for may take.
const CANCEL: Duration = Duration::from_secs(1);

/// An upload session: a blob on its way.
///
/// Dropping it leaves the session to the registry, which forgets it after some days;
/// [`Upload::cancel`] says so at once.
#[derive(Debug)]
pub struct Upload {
    pub(super) registry: Registry,
    pub(super) to: Location,
}

impl Registry {
    /// Opens an upload session.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, also for want of the repository.
    pub async fn begin_upload(&self) -> Result<Upload, Error> {
        let what = format!("begin an upload to `{}`", self.repository());
        let opened = self.retry().run(self.patience(), &what, async |_| self.open(&what).await);
        opened.await?.ok_or_else(|| no_session(&what))
    }

    /// Opens an upload session, in one attempt. Nothing means that the registry says that
    /// it has the blob already, whichever that is.
    pub(super) async fn open(&self, what: &str) -> Result<Option<Upload>, Error> {
        let url = self.url(self.repository(), "blobs/uploads/");
        let ask = Ask::new(Method::POST, url, self.repository(), what);
        let response = self.ask(ask.clone()).await?;
        match response.status() {
            // Some registries mean the first by the others.
            StatusCode::ACCEPTED | StatusCode::CREATED | StatusCode::OK => {}
            _ => return Err(self.refusal(response, &ask).await),
        }
        let to = Location::of(response.headers(), response.url(), self.base(), what)?;
        let is_blob = response.status() != StatusCode::ACCEPTED && to.is_blob();
        Ok((!is_blob).then(|| Upload::at(self, to)))
    }
}

pub(super) fn no_session(what: &str) -> Error {
    Error::protocol(what, "the registry says that it has the blob, but opens no upload")
}

impl Upload {
    pub(super) fn at(registry: &Registry, to: Location) -> Self {
        Self { registry: registry.clone(), to }
    }

    /// Sends `body`, all of it, in one request whose length need not be known.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses or goes away, and with [`Error::BodyAborted`] when
    /// `body` does. After that the session is of no use but to be cancelled; where trying
    /// again may help, it takes another session and the body from its beginning.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts the connection.
    pub async fn send(
        &mut self,
        body: impl Stream<Item = Result<Bytes, BodyEnd>> + Send + Unpin,
    ) -> Result<(), Error> {
        let what = format!("send a blob to `{}`", self.registry.repository());
        if self.registry.redirects_bodies() {
            self.ask_the_way(&what).await?;
        }
        let way = Way {
            method: Method::PATCH,
            url: self.to.url.clone(),
            at_registry: self.to.at_registry,
            size_bytes: None,
            what: &what,
        };
        let answer = self.registry.stream(&way, body).await?;
        self.go_on(&answer, &what)
    }

    /// Sends `body`, which is the blob `digest` of `size_bytes` bytes, and closes the
    /// session, all in one request. It takes one round trip less than [`Upload::send`] and
    /// [`Upload::commit`].
    ///
    /// A lost answer is looked into before it counts as a failure.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses or goes away, and with [`Error::BodyAborted`] when
    /// `body` does, or is not `size_bytes` long. After that the session is of no use but to
    /// be cancelled, as with [`Upload::send`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts the connection.
    pub async fn put(
        &mut self,
        digest: Digest,
        size_bytes: u64,
        body: impl Stream<Item = Result<Bytes, BodyEnd>> + Send + Unpin,
    ) -> Result<(), Error> {
        let what = format!("store blob {}", digest.short());
        if self.registry.redirects_bodies() {
            // Where a body goes can be asked with an empty PATCH, but not with a PUT.
            self.send(body).await?;
            return self.close_and_look(digest, size_bytes).await;
        }
        let way = self.way_to_close(digest, size_bytes, &what);
        let result = match self.registry.stream(&way, body).await {
            Ok(answer) => check_digest(answer.headers(), digest, &what),
            Err(error) => Err(error),
        };
        self.or_arrived(result, digest, size_bytes).await
    }

    /// Closes the session: what was sent becomes the blob `digest` of `size_bytes` bytes.
    ///
    /// A lost answer is looked into before it counts as a failure.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, has other bytes or goes away.
    pub async fn commit(mut self, digest: Digest, size_bytes: u64) -> Result<(), Error> {
        self.close_and_look(digest, size_bytes).await
    }

    async fn close_and_look(&mut self, digest: Digest, size_bytes: u64) -> Result<(), Error> {
        let closed = self.close(digest).await;
        self.or_arrived(closed, digest, size_bytes).await
    }

    /// Looks whether the blob arrived after all, when its answer was lost.
    async fn or_arrived(
        &self,
        result: Result<(), Error>,
        digest: Digest,
        size_bytes: u64,
    ) -> Result<(), Error> {
        match result {
            // What was sent is gone, so it is worth some patience to find that it arrived.
            Err(error) if error.verdict() != Verdict::Final => {
                let arrived = self.registry.has_blob(digest, size_bytes).await.unwrap_or(false);
                if arrived { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    /// The request that sends a blob of `size_bytes` bytes and closes the session.
    pub(super) fn way_to_close<'a>(
        &self,
        digest: Digest,
        size_bytes: u64,
        what: &'a str,
    ) -> Way<'a> {
        let url = self.to.with_digest(digest);
        let at_registry = self.to.at_registry;
        Way { method: Method::PUT, url, at_registry, size_bytes: Some(size_bytes), what }
    }

    /// Finds out where a body is to be sent, by sending an empty one: a redirect that comes
    /// while a body is on its way comes too late for it.
    async fn ask_the_way(&mut self, what: &str) -> Result<(), Error> {
        let ask = Ask {
            headers: octets(),
            body: Some(Bytes::new()),
            ..Ask::new(Method::PATCH, self.to.url.clone(), self.registry.repository(), what)
        };
        let response = self.registry.ask(ask.clone()).await?;
        if !response.status().is_success() {
            return Err(self.registry.refusal(response, &ask).await.of_session());
        }
        self.go_on(&response, what)
    }

    /// Notes where the next request goes: each answer may name another place, and one that
    /// names none means that which was asked.
    pub(super) fn go_on(&mut self, answer: &Response, what: &str) -> Result<(), Error> {
        let base = self.registry.base();
        self.to = if answer.headers().contains_key(LOCATION) {
            Location::of(answer.headers(), answer.url(), base, what)?
        } else {
            Location::at(answer.url().clone(), base)
        };
        Ok(())
    }

    /// Tells the registry that nothing more will come. Whether it listens does not matter.
    pub async fn cancel(self) {
        let ask = Ask {
            within: Within::Time(CANCEL),
            ..Ask::new(Method::DELETE, self.to.url, self.registry.repository(), "cancel an upload")
        };
        let result = tokio::time::timeout(CANCEL, async {
            let response = self.registry.ask(ask).await?;
            read_capped(response, 4096).await.map_err(http_error("cancel an upload"))
        })
        .await;
        tracing::debug!(ok = matches!(result, Ok(Ok(_))), "upload cancelled");
    }
}

/// The headers of a body that is part of a blob.
pub(super) fn octets() -> HeaderMap {
    let octets = HeaderValue::from_static("application/octet-stream");
    HeaderMap::from_iter([(CONTENT_TYPE, octets)])
}
