//! Apps, as GraphQL tells of them.

use serde_json::{Map, Value, json};

use super::selection::{Fragments, Set, argument, fields, key, project};
use super::{Call, GraphQlError};
use crate::image::{Digest, Manifest};
use crate::sandbox::app::{App, Ip, RecordedRelease};
use crate::sandbox::machine::timestamp;
use crate::sandbox::state::State;

/// Refuses an app that is not there or that the token does not see; both are told alike.
pub(super) fn visible(call: &Call<'_>, name: &str) -> Result<(), GraphQlError> {
    call.core.welcome(name);
    let seen = call.permit.sees_app(&call.core.state(), name);
    if seen { Ok(()) } else { Err(GraphQlError::app_unknown()) }
}

/// Resolves the fields of an app.
pub(super) async fn resolve(
    call: &Call<'_>,
    name: &str,
    set: &Set,
    fragments: &Fragments<'_>,
    variables: &Map<String, Value>,
) -> Result<Value, GraphQlError> {
    visible(call, name)?;
    let whole = {
        let state = call.core.state();
        state.app(name).map(|app| view(name, app)).ok_or_else(GraphQlError::app_unknown)?
    };
    let mut taken = Map::new();
    for field in fields(set, fragments)? {
        let found = match field.name.as_str() {
            "__typename" => "App".into(),
            "image" => image(call, name, &argument(field, "ref", variables)).await,
            known => match whole.get(known) {
                Some(found) => found.clone(),
                None => return Err(GraphQlError::undefined("App", known)),
            },
        };
        let found = project(&found, &field.name, &field.selection_set, fragments)?;
        taken.insert(key(field).to_owned(), found);
    }
    Ok(Value::Object(taken))
}

pub(super) fn organization(slug: &str) -> Value {
    let number = State::organization_number(slug);
    json!({
        "id": format!("org_{number}"),
        "internalNumericId": number.to_string(),
        "slug": slug,
        "rawSlug": slug,
        "name": slug,
        "type": "PERSONAL",
        "paidPlan": false,
        "billable": true,
    })
}

fn view(name: &str, app: &App) -> Value {
    let newest = app.releases.last();
    let complete = app.releases.iter().rev().find(|recorded| recorded.release.stable);
    let url = format!("https://{name}.fly.dev");
    let ips: Vec<_> = app.ips.iter().filter(|ip| !ip.egress).map(ip).collect();
    let egress: Vec<_> = app.ips.iter().filter(|ip| ip.egress).map(ip).collect();
    let shared = app.ips.iter().find(|ip| ip.shared).map(|ip| &ip.address);
    let machines = app.living().map(|machine| {
        json!({
            "id": machine.id,
            "name": machine.name,
            "state": machine.state.as_str(),
            "region": machine.region,
            "config": machine.config,
            "createdAt": timestamp(machine.created_at_ms),
            "app": {"name": name},
            "egressIpAddresses": {"nodes": []},
        })
    });
    let machines: Vec<_> = machines.collect();
    json!({
        "id": name,
        "internalNumericId": app.number.to_string(),
        "name": name,
        "hostname": format!("{name}.fly.dev"),
        "appUrl": url,
        "deployed": app.status() == "deployed",
        "status": app.status(),
        "version": newest.map_or(0, |recorded| recorded.release.version),
        "platformVersion": "machines",
        "network": app.network,
        "organization": organization(&app.organization),
        "role": (!app.role.is_empty()).then(|| json!({"name": app.role})),
        "config": {"definition": newest.map(|recorded| &recorded.definition)},
        "currentRelease": complete.map(release),
        "currentReleaseUnprocessed": newest.map(release),
        "releases": {"nodes": app.releases.iter().rev().map(release).collect::<Vec<_>>()},
        "releasesUnprocessed": {
            "nodes": app.releases.iter().rev().map(release).collect::<Vec<_>>(),
        },
        "ipAddresses": {"nodes": ips},
        "sharedIpAddress": shared,
        "egressIpAddresses": {"nodes": egress},
        "machines": {"nodes": machines},
        "secrets": [],
    })
}

fn ip(ip: &Ip) -> Value {
    json!({
        "id": format!("ip_{}", ip.address),
        "ip": ip.address,
        "address": ip.address,
        "type": if ip.address.contains(':') { "v6" } else { "v4" },
        "version": if ip.address.contains(':') { 6 } else { 4 },
        "region": ip.region,
        "createdAt": timestamp(ip.created_at_ms),
        "updatedAt": timestamp(ip.created_at_ms),
    })
}

fn release(recorded: &RecordedRelease) -> Value {
    let release = &recorded.release;
    json!({
        "id": release.id,
        "version": release.version,
        "status": release.status,
        "stable": release.stable,
        "inProgress": release.in_progress,
        "imageRef": release.image_ref,
        "createdAt": release.created_at,
        "deploymentStrategy": release.strategy,
        "configDefinition": recorded.definition,
        "metadata": recorded.metadata,
        "user": {"email": release.user, "name": release.user},
    })
}

/// Resolves an image for an app. Tags and digests of this registry are looked up; other
/// registries are believed to have whatever is asked for.
async fn image(call: &Call<'_>, app: &str, reference: &str) -> Value {
    let resolved = call.core.state().resolve(app, reference);
    let (digest, size_bytes) = match resolved {
        Some(Err(_)) => return Value::Null,
        Some(Ok(digest)) => (digest, compressed_bytes(call, &digest).await),
        None => match named_digest(reference) {
            Some(digest) => (digest, 0),
            None => return Value::Null,
        },
    };
    let id: String = digest.hex().chars().take(16).collect();
    json!({
        "id": format!("img_{id}"),
        "digest": digest,
        "ref": reference,
        // Strings, as the platform has them.
        "compressedSize": size_bytes.to_string(),
        "compressedSizeFull": size_bytes.to_string(),
        "manifest": {},
    })
}

/// Returns the digest that a reference names, or one that stands for its tag; nothing if it
/// is no reference.
fn named_digest(reference: &str) -> Option<Digest> {
    match reference.rsplit_once('@') {
        Some((_, digest)) => digest.parse().ok(),
        None if reference.is_empty() || reference.contains(char::is_whitespace) => None,
        None => Some(Digest::of(reference.as_bytes())),
    }
}

async fn compressed_bytes(call: &Call<'_>, digest: &Digest) -> u64 {
    let bytes = call.core.content.read(digest).await.unwrap_or_default();
    Manifest::parse(&bytes).map_or(0, |manifest| {
        std::iter::once(&manifest.config).chain(&manifest.layers).map(|blob| blob.size).sum()
    })
}
