//! `snowbird releases`

use serde_json::{Value, json};

use super::Context;
use super::app::App;
use super::args::ReleasesArgs;
use super::exit::Failure;
use super::image::short;
use super::table::columns;
use crate::fly::wire::Release;
use crate::http::clean;

/// Lists what was deployed to an app, the newest first.
pub(super) async fn run(context: &Context, args: ReleasesArgs) -> Result<(), Failure> {
    let app = App::of(context, &args.app).await?;
    let releases = app.fly.client().releases(&app.name, args.limit.get());
    let releases = context.unless_cancelled(releases).await?;
    let rows: Vec<_> = releases.iter().map(row).collect();
    let text = match rows.as_slice() {
        [] => format!("app `{}` has no releases: nothing has been deployed yet", app.name),
        rows => columns(rows),
    };
    let releases: Vec<_> = releases.iter().map(json_of).collect();
    context.output.result(&text, &json!({ "app": app.name.to_string(), "releases": releases }))
}

fn row(release: &Release) -> [String; 5] {
    [
        format!("v{}", release.version),
        clean(&release.status),
        if release.image_ref.is_empty() { "-".to_owned() } else { short(&release.image_ref) },
        clean(&release.created_at),
        release.user_name().map(clean).unwrap_or_default(),
    ]
}

fn json_of(release: &Release) -> Value {
    json!({
        "version": release.version,
        "status": release.status,
        "image": Some(&release.image_ref).filter(|image| !image.is_empty()),
        "created_at": release.created_at,
        "user": release.user_name(),
        "strategy": release.strategy.to_lowercase(),
    })
}
