//! `snowbird status`

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Context;
use super::app::App;
use super::args::StatusArgs;
use super::exit::Failure;
use super::image::short;
use super::table::columns;
use crate::fly::wire::{ImageRef, Lease, Machine};
use crate::http::clean;
use crate::rollout;

/// Shows the machines of an app.
pub(super) async fn run(context: &Context, args: StatusArgs) -> Result<(), Failure> {
    let app = App::of(context, &args.app).await?;
    let current = rollout::inspect(app.fly.client(), &app.name);
    let current = context.unless_cancelled(current).await?;
    let rows: Vec<_> = current.machines.iter().map(Row::of).collect();
    let mut text = format!("app {}", app.name);
    if rows.is_empty() {
        text.push_str("\nno machines: nothing has been deployed yet");
    } else {
        let cells: Vec<_> = rows.iter().map(Row::cells).collect();
        text = format!("{text}\n{}", columns(&cells));
    }
    let machines: Vec<_> = rows.iter().map(Row::json).collect();
    context.output.result(&text, &json!({ "app": app.name.to_string(), "machines": machines }))
}

/// What is shown of a machine.
struct Row {
    id: String,
    group: String,
    state: String,
    region: String,
    /// Such as `1/1 checks`.
    checks: String,
    /// By digest, where that is known.
    image: String,
    /// The release, such as `v3`.
    version: String,
    /// Who holds its lease, where the platform tells.
    lease: Option<Lease>,
}

impl Row {
    fn of(machine: &Machine) -> Self {
        let config = machine.known_config();
        let metadata = |key: &str| config.and_then(|config| config.metadata.get(key).cloned());
        let passing = machine.checks.iter().filter(|check| check.status == "passing").count();
        let resolved = machine.image_ref.as_ref().and_then(ImageRef::reference);
        let written = config.map(|config| config.image.clone());
        Self {
            id: machine.id.clone(),
            group: metadata("fly_process_group").unwrap_or_else(|| "app".to_owned()),
            state: machine.state.clone(),
            region: machine.region.clone(),
            checks: format!("{passing}/{} checks", machine.checks.len()),
            image: resolved.or(written).unwrap_or_default(),
            version: metadata("fly_release_version")
                .map_or_else(|| "-".into(), |v| format!("v{v}")),
            lease: machine.lease.clone(),
        }
    }

    fn cells(&self) -> [String; 8] {
        let Self { id, group, state, region, checks, image, version, lease } = self;
        let lease = lease.as_ref().map(|Lease { owner, expires_at, .. }| {
            let until = UNIX_EPOCH + Duration::from_secs(*expires_at);
            format!("leased by {owner} until {}", humantime::format_rfc3339_seconds(until))
        });
        [
            clean(id),
            clean(group),
            clean(state),
            clean(region),
            clean(version),
            clean(checks),
            short(image),
            clean(&lease.unwrap_or_default()),
        ]
    }

    fn json(&self) -> Value {
        let Self { id, group, state, region, checks, image, version, lease } = self;
        let lease = lease.as_ref().map(|lease| {
            json!({"owner": lease.owner, "description": lease.description,
                "expires_at": lease.expires_at})
        });
        json!({
            "id": id, "group": group, "state": state, "region": region, "checks": checks,
            "image": image, "version": version, "lease": lease,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_with_its_release_image_and_who_holds_it() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let machine = serde_json::from_value(json!({
            "id": "148e4d5c22e789",
            "state": "started",
            "region": "fra",
            "config": {"image": "registry.fly.io/web:v1", "metadata": {
                "fly_process_group": "web", "fly_release_version": "8",
            }},
            "image_ref": {"registry": "registry.fly.io", "repository": "web", "tag": "v1",
                "digest": digest},
            "checks": [{"name": "a", "status": "passing"}, {"name": "b", "status": "critical"}],
            "lease": {"owner": "me@example.com", "expires_at": 1_800_000_000},
        }));
        let row = Row::of(&machine.unwrap());
        insta::assert_snapshot!(columns(&[row.cells()]), @"148e4d5c22e789  web  started  fra  v8  1/2 checks  registry.fly.io/web@sha256:e3b0c44298fc…  leased by me@example.com until 2027-01-15T08:00:00Z");
        assert_eq!(row.json()["image"], format!("registry.fly.io/web@{digest}"));
        let bare = Row::of(&Machine { id: "e1".to_owned(), ..Machine::default() });
        assert_eq!(columns(&[bare.cells()]), "e1  app      -  0/0 checks");
    }
}
