//! `snowbird deploy`

use serde_json::{Value, json};

use super::Context;
use super::args::{DeployArgs, ViaArg};
use super::exit::Failure;
use super::request::{Prepared, prepare};
use super::{hand_over, plan, standing};
use crate::deploy::{Deployed, deploy};

/// Builds, pushes and rolls out, and prints the image by digest.
pub(super) async fn run(context: &Context, args: DeployArgs) -> Result<(), Failure> {
    if args.dry_run {
        return plan::of_request(context, &args.request).await.map(drop);
    }
    if let Some(ViaArg::Flyctl) = args.via {
        return hand_over::run(context, &args.request).await;
    }
    let Prepared { request, fly } = prepare(context, &args.request).await?;
    let deploy = deploy(fly.client(), request, &context.reporter, &context.cancel);
    let deployed = Box::pin(fly.during(deploy)).await.map_err(standing::failure)?;
    let Some(first) = deployed.first() else { return Ok(()) };
    let image = first.image.to_string();
    context.output.result(&image, &result(&image, &deployed))
}

/// Returns the result for programs: what became of each app; of one alone, also at the top.
fn result(image: &str, deployed: &[Deployed]) -> Value {
    let apps = deployed.iter().map(|Deployed { app, outcome, .. }| {
        json!({
            "app": app.to_string(),
            "version": outcome.version,
            "changed": outcome.changed,
            "unchanged": outcome.unchanged,
            "url": outcome.url,
        })
    });
    let apps: Vec<_> = apps.collect();
    let mut result = match apps.as_slice() {
        [only] => only.clone(),
        _ => json!({}),
    };
    if let Value::Object(fields) = &mut result {
        fields.insert("image".to_owned(), image.into());
        fields.insert("apps".to_owned(), apps.into());
    }
    result
}
