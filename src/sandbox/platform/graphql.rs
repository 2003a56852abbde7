//! The GraphQL queries that flyctl sends in a deploy, told apart by their text.

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call, Outcome};
use crate::image::{Digest, Manifest};

#[derive(Debug, Deserialize)]
struct Request {
    query: String,
    #[serde(default)]
    variables: Value,
}

/// Answers with every field that a query of its kind may ask for.
pub(super) async fn answer(call: &Call<'_>) -> Outcome {
    let Request { query, variables } = call.json()?;
    let variable = |names: &[&str]| {
        names.iter().find_map(|name| variables.get(name)?.as_str()).unwrap_or_default().to_owned()
    };
    let name = variable(&["appName", "name", "appname"]);
    call.core.welcome(&name);
    if call.core.state().app(&name).is_none() {
        return Ok(Answer::ok(json!({
            "data": {"app": null},
            "errors": [{"message": "Could not find App", "extensions": {"code": "NOT_FOUND"}}],
        })));
    }
    let data = if query.contains("canPerformBluegreenDeployment") {
        json!({"canPerformBluegreenDeployment": true})
    } else if query.contains("image(ref:") {
        let image = image(call, &variable(&["imageRef", "ref"])).await;
        json!({"app": {"id": name, "image": image}})
    } else if query.contains("egressIpAddresses") {
        json!({"app": {"id": name, "egressIpAddresses": {"nodes": []}}})
    } else if query.contains("currentReleaseUnprocessed") {
        json!({"app": {"id": name, "currentReleaseUnprocessed": current_release(call, &name)}})
    } else {
        let message = "the sandbox does not know this query";
        return Ok(Answer::ok(json!({"data": null, "errors": [{"message": message}]})));
    };
    Ok(Answer::ok(json!({"data": data})))
}

fn current_release(call: &Call<'_>, name: &str) -> Value {
    let state = call.core.state();
    let newest = state.app(name).and_then(|app| app.releases.last());
    newest.map_or(Value::Null, |recorded| {
        json!({
            "id": recorded.release.id,
            "version": recorded.release.version,
            "imageRef": recorded.release.image_ref,
            "configDefinition": recorded.definition,
        })
    })
}

async fn image(call: &Call<'_>, reference: &str) -> Value {
    let resolved = call.core.state().resolve(reference);
    let (digest, size_bytes) = match resolved {
        Some(Err(_)) => return Value::Null,
        Some(Ok(digest)) => (digest, compressed_bytes(call, &digest).await),
        // Other registries are believed to have whatever is asked for.
        None => (Digest::of(reference.as_bytes()), 0),
    };
    let id: String = digest.hex().chars().take(16).collect();
    json!({
        "id": format!("img_{id}"),
        "digest": digest,
        "ref": reference,
        // A string, as the platform has it.
        "compressedSize": size_bytes.to_string(),
        "manifest": {},
    })
}

async fn compressed_bytes(call: &Call<'_>, digest: &Digest) -> u64 {
    let bytes = call.core.content.read(digest).await.unwrap_or_default();
    Manifest::parse(&bytes).map_or(0, |manifest| {
        std::iter::once(&manifest.config).chain(&manifest.layers).map(|blob| blob.size).sum()
    })
}
