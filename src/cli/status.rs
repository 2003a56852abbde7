//! `snowbird status`

use serde_json::json;

use super::Context;
use super::args::{AppArgs, StatusArgs};
use super::exit::Failure;
use super::fly_toml::app_named;
use super::platform::Fly;
use crate::fly::wire::Machine;
use crate::rollout;

/// Shows the machines of an app.
pub(super) async fn run(context: &Context, args: StatusArgs) -> Result<(), Failure> {
    let AppArgs { fly, config, sandbox } = &args.app;
    let app = app_named(context, fly, config)?;
    let fly = Fly::of(context, fly, sandbox.as_deref(), &app).await?;
    let current = tokio::select! {
        current = rollout::inspect(fly.client(), &app) => current.map_err(Failure::of)?,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let rows: Vec<_> = current.machines.iter().map(Row::of).collect();
    let mut text = format!("app {app}");
    if rows.is_empty() {
        text.push_str("\nno machines: nothing has been deployed yet");
    }
    for row in &rows {
        text.push('\n');
        text.push_str(&row.line());
    }
    let machines: Vec<_> = rows.iter().map(Row::json).collect();
    context.output.result(&text, &json!({ "app": app.to_string(), "machines": machines }))
}

/// What is shown of a machine.
struct Row {
    id: String,
    group: String,
    state: String,
    region: String,
    /// Such as `1/1 checks`.
    checks: String,
    image: String,
    /// The release, such as `v3`.
    version: String,
}

impl Row {
    fn of(machine: &Machine) -> Self {
        let metadata = |key: &str| {
            let config = machine.config.as_ref();
            config.and_then(|config| config.metadata.get(key).cloned())
        };
        let passing = machine.checks.iter().filter(|check| check.status == "passing").count();
        Self {
            id: machine.id.clone(),
            group: metadata("fly_process_group").unwrap_or_else(|| "app".to_owned()),
            state: machine.state.clone(),
            region: machine.region.clone(),
            checks: format!("{passing}/{} checks", machine.checks.len()),
            image: machine.config.as_ref().map(|config| config.image.clone()).unwrap_or_default(),
            version: metadata("fly_release_version")
                .map_or_else(|| "-".into(), |v| format!("v{v}")),
        }
    }

    fn line(&self) -> String {
        let Self { id, group, state, region, checks, image, version } = self;
        format!("{id}  {group}  {state}  {region}  {checks}  {version}  {image}")
    }

    fn json(&self) -> serde_json::Value {
        let Self { id, group, state, region, checks, image, version } = self;
        json!({
            "id": id, "group": group, "state": state, "region": region, "checks": checks,
            "image": image, "version": version,
        })
    }
}
