//! `snowbird plan`, and what `--dry-run` shows.

mod difference;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::args::{PlanArgs, RequestArgs};
use super::exit::{Exit, Failure};
use super::request::{Prepared, prepare};
use crate::deploy::{self, AppRequest, Image, find_pushed};
use crate::fly::Client;
use crate::fly::config::Strategy;
use crate::fly::wire::MachineConfig;
use crate::rollout::{self, Plan};

use difference::{Difference, differences};

/// What stands in for an image that is not built yet.
const NOT_BUILT: &str = "not built yet";

/// Shows what a deploy would do.
pub(super) async fn run(context: &Context, args: PlanArgs) -> Result<Exit, Failure> {
    let changes = of_request(context, &args.request).await?;
    Ok(if changes && args.exit_code { Exit::Changes } else { Exit::Done })
}

/// Shows what a deploy would do; returns whether it is anything.
pub(super) async fn of_request(context: &Context, args: &RequestArgs) -> Result<bool, Failure> {
    let Prepared { request, fly } = prepare(context, args).await?;
    let image = async {
        match &request.image {
            Image::Ready(reference) => Ok::<_, deploy::Error>(Some(reference.to_string())),
            Image::Build { request, registry } => {
                let pushed = find_pushed(request, registry, &*context.reporter).await?;
                Ok(pushed.map(|reference| reference.to_string()))
            }
        }
    };
    let image = context.unless_cancelled(image).await?;
    show(context, fly.client(), request.apps, image).await
}

/// Shows what bringing apps to `image` would do, or to one that is not built yet; returns whether
/// it is anything.
pub(super) async fn show(
    context: &Context,
    client: &Client,
    apps: Vec<AppRequest>,
    image: Option<String>,
) -> Result<bool, Failure> {
    let mut previews = Vec::new();
    for app in apps {
        let preview = tokio::select! {
            preview = Preview::of(client, app, image.clone()) => preview?,
            () = context.cancel.cancelled() => return Err(Failure::interrupted()),
        };
        previews.push(preview);
    }
    let changes = previews.iter().any(|preview| !preview.plan.is_empty());
    let texts: Vec<_> = previews.iter().map(text::text).collect();
    context.output.result(&texts.join("\n\n"), &json!({ "changes": changes, "apps": previews }))?;
    Ok(changes)
}

/// What would happen to an app.
#[derive(Serialize)]
struct Preview {
    app: String,
    /// Nothing if it is not built yet.
    image: Option<String>,
    #[serde(serialize_with = "word")]
    strategy: Strategy,
    plan: Plan,
    differences: Differences,
}

/// In what machines' configurations will differ.
#[derive(Default, Serialize)]
struct Differences {
    /// Of machines that are there, by ID.
    changes: BTreeMap<String, Vec<Difference>>,
    /// Of those that are made, from nothing, in the order of the plan.
    #[serde(skip)]
    creates: Vec<Vec<Difference>>,
}

impl Preview {
    async fn of(
        client: &Client,
        request: AppRequest,
        image: Option<String>,
    ) -> Result<Self, Failure> {
        let AppRequest { app, target, settings } = request;
        let (name, strategy) = (app.to_string(), settings.strategy);
        let wanted = image.clone().unwrap_or_else(|| NOT_BUILT.to_owned());
        let request = rollout::Request { app, target, image: wanted, settings };
        let plan = rollout::preview(client, &request).await.map_err(Failure::of)?;
        let mut found = Differences::default();
        for change in plan.all_changes() {
            let (from, to) = (json_of(&change.from().config)?, json_of(change.config())?);
            found.changes.insert(change.from().id.clone(), differences(&from, &to));
        }
        for create in &plan.creates {
            found.creates.push(differences(&json!({}), &json_of(&create.config)?));
        }
        Ok(Self { app: name, image, strategy, plan, differences: found })
    }
}

fn json_of(config: &MachineConfig) -> Result<Value, Failure> {
    serde_json::to_value(config).map_err(|error| Failure::unforeseen(&error.to_string()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn word<S: serde::Serializer>(strategy: &Strategy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(strategy.as_str())
}
