//! Manifests: what makes blobs an image.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{Method, Response, StatusCode};

use super::blob::CONTENT_DIGEST;
use super::error::OciError;
use super::upload::respond;
use crate::image::{Digest, Manifest, Tag};
use crate::sandbox::core::Core;

/// As large as a manifest may be, in bytes.
const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// `GET` and `HEAD`, by tag or digest.
pub(super) async fn get(
    core: &Core,
    app: &str,
    reference: &str,
    method: &Method,
) -> Result<Response<Body>, OciError> {
    let unknown = || OciError::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    let (digest, media_type) = {
        let state = core.state();
        let repository = &state.app(app).ok_or_else(|| OciError::app_unknown(app))?.repository;
        let digest = repository.resolve(reference).ok_or_else(unknown)?;
        (digest, repository.manifests.get(&digest).cloned().ok_or_else(unknown)?)
    };
    let bytes = core.content.read(&digest).await.map_err(|error| OciError::storage(&error))?;
    Response::builder()
        .header(CONTENT_TYPE, media_type.as_str())
        .header(CONTENT_LENGTH, bytes.len())
        .header(CONTENT_DIGEST, digest.to_string())
        .body(if *method == Method::HEAD { Body::empty() } else { Body::from(bytes) })
        .map_err(|error| OciError::storage(&std::io::Error::other(error)))
}

/// `PUT`, by tag or digest. The blobs that it names must be there, with the sizes it says.
pub(super) async fn put(
    core: &Core,
    app: &str,
    reference: &str,
    request: Request,
) -> Result<Response<Body>, OciError> {
    let told = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let told = told.unwrap_or_default().to_owned();
    let bytes = to_bytes(request.into_body(), MAX_MANIFEST_BYTES).await.map_err(|error| {
        OciError::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", error.to_string())
    })?;
    let manifest =
        Manifest::parse(&bytes).map_err(|error| OciError::manifest_invalid(error.to_string()))?;
    if *manifest.media_type() != *told {
        return Err(OciError::manifest_invalid(format!(
            "sent as `{told}`, but the manifest says `{}`",
            manifest.media_type()
        )));
    }
    let digest = Digest::of(&bytes);
    let tag = match reference.parse::<Digest>() {
        Ok(named) if named == digest => None,
        Ok(_) => return Err(OciError::digest_invalid(reference, Some(digest))),
        Err(_) => Some(reference.parse::<Tag>().map_err(|error| {
            OciError::new(StatusCode::BAD_REQUEST, "TAG_INVALID", error.to_string())
        })?),
    };
    check_blobs(core, app, &manifest)?;
    core.content.put(bytes).await.map_err(|error| OciError::storage(&error))?;
    {
        let mut state = core.state();
        let app = state.app_mut(app).ok_or_else(|| OciError::app_unknown(app))?;
        app.repository.manifests.insert(digest, manifest.media_type().clone());
        if let Some(tag) = tag {
            app.repository.tags.insert(tag.to_string(), digest);
        }
    }
    let location = format!("http://{}/v2/{app}/manifests/{digest}", core.address);
    respond(StatusCode::CREATED, &[(LOCATION, location), (CONTENT_DIGEST, digest.to_string())])
}

fn check_blobs(core: &Core, app: &str, manifest: &Manifest) -> Result<(), OciError> {
    let state = core.state();
    let blobs = &state.app(app).ok_or_else(|| OciError::app_unknown(app))?.repository.blobs;
    let mut missing = Vec::new();
    for descriptor in std::iter::once(&manifest.config).chain(&manifest.layers) {
        match blobs.get(&descriptor.digest) {
            None => missing.push(descriptor.digest),
            Some(size) if *size != descriptor.size => {
                return Err(OciError::manifest_invalid(format!(
                    "`{}` has {size} bytes, not {}",
                    descriptor.digest, descriptor.size
                )));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(OciError::blobs_missing(&missing)) }
}
