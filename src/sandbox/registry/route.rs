//! From path and method to what is done.
//!
//! Repository names may hold slashes, so the paths are read here and not by patterns.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use super::error::OciError;
use super::{blob, manifest, upload};
use crate::sandbox::core::{Core, now_ms};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Blob(&'a str),
    Uploads,
    Upload(&'a str),
    Manifest(&'a str),
}

pub(in crate::sandbox) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/v2", any(answer))
        .route("/v2/", any(answer))
        .route("/v2/{*rest}", any(answer))
}

async fn answer(State(core): State<Arc<Core>>, request: Request) -> Response {
    let mut response =
        dispatch(&core, request).await.unwrap_or_else(axum::response::IntoResponse::into_response);
    response
        .headers_mut()
        .insert(API_VERSION, axum::http::HeaderValue::from_static("registry/2.0"));
    response
}

async fn dispatch(core: &Arc<Core>, request: Request) -> Result<Response, OciError> {
    let permit = core
        .access
        .registry(request.headers(), now_ms() / 1000)
        .ok_or_else(OciError::unauthorized)?;
    let path = request.uri().path().to_owned();
    let rest = path.strip_prefix("/v2").unwrap_or_default().trim_start_matches('/');
    if rest.is_empty() {
        return Ok(StatusCode::OK.into_response());
    }
    let (name, place) = split(rest).ok_or_else(|| {
        OciError::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "the operation is unsupported")
    })?;
    core.welcome(name);
    if core.state().app(name).is_none() {
        return Err(OciError::app_unknown(name));
    }
    let method = request.method().clone();
    {
        let state = core.state();
        let reads = matches!(method, Method::GET | Method::HEAD);
        let allowed = permit.sees_app(&state, name) || reads && permit.pulls(&state, name);
        if !allowed {
            return Err(OciError::denied());
        }
    }
    match (place, method) {
        (Place::Blob(digest), Method::HEAD) => blob::head(core, name, digest),
        (Place::Blob(digest), Method::GET) => blob::get(core, name, digest).await,
        (Place::Uploads, Method::POST) => upload::begin(core, &permit, name, &request),
        (Place::Upload(id), Method::PATCH) => upload::patch(core, name, id, request).await,
        (Place::Upload(id), Method::PUT) => upload::close(core, name, id, request).await,
        (Place::Upload(id), Method::GET) => upload::status(core, name, id).await,
        (Place::Upload(id), Method::DELETE) => upload::cancel(core, name, id),
        (Place::Manifest(reference), Method::HEAD | Method::GET) => {
            manifest::get(core, name, reference, request.method()).await
        }
        (Place::Manifest(reference), Method::PUT) => {
            manifest::put(core, name, reference, request).await
        }
        _ => Err(OciError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "the operation is unsupported",
        )),
    }
}

fn split(path: &str) -> Option<(&str, Place<'_>)> {
    let (head, last) = path.rsplit_once('/')?;
    if let Some(name) = head.strip_suffix("/blobs/uploads") {
        return Some((name, if last.is_empty() { Place::Uploads } else { Place::Upload(last) }));
    }
    if let Some(name) = head.strip_suffix("/blobs") {
        // Some clients leave out the slash at the end.
        return Some((name, if last == "uploads" { Place::Uploads } else { Place::Blob(last) }));
    }
    Some((head.strip_suffix("/manifests")?, Place::Manifest(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        assert_eq!(split("app/blobs/uploads/"), Some(("app", Place::Uploads)));
        assert_eq!(split("app/blobs/uploads"), Some(("app", Place::Uploads)));
        assert_eq!(split("app/blobs/uploads/7"), Some(("app", Place::Upload("7"))));
        assert_eq!(split("a/b/blobs/sha256:0"), Some(("a/b", Place::Blob("sha256:0"))));
        assert_eq!(split("app/manifests/latest"), Some(("app", Place::Manifest("latest"))));
        assert_eq!(split("app/tags/list"), None);
        assert_eq!(split("app"), None);
    }
}
