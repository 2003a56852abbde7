//! Manifests: what a tag points to.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use super::Error;
use super::blob::http_error;
use super::client::{Ask, Registry, Within};
use crate::http::{self, read_capped};
use crate::image::{Digest, Manifest, Reference, Repository, Tag};

/// The largest manifest that registries take.
const MAX_MANIFEST_BYTES: usize = 4 << 20;

/// What single-platform images come as. Indexes are not asked for.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json";

/// All that a reference may point to.
const ANYTHING: &str = "application/vnd.oci.image.manifest.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as it is in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Digest of its bytes.
    pub digest: Digest,
}

impl Registry {
    /// Reads the manifest that `reference`, a tag or digest, points to in a repository.
    ///
    /// Nothing means that there is none, or none of an image for one platform.
    ///
    /// # Errors
    ///
    /// Fails without an answer, or when the registry refuses.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<StoredManifest>, Error> {
        let stored = self.manifest_bytes(repository, reference, ACCEPTED).await?;
        Ok(stored.and_then(|bytes| {
            let digest = Digest::of(&bytes);
            Manifest::parse(&bytes).ok().map(|manifest| StoredManifest { manifest, digest })
        }))
    }

    /// Returns the digest of what `image` points to, an index included, by its digest if it has
    /// one, else by its tag. Nothing means that it is not there.
    ///
    /// # Errors
    ///
    /// Fails without an answer, or when the registry refuses.
    pub async fn resolve(&self, image: &Reference) -> Result<Option<Digest>, Error> {
        let reference = match (&image.digest, &image.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => return Ok(None),
        };
        let bytes = self.manifest_bytes(&image.repository, &reference, ANYTHING).await?;
        Ok(bytes.map(|bytes| Digest::of(&bytes)))
    }

    async fn manifest_bytes(
        &self,
        repository: &Repository,
        reference: &str,
        accepted: &'static str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("read the manifest `{reference}` of `{repository}`");
        let url = self.url(repository, &format!("manifests/{reference}"));
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        self.retry()
            .run(self.patience(), &what, async |_| {
                let ask = Ask {
                    headers: headers.clone(),
                    ..Ask::new(Method::GET, url.clone(), repository, &what)
                };
                let response = self.ask(ask.clone()).await?;
                match response.status() {
                    StatusCode::OK => {}
                    StatusCode::NOT_FOUND => return Ok(None),
                    _ => return Err(self.refusal(response, &ask).await),
                }
                let bytes = read_capped(response, MAX_MANIFEST_BYTES).await;
                bytes.map(Some).map_err(http_error(&what))
            })
            .await
    }

    /// Stores `manifest`, and makes `tag` point to it, or only its digest without one.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses; [`Error::BlobsUnknown`] names blobs that it has
    /// not got.
    pub async fn put_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<(), Error> {
        let bytes = Bytes::from(manifest.to_bytes());
        let digest = manifest.digest();
        let reference = tag.map_or_else(|| digest.to_string(), |tag| tag.as_str().to_owned());
        let what = format!("store the manifest `{reference}` in `{}`", self.repository());
        let media_type = HeaderValue::from_str(manifest.media_type().as_str())
            .map_err(|error| Error::protocol(&what, &error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, media_type);
        let url = self.url(self.repository(), &format!("manifests/{reference}"));
        self.retry()
            .run(self.patience(), &what, async |_| {
                let ask = Ask {
                    headers: headers.clone(),
                    body: Some(bytes.clone()),
                    within: Within::Stored,
                    ..Ask::new(Method::PUT, url.clone(), self.repository(), &what)
                };
                let response = self.ask(ask.clone()).await?;
                if response.status().is_success() {
                    return check_digest(response.headers(), digest, &what);
                }
                Err(self.refusal(response, &ask).await)
            })
            .await
    }
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
