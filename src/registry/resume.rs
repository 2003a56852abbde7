//! Blobs whose bytes are at hand: they are sent again, from where they broke off.

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::time::Instant;

use super::Error;
use super::client::{Ask, Registry, Within};
use super::manifest::check_digest;
use super::upload::{Upload, no_session, octets};
use crate::image::Digest;

/// How often an upload may be told, in one attempt, to go on from another byte.
const MAX_CORRECTIONS: usize = 3;

impl Registry {
    /// Sends a blob whose bytes are at hand, again if need be: what the registry has kept
    /// of it is not sent twice where it says so.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses, or the attempts are spent.
    pub async fn put_blob(&self, bytes: &Bytes, digest: Digest) -> Result<(), Error> {
        let what = format!("store blob {}", digest.short());
        let size_bytes = bytes.len() as u64;
        let mut broken: Option<Upload> = None;
        self.retry()
            .run(self.patience(), &what, async |number| {
                // The answer to the attempt before may have been lost.
                if number > 1 && self.look_for_blob(digest, size_bytes, &what).await? {
                    return Ok(());
                }
                let mut from_byte = 0;
                if let Some(mut upload) = broken.take() {
                    from_byte = upload.kept_bytes(bytes.len()).await?;
                    broken = (from_byte > 0).then_some(upload);
                }
                let mut upload = match broken.take() {
                    Some(upload) => upload,
                    None => match self.open(&what).await? {
                        Some(upload) => upload,
                        None if self.look_for_blob(digest, size_bytes, &what).await? => {
                            return Ok(());
                        }
                        None => return Err(no_session(&what)),
                    },
                };
                let begun = Instant::now();
                match upload.finish_from(from_byte, digest, bytes, &what).await {
                    Err(Error::Http { source, .. }) if number > 1 => {
                        let way = upload.way_to_close(digest, size_bytes, &what);
                        Err(self.explain_break(&way, source, size_bytes, begun).await)
                    }
                    stored => {
                        if matches!(stored, Err(Error::Http { .. })) {
                            broken = Some(upload);
                        }
                        stored
                    }
                }
            })
            .await
    }
}

impl Upload {
    /// Sends `bytes` from `from_byte` on, and closes the session. When the registry wants
    /// another part of them, it gets that.
    async fn finish_from(
        &mut self,
        mut from_byte: usize,
        digest: Digest,
        bytes: &Bytes,
        what: &str,
    ) -> Result<(), Error> {
        for _ in 0..=MAX_CORRECTIONS {
            let corrected = if from_byte == 0 {
                self.close_with(bytes.clone(), digest, what).await?
            } else {
                let rest = bytes.slice(from_byte.min(bytes.len())..);
                match self.append(from_byte, rest, what).await? {
                    None => self.close_with(Bytes::new(), digest, what).await?,
                    corrected => corrected,
                }
            };
            match corrected {
                None => return Ok(()),
                Some(other) if other > 0 && other <= bytes.len() => from_byte = other,
                Some(_) => break,
            }
        }
        Err(lost_track(what))
    }

    /// Closes the session: what was sent becomes the blob `digest`.
    pub(super) async fn close(&mut self, digest: Digest) -> Result<(), Error> {
        let what = format!("store blob {}", digest.short());
        match self.close_with(Bytes::new(), digest, &what).await? {
            None => Ok(()),
            Some(_) => Err(lost_track(&what)),
        }
    }

    /// Sends the last part of the blob and closes the session. Returns from which byte to
    /// go on instead, if the registry says so.
    async fn close_with(
        &mut self,
        rest: Bytes,
        digest: Digest,
        what: &str,
    ) -> Result<Option<usize>, Error> {
        let url = self.to.with_digest(digest);
        let repository = self.registry.repository().clone();
        let ask = Ask {
            headers: octets(),
            body: Some(rest),
            within: Within::Stored,
            ..Ask::new(Method::PUT, url, &repository, what)
        };
        let response = self.registry.ask(ask.clone()).await?;
        if response.status().is_success() {
            check_digest(response.headers(), digest, what)?;
            return Ok(None);
        }
        self.corrected(response, &ask).await.map(Some)
    }

    /// Sends the part of the blob that begins at `from_byte`, up to the blob's end. Returns
    /// from which byte to go on instead, if the registry says so.
    async fn append(
        &mut self,
        from_byte: usize,
        rest: Bytes,
        what: &str,
    ) -> Result<Option<usize>, Error> {
        if rest.is_empty() {
            return Ok(None);
        }
        let mut headers = octets();
        let range = format!("{from_byte}-{}", from_byte + rest.len() - 1);
        if let Ok(range) = HeaderValue::from_str(&range) {
            headers.insert(CONTENT_RANGE, range);
        }
        let repository = self.registry.repository().clone();
        let ask = Ask {
            headers,
            body: Some(rest),
            within: Within::Stored,
            ..Ask::new(Method::PATCH, self.to.url.clone(), &repository, what)
        };
        let response = self.registry.ask(ask.clone()).await?;
        if response.status().is_success() {
            self.go_on(&response, what)?;
            return Ok(None);
        }
        self.corrected(response, &ask).await.map(Some)
    }

    /// Returns from which byte the registry wants the upload to go on.
    async fn corrected(&mut self, response: Response, ask: &Ask<'_>) -> Result<usize, Error> {
        match kept_bytes(response.headers()) {
            Some(kept) if response.status() == StatusCode::RANGE_NOT_SATISFIABLE => {
                // Without a `Location` it is where it was before the digest was added.
                if response.headers().contains_key(LOCATION) {
                    self.go_on(&response, ask.what)?;
                }
                Ok(kept)
            }
            _ => Err(self.registry.refusal(response, ask).await.of_session()),
        }
    }

    /// Asks how much of the blob the registry has kept of a request that broke; none if
    /// it does not know the session any more, and none if that is not clear.
    async fn kept_bytes(&mut self, size_bytes: usize) -> Result<usize, Error> {
        let what = "ask how far an upload has come";
        let repository = self.registry.repository().clone();
        let ask = Ask::new(Method::GET, self.to.url.clone(), &repository, what);
        let response = self.registry.ask(ask).await?;
        let kept = kept_bytes(response.headers()).filter(|&kept| kept <= size_bytes);
        match kept {
            Some(kept) if response.status().is_success() => {
                self.go_on(&response, what)?;
                Ok(kept)
            }
            _ => Ok(0),
        }
    }
}

/// Reads how many bytes an upload has from `Range: 0-<last>`.
///
/// `0-0` is said of one byte and of none. It counts as none: another session costs less
/// than finding out.
///
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks>
pub(super) fn kept_bytes(headers: &HeaderMap) -> Option<usize> {
    let range = headers.get(RANGE)?.to_str().ok()?.trim();
    let (first, last) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    match (first, last) {
        (0, 0) => Some(0),
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

fn lost_track(what: &str) -> Error {
    Error::passing(what, "the registry has lost track of the upload")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(range: &str) -> Option<usize> {
        let range = HeaderValue::from_str(range).ok()?;
        kept_bytes(&HeaderMap::from_iter([(RANGE, range)]))
    }

    #[test]
    fn a_range_says_how_many_bytes_an_upload_has() {
        for (range, expected) in [
            ("0-0", Some(0)),
            ("0-1", Some(2)),
            ("0-4999", Some(5000)),
            ("bytes=0-4999", Some(5000)),
            (" 0 - 9 ", Some(10)),
            ("1-2", None),
            ("0-", None),
            ("-1", None),
            ("", None),
            ("0-99999999999999999999", None),
            ("0-18446744073709551615", None),
        ] {
            assert_eq!(kept(range), expected, "{range}");
        }
        assert_eq!(kept_bytes(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn any_text_may_stand_in_a_range(text in ".*", last in 1..u32::MAX) {
            let _read = kept(&text);
            prop_assert_eq!(kept(&format!("0-{last}")), Some(last as usize + 1));
        }
    }
}
