//! Blobs that are there.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, Response};

use super::error::OciError;
use crate::image::Digest;
use crate::sandbox::core::Core;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

fn find(core: &Core, app: &str, text: &str) -> Result<(Digest, u64), OciError> {
    let digest: Digest = text.parse().map_err(|_invalid| OciError::digest_invalid(text, None))?;
    let state = core.state();
    let size = state.app(app).and_then(|app| app.repository.blobs.get(&digest).copied());
    size.map(|size| (digest, size)).ok_or_else(|| OciError::blob_unknown(text))
}

fn respond(digest: Digest, size_bytes: u64, body: Body) -> Result<Response<Body>, OciError> {
    Response::builder()
        .header(CONTENT_LENGTH, size_bytes)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_DIGEST, digest.to_string())
        .body(body)
        .map_err(|error| OciError::storage(&std::io::Error::other(error)))
}

pub(super) fn head(core: &Core, app: &str, digest: &str) -> Result<Response<Body>, OciError> {
    let (digest, size_bytes) = find(core, app, digest)?;
    respond(digest, size_bytes, Body::empty())
}

pub(super) async fn get(core: &Core, app: &str, digest: &str) -> Result<Response<Body>, OciError> {
    let (digest, size_bytes) = find(core, app, digest)?;
    let blocks = core.content.open(&digest).await.map_err(|error| OciError::storage(&error))?;
    respond(digest, size_bytes, Body::from_stream(blocks))
}
