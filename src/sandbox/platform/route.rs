//! From path and method to what is done.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::answer::{self, Call, Outcome, Refusal};
use super::{apps, graphql, leases, logs, machines, metadata, orders, releases, volumes, wait};
use crate::sandbox::core::{Core, lock};

/// As large as a request's body may be, in bytes: configs may carry files.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

pub(in crate::sandbox) async fn answer(
    State(core): State<Arc<Core>>,
    request: Request,
) -> Response {
    match dispatch(&core, request).await {
        Ok(answer) => answer.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn dispatch(core: &Core, request: Request) -> Outcome {
    if !core.access.platform(request.headers()) {
        let text = "Authenticate: token validation error";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, text));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|error| Refusal::invalid(format!("unable to read request body: {error}")))?;
    let Query(query) = Query::try_from_uri(&parts.uri)
        .map_err(|error| Refusal::invalid(format!("unable to parse query: {error}")))?;
    let call = Call::new(core, query, parts.headers, body);
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    match path.as_slice() {
        ["v1", path @ ..] => machines_api(&call, &parts.method, path).await,
        ["api", "v1", path @ ..] => rest_api(&call, &parts.method, path),
        ["graphql"] if parts.method == Method::POST => graphql::answer(&call).await,
        _ => Err(Refusal::not_found("path")),
    }
}

async fn machines_api(call: &Call<'_>, method: &Method, path: &[&str]) -> Outcome {
    if let (["apps", path @ ..], Some(rates)) = (path, &call.core.rates)
        && let Err(after_ms) = lock(rates).count(method.as_str(), path, call.now_ms)
    {
        let text = format!("rate limit exceeded, try again in {after_ms} ms");
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, text));
    }
    if let ["apps", app, ..] = path {
        call.core.welcome(app);
        answer::app(&call.core.state(), app)?;
    }
    match (method.as_str(), path) {
        ("GET", ["apps"]) => Ok(apps::list(call)),
        ("POST", ["apps"]) => apps::create(call),
        ("GET", ["apps", app]) => apps::get(call, app),
        ("DELETE", ["apps", app]) => Ok(apps::delete(call, app)),
        ("GET", ["apps", app, "ip_assignments"]) => apps::ips(call, app),
        ("POST", ["apps", app, "ip_assignments"]) => apps::assign_ip(call, app),
        ("GET", ["apps", app, "volumes"]) => volumes::list(call, app),
        ("POST", ["apps", app, "volumes"]) => volumes::create(call, app),
        ("GET", ["apps", app, "machines"]) => machines::list(call, app),
        ("POST", ["apps", app, "machines"]) => machines::create(call, app),
        ("GET", ["apps", app, "machines", id]) => machines::get(call, app, id),
        ("POST", ["apps", app, "machines", id]) => machines::update(call, app, id),
        ("DELETE", ["apps", app, "machines", id]) => machines::destroy(call, app, id),
        (_, ["apps", app, "machines", id, rest @ ..]) => match (method.as_str(), rest) {
            ("GET", ["wait"]) => wait::wait(call, app, id).await,
            ("GET", ["lease"]) => leases::get(call, app, id),
            ("POST", ["lease"]) => leases::take(call, app, id),
            ("DELETE", ["lease"]) => leases::release(call, app, id),
            ("POST", ["start"]) => orders::start(call, app, id),
            ("POST", ["stop"]) => orders::stop(call, app, id),
            ("POST", ["suspend"]) => orders::suspend(call, app, id),
            ("POST", ["restart"]) => orders::restart(call, app, id),
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
        },
        ("GET", ["tokens", "current"]) => Ok(apps::current_token()),
        ("GET", ["platform", "regions"]) => Ok(apps::regions()),
        _ => Err(Refusal::not_found("path")),
    }
}

fn rest_api(call: &Call<'_>, method: &Method, path: &[&str]) -> Outcome {
    match (method.as_str(), path) {
        ("GET", ["organizations", slug]) => Ok(apps::organization(slug)),
        ("POST", ["builds"]) => Ok(releases::begin_build(call)),
        ("POST", ["builds", "finish"]) => releases::finish_build(call),
        ("POST", ["releases"]) => releases::create(call),
        ("PATCH", ["releases", id]) => releases::update(call, id),
        ("GET", ["apps", app, "releases"]) => releases::list(call, app),
        ("GET", ["apps", app, "releases", "current"]) => releases::current(call, app),
        ("GET", ["apps", app, "logs"]) => logs::get(call, app),
        _ => Err(Refusal::not_found("path")),
    }
}
