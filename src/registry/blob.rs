//! Blobs that the registry has already, or can take from next door.

use std::time::SystemTime;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, Response, StatusCode};

use super::Error;
use super::client::{Ask, Registry};
use super::location::Location;
use super::upload::Upload;
use crate::http::{self, Patience, Verdict, read_capped, status_verdict};
use crate::image::{Digest, Repository};

/// What came of the attempt to mount a blob.
#[derive(Debug)]
pub enum Mounted {
    /// The repository has the blob now.
    Yes,
    /// It has not, but an upload is open, to be used or cancelled.
    NoBut(Upload),
    /// It has not.
    No,
}

impl Registry {
    /// Returns whether the repository has the blob, with `size_bytes` bytes.
    ///
    /// A blob of another size is none, and so is one that the registry will not talk about.
    ///
    /// # Errors
    ///
    /// Fails without an answer, or when the credentials are refused.
    pub async fn has_blob(&self, digest: Digest, size_bytes: u64) -> Result<bool, Error> {
        let what = format!("look for blob {}", digest.short());
        let look = async |_| self.look_for_blob(digest, size_bytes, &what).await;
        self.retry().run(self.patience(), &what, look).await
    }

    /// As [`Registry::has_blob`], in one attempt.
    pub(super) async fn look_for_blob(
        &self,
        digest: Digest,
        size_bytes: u64,
        what: &str,
    ) -> Result<bool, Error> {
        let url = self.url(self.repository(), &format!("blobs/{digest}"));
        let ask = Ask::new(Method::HEAD, url, self.repository(), what);
        let response = match self.ask(ask.clone()).await {
            // It is sent somewhere else, where nobody should go.
            Err(Error::Protocol { .. }) => return Ok(false),
            answer => answer?,
        };
        match response.status() {
            status if status.is_success() => {
                // Without a length there is nothing to compare.
                let length = response.headers().get(CONTENT_LENGTH);
                let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
                Ok(length.is_none_or(|length: u64| length == size_bytes))
            }
            status if may_pass(status, &response) => Err(self.refusal(response, &ask).await),
            _ => Ok(false),
        }
    }

    /// Reads a small blob of any repository, such as a config, and checks its digest.
    ///
    /// # Errors
    ///
    /// Fails without an answer, when the registry refuses, or when the bytes are others or
    /// more than `limit_bytes`. Nothing means that there is no such blob.
    pub async fn small_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        limit_bytes: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("read blob {}", digest.short());
        let url = self.url(repository, &format!("blobs/{digest}"));
        self.retry()
            .run(self.patience(), &what, async |_| {
                let ask = Ask::new(Method::GET, url.clone(), repository, &what);
                let response = self.ask(ask.clone()).await?;
                match response.status() {
                    StatusCode::OK => {}
                    StatusCode::NOT_FOUND => return Ok(None),
                    _ => return Err(self.refusal(response, &ask).await),
                }
                let bytes = read_capped(response, limit_bytes).await.map_err(http_error(&what))?;
                if Digest::of(&bytes) == digest {
                    return Ok(Some(bytes));
                }
                Err(Error::passing(&what, "the answer has another digest"))
            })
            .await
    }

    /// Asks the registry to take a blob from the repository `from`.
    ///
    /// Registries that will not mount say so in many ways; all of them mean
    /// [`Mounted::No`], and so does one that still fails when it is asked again.
    ///
    /// # Errors
    ///
    /// Fails without an answer.
    pub async fn mount(&self, digest: Digest, from: &Repository) -> Result<Mounted, Error> {
        let what = format!("mount blob {} from `{from}`", digest.short());
        self.will_read(from).await;
        let mut url = self.url(self.repository(), "blobs/uploads/");
        url.set_query(Some(&format!("mount={digest}&from={from}")));
        // What cannot be mounted can be sent, so there is no need for much patience.
        let patience = Patience { attempts: 2, ..self.patience() };
        let mounted = self
            .retry()
            .run(patience, &what, async |_| {
                let ask = Ask::new(Method::POST, url.clone(), self.repository(), &what);
                let response = match self.ask(ask.clone()).await {
                    // A token that may not read the other repository.
                    Err(Error::Unauthorized { .. } | Error::Denied { .. }) => {
                        return Ok(Mounted::No);
                    }
                    answer => answer?,
                };
                match response.status() {
                    StatusCode::CREATED => Ok(Mounted::Yes),
                    StatusCode::ACCEPTED => {
                        let to =
                            Location::of(response.headers(), response.url(), self.base(), &what);
                        Ok(to.map_or(Mounted::No, |to| Mounted::NoBut(Upload::at(self, to))))
                    }
                    status if may_pass(status, &response) => {
                        Err(self.refusal(response, &ask).await)
                    }
                    _ => Ok(Mounted::No),
                }
            })
            .await;
        match mounted {
            Err(Error::Status { .. } | Error::Http { .. }) => Ok(Mounted::No),
            mounted => mounted,
        }
    }
}

fn may_pass(status: StatusCode, response: &Response) -> bool {
    status_verdict(status, response.headers(), SystemTime::now()) != Verdict::Final
}

/// Adds to an HTTP error what was attempted.
pub(super) fn http_error(what: &str) -> impl Fn(http::Error) -> Error {
    move |source| Error::Http { what: what.to_owned(), source }
}
