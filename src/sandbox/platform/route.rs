//! From path and method to what is done.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::answer::{Answer, Call, Outcome, Refusal};
use super::lookup::visible;
use super::{
    apps, builds, graphql, ips, leases, logs, machines, metadata, orders, organizations, releases,
    tokens, volumes, wait,
};
use crate::sandbox::core::{Core, lock, now_ms};
use crate::sandbox::gate::RecordNumber;

/// As large as a request's body may be, in bytes: configs may carry files.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Where tickets of macaroons are answered, below the location that they name.
const DISCHARGE: &str = "/.well-known/macfly/3p";

pub(in crate::sandbox) async fn answer(
    State(core): State<Arc<Core>>,
    request: Request,
) -> Response {
    match dispatch(&core, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn dispatch(core: &Core, request: Request) -> Result<Response, Refusal> {
    let permit = core.access.platform(request.headers(), now_ms() / 1000);
    let discharge = request.uri().path() == DISCHARGE && request.method() == Method::POST;
    if permit.is_none() && !discharge {
        return Err(Refusal::unauthorized());
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|error| Refusal::invalid(format!("unable to read request body: {error}")))?;
    if discharge {
        let (status, told) = tokens::discharge(core, &parts.headers, &body);
        return Ok((status, Json(told)).into_response());
    }
    if let (Some(number), Ok(body)) =
        (parts.extensions.get::<RecordNumber>(), serde_json::from_slice(&body))
    {
        number.set_body(core, body);
    }
    let Query(query) = Query::try_from_uri(&parts.uri)
        .map_err(|error| Refusal::invalid(format!("unable to parse query: {error}")))?;
    let Some(permit) = permit else { return Err(Refusal::unauthorized()) };
    let call = Call::new(core, permit, query, parts.headers, body);
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let outcome = match path.as_slice() {
        ["v1", path @ ..] => machines_api(&call, &parts.method, path).await,
        ["api", "v1", path @ ..] => rest_api(&call, &parts.method, path),
        ["graphql"] if parts.method == Method::POST => graphql::answer(&call).await,
        _ => Err(Refusal::not_found("path")),
    };
    outcome.map(Answer::into_response)
}

async fn machines_api(call: &Call<'_>, method: &Method, path: &[&str]) -> Outcome {
    if let (["apps", path @ ..], Some(rates)) = (path, &call.core.rates)
        && let Err(after_ms) = lock(rates).count(method.as_str(), path, call.now_ms)
    {
        return Err(Refusal::too_often(after_ms, call.core.retry_after));
    }
    if let ["apps", app, ..] = path {
        visible(call, app)?;
    }
    match (method.as_str(), path) {
        ("GET", ["apps"]) => apps::list(call),
        ("POST", ["apps"]) => apps::create(call),
        (_, ["apps", app]) => match method.as_str() {
            "GET" => apps::get(call, app),
            "DELETE" => Ok(apps::delete(call, app)),
            _ => Err(not_allowed()),
        },
        (method, ["apps", app, rest @ ..]) => of_app(call, app, method, rest).await,
        ("GET", ["tokens", "current"]) => Ok(tokens::current(call)),
        ("POST", ["tokens", "authenticate"]) => tokens::authenticate(call),
        ("POST", ["tokens", "authorize"]) => tokens::authorize(call),
        ("GET", ["platform", "regions"]) => Ok(apps::regions()),
        _ => Err(Refusal::not_found("path")),
    }
}

async fn of_app(call: &Call<'_>, app: &str, method: &str, path: &[&str]) -> Outcome {
    match (method, path) {
        ("POST", ["deploy_token"]) => apps::deploy_token(call, app),
        ("GET", ["ip_assignments"]) => ips::list(call, app),
        ("POST", ["ip_assignments"]) => ips::assign(call, app),
        ("DELETE", ["ip_assignments", ip]) => ips::remove(call, app, ip),
        ("GET", ["volumes"]) => volumes::list(call, app),
        ("POST", ["volumes"]) => volumes::create(call, app),
        ("GET", ["volumes", id]) => volumes::get(call, app, id),
        ("PUT", ["volumes", id]) => volumes::update(call, app, id),
        ("DELETE", ["volumes", id]) => volumes::destroy(call, app, id),
        ("PUT", ["volumes", id, "extend"]) => volumes::extend(call, app, id),
        ("GET", ["machines"]) => machines::list(call, app),
        ("POST", ["machines"]) => machines::create(call, app).await,
        ("GET", ["machines", id]) => machines::get(call, app, id),
        ("POST", ["machines", id]) => machines::update(call, app, id).await,
        ("DELETE", ["machines", id]) => machines::destroy(call, app, id),
        (method, ["machines", id, rest @ ..]) => of_machine(call, app, id, method, rest).await,
        _ => Err(Refusal::not_found("path")),
    }
}

async fn of_machine(call: &Call<'_>, app: &str, id: &str, method: &str, path: &[&str]) -> Outcome {
    match (method, path) {
        ("GET", ["wait"]) => wait::wait(call, app, id).await,
        ("GET", ["lease"]) => leases::get(call, app, id),
        ("POST", ["lease"]) => leases::take(call, app, id),
        ("DELETE", ["lease"]) => leases::release(call, app, id),
        ("POST", ["start"]) => orders::start(call, app, id).await,
        ("POST", ["stop"]) => orders::stop(call, app, id),
        ("POST", ["suspend"]) => orders::suspend(call, app, id),
        ("POST", ["restart"]) => orders::restart(call, app, id).await,
        ("POST", ["cordon"]) => orders::cordon(call, app, id, true),
        ("POST", ["uncordon"]) => orders::cordon(call, app, id, false),
        ("GET", ["ps"]) => orders::processes(call, app, id),
        ("GET", ["events"]) => machines::events(call, app, id),
        ("GET", ["metadata"]) => metadata::list(call, app, id),
        ("PATCH" | "PUT", ["metadata"]) => metadata::merge(call, app, id),
        ("GET", ["metadata", key]) => metadata::get(call, app, id, key),
        ("POST", ["metadata", key]) => metadata::set(call, app, id, key),
        ("DELETE", ["metadata", key]) => metadata::remove(call, app, id, key),
        _ => Err(Refusal::not_found("path")),
    }
}

fn rest_api(call: &Call<'_>, method: &Method, path: &[&str]) -> Outcome {
    if let ["apps", app, ..] = path {
        visible(call, app)?;
    }
    match (method.as_str(), path) {
        ("GET", ["organizations"]) => Ok(organizations::list(call)),
        ("GET", ["organizations", slug]) => organizations::get(call, slug),
        ("POST", ["builds"]) => builds::begin(call),
        ("POST", ["builds", "finish"]) => builds::finish(call),
        ("POST", ["releases"]) => releases::create(call),
        ("PATCH", ["releases", id]) => releases::update(call, id),
        ("GET", ["apps", app, "releases"]) => releases::list(call, app),
        ("GET", ["apps", app, "releases", "current"]) => releases::current(call, app),
        ("GET", ["apps", app, "logs"]) => logs::get(call, app),
        _ => Err(Refusal::not_found("path")),
    }
}

fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}
