//! Bodies that are sent while they are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, Response, StatusCode, Url};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Error;
use super::blob::http_error;
use super::client::{Ask, Registry, is_kept_redirect};
use crate::http;

/// The body of a request ends early, on purpose: the connection is cut, so that the
/// registry does not take what it has for the whole.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body was cut off")]
pub struct BodyEnd;

/// Where a body goes, and how.
#[derive(Debug, Clone)]
pub(super) struct Way<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Whether it is the registry itself, which alone gets credentials.
    pub(super) at_registry: bool,
    /// The size of the body, where it is known.
    pub(super) size_bytes: Option<u64>,
    /// What it is for, as the rest of "cannot …".
    pub(super) what: &'a str,
}

impl Registry {
    /// Sends `body` in one attempt, and returns the answer that it was taken.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses or goes away, and with [`Error::BodyAborted`] when
    /// `body` does.
    pub(super) async fn stream(
        &self,
        way: &Way<'_>,
        body: impl Stream<Item = Result<Bytes, BodyEnd>> + Send + Unpin,
    ) -> Result<Response, Error> {
        let begun = Instant::now();
        let header = if way.at_registry { self.authorization().await? } else { None };
        // One chunk in flight: `feed` below waits while the connection takes no more.
        let (chunks, taken) = mpsc::channel::<Bytes>(1);
        let cut = Arc::new(AtomicBool::new(false));
        let fed_bytes = AtomicU64::new(0);
        let request = way.request(header.clone(), outgoing(taken, Arc::clone(&cut)));
        tracing::debug!(method = %way.method, path = way.url.path(), "request with a stream");
        let answer = self.clients().blobs().execute(request);
        let feeding = Feeding { size_bytes: way.size_bytes, fed_bytes: &fed_bytes, cut: &cut };
        let feeding = feeding.feed(body, chunks, self.timing().stall);
        tokio::pin!(answer, feeding);

        let answer = tokio::select! {
            biased;
            // The registry may answer before it has read the body, mostly to refuse it.
            answer = &mut answer => match answer {
                Ok(answer) if answer.status().is_success() => match feeding.await {
                    Fed::All => Ok(answer),
                    Fed::Aborted => return Err(Error::BodyAborted),
                    Fed::Refused | Fed::Stalled => return Err(too_early(way)),
                },
                answer => answer,
            },
            fed = &mut feeding => match fed {
                Fed::Aborted => return Err(Error::BodyAborted),
                Fed::Stalled => return Err(way.silent(self.timing().stall)),
                // When the connection was closed, its answer says why.
                Fed::All | Fed::Refused => match timeout(self.timing().stored, answer).await {
                    Ok(Ok(answer)) if fed == Fed::Refused && answer.status().is_success() => {
                        return Err(too_early(way));
                    }
                    Ok(answer) => answer,
                    Err(_elapsed) => return Err(way.silent(self.timing().stored)),
                },
            },
        };
        match answer {
            Ok(answer) => self.taken(way, answer, header.as_ref(), begun).await,
            Err(error) => {
                let error = http::Error::transport(&way.method, &way.url, &error);
                let fed_bytes = fed_bytes.load(Ordering::Relaxed);
                Err(self.explain_break(way, error, fed_bytes, begun).await)
            }
        }
    }

    /// Judges the answer to a body.
    async fn taken(
        &self,
        way: &Way<'_>,
        answer: Response,
        sent_header: Option<&HeaderValue>,
        begun: Instant,
    ) -> Result<Response, Error> {
        self.tell_warnings(answer.headers());
        let ask = Ask::new(way.method.clone(), way.url.clone(), self.repository(), way.what);
        match answer.status() {
            status if status.is_success() => {
                if sent_header.is_some() {
                    self.body_accepted().await;
                }
                Ok(answer)
            }
            // The token ran out: with a new one the blob may be sent again. The word of
            // another host is not taken for where credentials should go.
            StatusCode::UNAUTHORIZED
                if way.at_registry
                    && self.challenged(answer.headers(), sent_header).await?
                    && self.body_refused(begun).await =>
            {
                Err(Error::passing(way.what, "the credentials ran out during the upload"))
            }
            status if is_kept_redirect(status) => {
                // What was sent is gone. From now on it is asked where bodies go.
                self.note_redirects();
                Err(Error::passing(way.what, "the registry wants it sent to another place"))
            }
            _ => Err(self.refusal(answer, &ask).await.of_session()),
        }
    }

    /// Makes the error of a body whose connection broke.
    ///
    /// Who refuses a body and closes the connection while more of it is coming in has its
    /// answer overtaken by the reset, more often than not. So after a break the same
    /// request is made again with its body held back: one that is refused for its head is
    /// refused now, and the answer arrives.
    pub(super) async fn explain_break(
        &self,
        way: &Way<'_>,
        error: http::Error,
        sent_bytes: u64,
        begun: Instant,
    ) -> Error {
        let broken = http_error(way.what)(error);
        if !broken.is_break() {
            return broken;
        }
        let size_bytes = way.size_bytes.unwrap_or(sent_bytes).max(1);
        let again = Way { size_bytes: Some(size_bytes), ..way.clone() };
        let header = if way.at_registry { self.authorization().await.ok().flatten() } else { None };
        let held_back = Body::wrap_stream(stream::pending::<Result<Bytes, BodyEnd>>());
        let request = again.request(header.clone(), held_back);
        let answer = timeout(self.timing().glance, self.clients().blobs().execute(request)).await;
        let Ok(Ok(answer)) = answer else { return broken };
        tracing::debug!(status = answer.status().as_u16(), "the answer to the head alone");
        match answer.status() {
            // The session ended with the connection: that says nothing of the body.
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::RANGE_NOT_SATISFIABLE => broken,
            status if status.is_success() => broken,
            _ => match self.taken(way, answer, header.as_ref(), begun).await {
                Ok(_) => broken,
                Err(error) => error,
            },
        }
    }
}

impl Way<'_> {
    fn request(&self, header: Option<HeaderValue>, body: Body) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if let Some(size_bytes) = self.size_bytes {
            headers.insert(CONTENT_LENGTH, size_bytes.into());
        }
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, header);
        }
        *request.body_mut() = Some(body);
        request
    }

    fn silent(&self, after: Duration) -> Error {
        http_error(self.what)(http::Error::silent(&self.method, &self.url, after))
    }
}

fn too_early(way: &Way<'_>) -> Error {
    Error::passing(way.what, "the registry answered before it had the whole")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fed {
    All,
    Aborted,
    Stalled,
    Refused,
}

/// Makes the request's body of the chunks that are fed to it; without its proper end if it
/// was cut.
fn outgoing(chunks: mpsc::Receiver<Bytes>, cut: Arc<AtomicBool>) -> Body {
    Body::wrap_stream(stream::unfold((chunks, cut), async |(mut chunks, cut)| {
        match chunks.recv().await {
            Some(bytes) => Some((Ok(bytes), (chunks, cut))),
            None if cut.load(Ordering::Acquire) => Some((Err(BodyEnd), (chunks, cut))),
            None => None,
        }
    }))
}

/// A body that is on its way into its request.
struct Feeding<'a> {
    /// How long it shall be, if that is known.
    size_bytes: Option<u64>,
    fed_bytes: &'a AtomicU64,
    /// Set when it must not end as if it were whole.
    cut: &'a AtomicBool,
}

impl Feeding<'_> {
    /// Moves `body` into the request. Taking nothing for `stall` is noticed here, where a
    /// slow source is told from a slow registry.
    async fn feed(
        self,
        mut body: impl Stream<Item = Result<Bytes, BodyEnd>> + Unpin,
        chunks: mpsc::Sender<Bytes>,
        stall: Duration,
    ) -> Fed {
        let mut fed_bytes = 0;
        while let Some(item) = body.next().await {
            let Ok(bytes) = item else { return self.end(Fed::Aborted) };
            fed_bytes += bytes.len() as u64;
            if self.size_bytes.is_some_and(|size_bytes| fed_bytes > size_bytes) {
                return self.end(Fed::Aborted);
            }
            self.fed_bytes.store(fed_bytes, Ordering::Relaxed);
            match timeout(stall, chunks.send(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_closed)) => return Fed::Refused,
                Err(_elapsed) => return self.end(Fed::Stalled),
            }
        }
        if self.size_bytes.is_some_and(|size_bytes| fed_bytes < size_bytes) {
            return self.end(Fed::Aborted);
        }
        Fed::All
    }

    fn end(&self, fed: Fed) -> Fed {
        self.cut.store(true, Ordering::Release);
        fed
    }
}
