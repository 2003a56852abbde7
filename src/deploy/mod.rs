//! Build, push and roll out as one run: the only module that knows all three.
//!
//! While Nix evaluates, the app and its machines are already looked at: a wrong name or token
//! is told before anything is built, and the image that runs now says which layers need not
//! be sent. What the registry has by its identity is not built either.

mod build;
mod error;
mod send;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Reporter};
use crate::fly;
use crate::fly::AppName;
use crate::image::Reference;
use crate::push::Platform;
use crate::registry::Registry;
use crate::rollout::{self, Current, Settings, Target};

pub use build::{ImageRequest, Origin, Output};
pub use error::Error;
pub use send::{Destination, build_and_push, find_pushed};

use build::Foreseen;
use send::send;

async fn or_cancelled<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        result = work => result,
        () = cancel.cancelled() => Err(Error::Interrupted),
    }
}

/// What a deploy brings to the machines.
#[derive(Debug)]
pub enum Image {
    /// It is built and pushed first.
    Build {
        /// What and how.
        request: ImageRequest,
        /// Where it is pushed to.
        registry: Registry,
    },
    /// It is in a registry already.
    Ready(Reference),
}

/// An app, and what it shall run besides the image.
#[derive(Debug)]
pub struct AppRequest {
    /// The app.
    pub app: AppName,
    /// What its machines shall be like.
    pub target: Target,
    /// How they are changed.
    pub settings: Settings,
}

/// A whole deploy.
#[derive(Debug)]
pub struct Request {
    /// What the machines shall run.
    pub image: Image,
    /// The apps, of one organization, in the order in which they are deployed to. An image is
    /// pushed to the first one's repository, from where the others have it too.
    pub apps: Vec<AppRequest>,
}

/// What a deploy to one app came to.
#[derive(Debug)]
pub struct Deployed {
    /// The app.
    pub app: AppName,
    /// The image that it runs.
    pub image: Reference,
    /// What became of its machines.
    pub outcome: rollout::Outcome,
}

/// Builds, pushes and rolls out, to one app after the other.
///
/// # Errors
///
/// Fails as its parts do, and when `cancel` fires. What was begun is tidied up: uploads are
/// cancelled, leases released. The first app that fails is the last that is touched.
pub async fn deploy(
    fly: &fly::Client,
    request: Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &CancellationToken,
) -> Result<Vec<Deployed>, Error> {
    let start = Instant::now();
    let Request { image, apps } = request;
    let reference = match image {
        Image::Ready(reference) => reference,
        Image::Build { request, registry } => {
            let image = Foreseen::of(&request, &**reporter);
            // Whichever fails first ends the other.
            let both = Box::pin(async { tokio::try_join!(foresee(fly, &apps), image) });
            let (previous, foreseen) = or_cancelled(cancel, both).await?;
            let platform = Platform::LinuxAmd64;
            let to = Destination { registry: &registry, previous, platform };
            Box::pin(send(&request, foreseen, &to, reporter, cancel)).await?.reference
        }
    };
    let mut deployed = Vec::new();
    let names: Vec<_> = apps.iter().map(|request| request.app.clone()).collect();
    for (place, AppRequest { app, target, settings }) in apps.into_iter().enumerate() {
        let image = reference.to_string();
        let request = rollout::Request { app: app.clone(), target, image, settings };
        let outcome = rollout::run(fly, request, Arc::clone(reporter), cancel.clone());
        let outcome = Box::pin(outcome).await;
        let outcome = outcome.map_err(|error| Error::of_app(&names, place, error))?;
        reporter.report(Event::Deployed {
            app: app.to_string(),
            image: reference.to_string(),
            version: outcome.version,
            changed: outcome.changed,
            unchanged: outcome.unchanged,
            url: outcome.url.clone(),
            elapsed_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        deployed.push(Deployed { app, image: reference.clone(), outcome });
    }
    Ok(deployed)
}

/// Looks at the apps before anything is built for them: what cannot be deployed is told now.
/// Returns the images that they run, which may share layers with the new one.
async fn foresee(fly: &fly::Client, apps: &[AppRequest]) -> Result<Vec<Reference>, Error> {
    let looked_at = try_join_all(apps.iter().map(async |request| {
        let AppRequest { app, target, settings } = request;
        let foreseen = rollout::foresee(fly, app, target, settings).await;
        foreseen.map_err(|error| Error::foreseen(app, apps.len(), error))
    }));
    let looked_at = looked_at.await?;
    let organizations: BTreeSet<_> =
        looked_at.iter().map(|current| current.app.organization.slug.clone()).collect();
    if organizations.len() > 1 {
        return Err(Error::SeveralOrganizations(organizations.into_iter().collect()));
    }
    // The image goes to the first one's repository.
    if let Some(first) = looked_at.first() {
        fly.check_access(&first.app).await?;
    }
    let images = looked_at.iter().flat_map(Current::images);
    Ok(images.filter_map(|image| image.parse().ok()).collect())
}
