//! Upload sessions: how a blob comes in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode};
use futures_util::StreamExt as _;
use ulid::Ulid;

use super::blob::CONTENT_DIGEST;
use super::error::OciError;
use crate::image::Digest;
use crate::sandbox::access::Permit;
use crate::sandbox::content::Incoming;
use crate::sandbox::core::{Core, lock};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The sessions that are open, by ID.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Uploads(Mutex<BTreeMap<String, Session>>);

#[derive(Debug, Clone)]
struct Session {
    app: String,
    /// Taken by one request at a time; whoever goes away leaves what has come so far.
    incoming: Arc<tokio::sync::Mutex<Incoming>>,
}

impl Uploads {
    fn find(&self, app: &str, id: &str) -> Result<Session, OciError> {
        let sessions = lock(&self.0);
        let session = sessions.get(id).filter(|session| session.app == app);
        session.cloned().ok_or_else(OciError::upload_unknown)
    }

    fn remove(&self, app: &str, id: &str) -> Result<Session, OciError> {
        let session = self.find(app, id)?;
        lock(&self.0).remove(id);
        Ok(session)
    }
}

/// `POST`: mounts a blob of another repository, or opens a session.
///
/// As the reference implementation does, it opens a session where a whole blob is sent by
/// `?digest=`, and does not store it.
pub(super) fn begin(
    core: &Core,
    permit: &Permit,
    app: &str,
    request: &Request,
) -> Result<Response<Body>, OciError> {
    let query = query(request);
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
        && let Ok(digest) = digest.parse()
        && permit.pulls(&core.state(), from)
        && mount(core, app, from, digest)
    {
        return stored(core, app, digest);
    }
    let incoming = core.content.begin().map_err(|error| OciError::storage(&error))?;
    let id = Ulid::generate().to_string().to_lowercase();
    let session =
        Session { app: app.to_owned(), incoming: Arc::new(tokio::sync::Mutex::new(incoming)) };
    lock(&core.uploads.0).insert(id.clone(), session);
    progress(core, StatusCode::ACCEPTED, app, &id, 0)
}

/// `PATCH`: takes in a body as it comes.
pub(super) async fn patch(
    core: &Core,
    app: &str,
    id: &str,
    request: Request,
) -> Result<Response<Body>, OciError> {
    let session = core.uploads.find(app, id)?;
    let mut incoming = session.incoming.lock().await;
    take_in(core, app, id, &mut incoming, request).await?;
    progress(core, StatusCode::ACCEPTED, app, id, incoming.size_bytes())
}

/// `PUT`: takes in what is left and closes the session.
///
/// A digest that is wrong ends the session too.
pub(super) async fn close(
    core: &Core,
    app: &str,
    id: &str,
    request: Request,
) -> Result<Response<Body>, OciError> {
    let session = core.uploads.find(app, id)?;
    let told = query(&request).remove("digest").unwrap_or_default();
    let mut incoming = session.incoming.lock_owned().await;
    take_in(core, app, id, &mut incoming, request).await?;
    drop(incoming);
    let session = core.uploads.remove(app, id)?;
    let incoming = Arc::into_inner(session.incoming).ok_or_else(OciError::upload_unknown)?;
    let incoming = incoming.into_inner();
    let (found, size_bytes) = (incoming.digest(), incoming.size_bytes());
    if told.parse() != Ok(found) {
        return Err(OciError::digest_invalid(&told, Some(found)));
    }
    core.content.finish(incoming, found).await.map_err(|error| OciError::storage(&error))?;
    let linked =
        core.state().app_mut(app).map(|app| app.repository.blobs.insert(found, size_bytes));
    linked.ok_or_else(|| OciError::app_unknown(app))?;
    stored(core, app, found)
}

/// `GET`: tells how far the session is.
pub(super) async fn status(core: &Core, app: &str, id: &str) -> Result<Response<Body>, OciError> {
    let session = core.uploads.find(app, id)?;
    let size_bytes = session.incoming.lock().await.size_bytes();
    progress(core, StatusCode::NO_CONTENT, app, id, size_bytes)
}

/// `DELETE`: gives the session up.
pub(super) fn cancel(core: &Core, app: &str, id: &str) -> Result<Response<Body>, OciError> {
    core.uploads.remove(app, id)?;
    respond(StatusCode::NO_CONTENT, &[])
}

async fn take_in(
    core: &Core,
    app: &str,
    id: &str,
    incoming: &mut Incoming,
    request: Request,
) -> Result<(), OciError> {
    check_range(core, app, id, incoming.size_bytes(), request.headers())?;
    let mut pieces = request.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            OciError::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", error.to_string())
        })?;
        incoming.append(&piece).await.map_err(|error| OciError::storage(&error))?;
    }
    Ok(())
}

/// Checks `Content-Range`, which has the form `START-END` here, without a unit.
fn check_range(
    core: &Core,
    app: &str,
    id: &str,
    offset: u64,
    headers: &HeaderMap,
) -> Result<(), OciError> {
    let Some(range) = headers.get(CONTENT_RANGE) else { return Ok(()) };
    let parsed = range.to_str().ok().and_then(|range| {
        let (start, end) = range.split_once('-')?;
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    });
    let Some((start, end)) = parsed.filter(|(start, end)| *start == offset && start <= end) else {
        let message = "the range does not begin where the upload stands";
        return Err(OciError::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
            .header(RANGE, range_text(offset))
            .header(UPLOAD_UUID, id.to_owned())
            .header(LOCATION, location(core, app, id, offset)));
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length != end - start + 1) {
        let message = "the range and the length of the body differ";
        return Err(OciError::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", message));
    }
    Ok(())
}

/// Links a blob of another repository; tells whether that one has it.
fn mount(core: &Core, app: &str, from: &str, digest: Digest) -> bool {
    let mut state = core.state();
    let size = state.app(from).and_then(|from| from.repository.blobs.get(&digest).copied());
    match (size, state.app_mut(app)) {
        (Some(size), Some(app)) => {
            app.repository.blobs.insert(digest, size);
            true
        }
        _ => false,
    }
}

fn query(request: &Request) -> BTreeMap<String, String> {
    Query::try_from_uri(request.uri()).map(|Query(pairs)| pairs).unwrap_or_default()
}

/// The offset in the query stands for the state that registries keep there: a client has
/// to use the newest location, and to add to its query.
fn location(core: &Core, app: &str, id: &str, offset: u64) -> String {
    format!("http://{}/v2/{app}/blobs/uploads/{id}?_state={offset}", core.address)
}

fn range_text(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

fn progress(
    core: &Core,
    status: StatusCode,
    app: &str,
    id: &str,
    offset: u64,
) -> Result<Response<Body>, OciError> {
    respond(
        status,
        &[
            (LOCATION, location(core, app, id, offset)),
            (RANGE, range_text(offset)),
            (UPLOAD_UUID, id.to_owned()),
        ],
    )
}

fn stored(core: &Core, app: &str, digest: Digest) -> Result<Response<Body>, OciError> {
    let location = format!("http://{}/v2/{app}/blobs/{digest}", core.address);
    respond(StatusCode::CREATED, &[(LOCATION, location), (CONTENT_DIGEST, digest.to_string())])
}

pub(super) fn respond(
    status: StatusCode,
    headers: &[(HeaderName, String)],
) -> Result<Response<Body>, OciError> {
    headers
        .iter()
        .fold(Response::builder().status(status), |builder, (name, value)| {
            builder.header(name, value)
        })
        .body(Body::empty())
        .map_err(|error| OciError::storage(&std::io::Error::other(error)))
}
