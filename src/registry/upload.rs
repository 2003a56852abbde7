//! Sending blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request, StatusCode};
use tokio::sync::mpsc;

use super::Error;
use super::blob::http_error;
use super::client::{Ask, Registry, STORED};
use super::location::Location;
use crate::http::{self, Judge as _, Verdict, read_capped};
use crate::image::Digest;

/// How long the registry may take no byte of a body before it counts as gone.
const STALL: Duration = Duration::from_secs(60);

/// How long a request that nobody waits for may take.
const CANCEL: Duration = Duration::from_secs(1);

/// An upload session: a blob on its way.
///
/// Dropping it leaves the session to the registry, which forgets it after some days;
/// [`Upload::cancel`] says so at once.
#[derive(Debug)]
pub struct Upload {
    registry: Registry,
    to: Location,
}

impl Registry {
    /// Opens an upload session.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, also for want of the repository.
    pub async fn begin_upload(&self) -> Result<Upload, Error> {
        let what = format!("begin an upload to `{}`", self.repository());
        self.retry().run(self.patience(), &what, async |_| self.open_upload(&what).await).await
    }

    /// Opens an upload session, in one attempt.
    async fn open_upload(&self, what: &str) -> Result<Upload, Error> {
        let url = self.url(self.repository(), "blobs/uploads/");
        let ask = Ask::new(Method::POST, url.clone(), self.repository(), what);
        let response = self.ask(ask.clone()).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(response, &ask).await);
        }
        let to = Location::of(response.headers(), &url, self.base(), what)?;
        Ok(Upload::at(self, to))
    }

    /// Sends a blob whose bytes are at hand, again if need be.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, or the attempts are spent.
    pub async fn put_blob(&self, bytes: &Bytes, digest: Digest) -> Result<(), Error> {
        let what = format!("store blob {}", digest.short());
        let size_bytes = bytes.len() as u64;
        self.retry()
            .run(self.patience(), &what, async |number| {
                // The answer to the attempt before may have been lost.
                if number > 1 && self.look_for_blob(digest, size_bytes, &what).await? {
                    return Ok(());
                }
                self.open_upload(&what).await?.close(digest, bytes.clone()).await
            })
            .await
    }
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
    /// `body` does. After that the session is of no use but to be cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts the connection.
    pub async fn send(
        &mut self,
        body: impl Stream<Item = Result<Bytes, BodyEnd>> + Send + Unpin,
    ) -> Result<(), Error> {
        let what = format!("send a blob to `{}`", self.registry.repository());
        // One chunk in flight: `send` below waits while the connection takes no more.
        let (chunks, feed) = mpsc::channel::<Bytes>(1);
        let cut = Arc::new(AtomicBool::new(false));
        let body_end = Arc::clone(&cut);
        let feed = futures_util::stream::unfold(feed, move |mut feed| {
            let cut = Arc::clone(&body_end);
            async move {
                match feed.recv().await {
                    Some(bytes) => Some((Ok(bytes), feed)),
                    None if cut.load(Ordering::Acquire) => Some((Err(BodyEnd), feed)),
                    None => None,
                }
            }
        });

        let mut request = Request::new(Method::PATCH, self.to.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let at_registry = self.to.at_registry;
        let header = if at_registry { self.registry.authorization().await? } else { None };
        if let Some(header) = &header {
            headers.insert(AUTHORIZATION, header.clone());
        }
        *request.body_mut() = Some(Body::wrap_stream(feed));
        let url = request.url().clone();
        let answer = self.registry.clients().blobs().execute(request);
        let feeding = feed_body(body, chunks, cut);
        tokio::pin!(answer, feeding);

        // The registry may answer before it has read the body, mostly to refuse it.
        let fed = tokio::select! {
            biased;
            answer = &mut answer => return self.answered(answer, header.as_ref(), &what).await,
            fed = &mut feeding => fed,
        };
        match fed {
            // When the connection was closed, its answer says why.
            Fed::All | Fed::Refused => {}
            Fed::Aborted => return Err(Error::BodyAborted),
            Fed::Stalled => {
                let source = http::Error::silent(&Method::PATCH, &url, STALL);
                return Err(Error::Http { what, source });
            }
        }
        match tokio::time::timeout(STORED, answer).await {
            Ok(answer) => self.answered(answer, header.as_ref(), &what).await,
            Err(_elapsed) => {
                let source = http::Error::silent(&Method::PATCH, &url, STORED);
                Err(Error::Http { what, source })
            }
        }
    }

    /// Takes in the answer to the body.
    async fn answered(
        &mut self,
        answer: reqwest::Result<reqwest::Response>,
        sent_header: Option<&HeaderValue>,
        what: &str,
    ) -> Result<(), Error> {
        let response = answer.map_err(|error| {
            http_error(what)(http::Error::transport(&Method::PATCH, &self.to.url, &error))
        })?;
        let repository = self.registry.repository().clone();
        let ask = Ask::new(Method::PATCH, self.to.url.clone(), &repository, what);
        match response.status() {
            StatusCode::ACCEPTED | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                // Each answer names the place for the next request; one that names none
                // means the same place.
                let to = Location::of(response.headers(), &self.to.url, self.registry.base(), what);
                if let Ok(to) = to {
                    self.to = to;
                }
                Ok(())
            }
            // The token ran out: with a new one the blob may be sent again.
            StatusCode::UNAUTHORIZED
                if self.registry.challenged(response.headers(), sent_header).await? =>
            {
                let problem = "the credentials ran out during the upload".to_owned();
                Err(Error::Protocol { what: what.to_owned(), problem })
            }
            _ => Err(self.registry.refusal(response, &ask).await),
        }
    }

    /// Closes the session: what was sent becomes the blob `digest` of `size_bytes` bytes.
    ///
    /// A lost answer is looked into before it counts as a failure.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, has other bytes or goes away.
    pub async fn commit(self, digest: Digest, size_bytes: u64) -> Result<(), Error> {
        match self.close(digest, Bytes::new()).await {
            // What was sent is gone, so it is worth some patience to find that it arrived.
            Err(error) if error.verdict() != Verdict::Final => {
                let arrived = self.registry.has_blob(digest, size_bytes).await.unwrap_or(false);
                if arrived { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    /// Sends the last part of the blob, and closes the session.
    async fn close(&self, digest: Digest, rest: Bytes) -> Result<(), Error> {
        let what = format!("store blob {}", digest.short());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let url = self.to.with_digest(digest);
        let ask = Ask {
            headers,
            body: Some(rest),
            within: Some(STORED),
            ..Ask::new(Method::PUT, url, self.registry.repository(), &what)
        };
        let response = self.registry.ask(ask.clone()).await?;
        if response.status().is_success() {
            return check_digest(response.headers(), digest, &what);
        }
        Err(self.registry.refusal(response, &ask).await)
    }

    /// Tells the registry that nothing more will come. Whether it listens does not matter.
    pub async fn cancel(self) {
        let ask = Ask {
            within: Some(CANCEL),
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

/// The body of a request ends early, on purpose: the connection is cut, so that the
/// registry does not take what it has for the whole.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body was cut off")]
pub struct BodyEnd;

enum Fed {
    All,
    Aborted,
    Stalled,
    Refused,
}

/// Moves `body` into the request. Taking nothing for [`STALL`] is noticed here, where a
/// slow source is told from a slow registry.
async fn feed_body(
    mut body: impl Stream<Item = Result<Bytes, BodyEnd>> + Unpin,
    chunks: mpsc::Sender<Bytes>,
    cut: Arc<AtomicBool>,
) -> Fed {
    while let Some(item) = body.next().await {
        let Ok(bytes) = item else {
            cut.store(true, Ordering::Release);
            return Fed::Aborted;
        };
        match tokio::time::timeout(STALL, chunks.send(bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_closed)) => return Fed::Refused,
            Err(_elapsed) => {
                cut.store(true, Ordering::Release);
                return Fed::Stalled;
            }
        }
    }
    Fed::All
}

/// Compares the digest that the registry answers with, where it does.
pub(super) fn check_digest(headers: &HeaderMap, sent: Digest, what: &str) -> Result<(), Error> {
    match headers.get("docker-content-digest") {
        Some(stored) if stored.as_bytes() != sent.to_string().as_bytes() => {
            let stored = http::clean(&String::from_utf8_lossy(stored.as_bytes()));
            Err(Error::DigestMismatch { what: what.to_owned(), sent, stored })
        }
        _ => Ok(()),
    }
}
