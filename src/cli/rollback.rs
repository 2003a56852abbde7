//! `snowbird rollback`

use serde_json::json;

use super::Context;
use super::app::App;
use super::args::RollbackArgs;
use super::exit::Failure;
use super::image::{Known, look_up};
use super::{plan, standing};
use crate::deploy::{AppRequest, Deployed, Image, Request, deploy};
use crate::event::Event;
use crate::fly::wire::Release;
use crate::image::Reference;
use crate::rollout::{
    Current, NoRelease, Settings, Target, earlier, inspect, is_complete, running_version,
};

/// How many releases are looked at.
const RELEASES: usize = 100;

/// Brings an app's machines back to the image of an earlier release, and prints it by digest.
pub(super) async fn run(context: &Context, args: RollbackArgs) -> Result<(), Failure> {
    let app = App::of(context, &args.app).await?;
    let back = Back { context, app: &app };
    let (version, image) = tokio::select! {
        found = back.find(args.version) => found?,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let usual = app.config.as_ref().map_or_else(Settings::default, Settings::of);
    let settings = args.rollout.over(usual);
    let target = Target::ImageAlone;
    let apps = vec![AppRequest { app: app.name.clone(), target, settings }];
    if args.dry_run {
        let image = Some(image.to_string());
        return plan::show(context, app.fly.client(), apps, image).await.map(drop);
    }
    context.reporter.report(Event::ReleaseChosen {
        app: app.name.to_string(),
        version,
        image: image.to_string(),
    });
    let request = Request { image: Image::Ready(image), apps };
    let deploy = deploy(app.fly.client(), request, &context.reporter, &context.cancel);
    let deployed = Box::pin(app.fly.during(deploy)).await.map_err(standing::failure)?;
    let Some(Deployed { image, outcome, .. }) = deployed.first() else { return Ok(()) };
    let value = json!({
        "app": app.name.to_string(),
        "image": image.to_string(),
        "back_to": version,
        "version": outcome.version,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
    });
    context.output.result(&image.to_string(), &value)
}

/// Whoever looks for the release to go back to.
#[derive(Clone, Copy)]
struct Back<'a> {
    context: &'a Context,
    app: &'a App,
}

impl Back<'_> {
    /// Returns the number of the release to go back to, and its image.
    async fn find(self, version: Option<u64>) -> Result<(u64, Reference), Failure> {
        let (name, client) = (&self.app.name, self.app.fly.client());
        let (current, releases) =
            tokio::try_join!(async { inspect(client, name).await.map_err(Failure::of) }, async {
                client.releases(name, RELEASES).await.map_err(Failure::of)
            })?;
        if current.machines.is_empty() {
            return Err(Failure::of(NoRelease::NothingRuns { app: name.clone() }));
        }
        match version {
            Some(version) => self.named(version, releases).await,
            None => self.newest_other(&current, &releases).await,
        }
    }

    /// Returns the newest complete release before the one that runs, with another image.
    async fn newest_other(
        self,
        current: &Current,
        releases: &[Release],
    ) -> Result<(u64, Reference), Failure> {
        let running = current.images();
        for release in earlier(current, releases) {
            let image = self.image(release).await?;
            // Two tags may be of one image.
            let digest = image.digest.map(|digest| digest.to_string());
            let runs = digest.is_some_and(|digest| {
                !running.is_empty() && running.iter().all(|image| image.ends_with(&digest))
            });
            if !runs {
                return Ok((release.version, image));
            }
        }
        let (app, running) = (self.app.name.clone(), running_version(current));
        Err(Failure::of(NoRelease::NothingEarlier { app, running }))
    }

    async fn named(
        self,
        version: u64,
        mut releases: Vec<Release>,
    ) -> Result<(u64, Reference), Failure> {
        let (name, client) = (&self.app.name, self.app.fly.client());
        let newest = releases.first().map(|release| release.version);
        let oldest = releases.last().map_or(0, |release| release.version);
        if let Some(newest) = newest.filter(|_| version < oldest) {
            let limit = usize::try_from(newest - version + 1).unwrap_or(usize::MAX);
            releases = client.releases(name, limit).await.map_err(Failure::of)?;
        }
        let Some(release) = releases.iter().find(|release| release.version == version) else {
            let app = name.clone();
            return Err(Failure::of(NoRelease::Unknown { app, version, newest }));
        };
        if !is_complete(release) {
            self.context.reporter.report(Event::Warning {
                code: "rollout.release-not-complete",
                message: format!("release v{version} is recorded as {}", release.status),
            });
        }
        Ok((version, self.image(release).await?))
    }

    /// Returns a release's image, by digest as far as Fly's registry tells, which must have it.
    async fn image(self, release: &Release) -> Result<Reference, Failure> {
        let (app, version) = (self.app.name.clone(), release.version);
        if release.image_ref.is_empty() {
            return Err(Failure::of(NoRelease::WithoutImage { app, version }));
        }
        let image: Reference = release.image_ref.parse().map_err(|error| {
            let (app, image) = (app.clone(), release.image_ref.clone());
            Failure::of(NoRelease::Unreadable { app, version, image, reason: format!("{error}") })
        })?;
        match look_up(self.context, &self.app.fly, &app, &image).await? {
            Known::There(digest) => Ok(image.with_digest(digest)),
            Known::Untold => Ok(image),
            Known::Gone => {
                let image = image.to_string();
                Err(Failure::of(NoRelease::ImageGone { app, version, image }))
            }
        }
    }
}
