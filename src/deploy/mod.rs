//! Build, push and roll out as one run: the only module that knows all three.
//!
//! While Nix works, the app and its machines are already looked at: a wrong name or token
//! ends the build instead of waiting for it, and the image that runs now says which layers
//! need not be sent.

mod error;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Reporter};
use crate::fly;
use crate::fly::AppName;
use crate::image::{Manifest, Reference, Tag};
use crate::layer::Memo;
use crate::nix::{BuildOutput, Installable, Nix, PathInfo, StorePath};
use crate::push::{self, Format, Platform, Push, Pushed, Reuse};
use crate::registry::{self, Registry};
use crate::rollout::{self, Current, Settings, Target};
use crate::source::{Indexed, Layout, Source, StoreObject};

pub use error::Error;

/// Where an image comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// It is there already.
    File {
        /// The file or folder.
        path: PathBuf,
        /// The nix that knows the store, if there is one.
        nix: Option<Nix>,
    },
    /// Nix builds it.
    Nix {
        /// The nix that does.
        nix: Nix,
        /// What it builds.
        output: Output,
        /// Further arguments for it.
        arguments: Vec<OsString>,
    },
}

/// What Nix builds.
#[derive(Debug, Clone)]
pub enum Output {
    /// What the user named.
    Named(Installable),
    /// The container of a flake, which is to be found.
    ContainerOf(String),
}

/// What is built, and how it is written to a registry.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// Where it comes from.
    pub origin: Origin,
    /// Tags that shall point to the image, besides that of its store path.
    pub tags: Vec<Tag>,
    /// Which image is meant, where a file holds several.
    pub image_name: Option<String>,
    /// How layers and manifest are written.
    pub format: Format,
    /// What is believed to be in the registry already.
    pub reuse: Reuse,
    /// What this machine remembers of layers.
    pub memo: Option<Arc<Memo>>,
}

impl ImageRequest {
    /// Returns the tag that stands for this very image, if it needs no building and is in the
    /// store.
    pub fn identity(&self) -> Option<Tag> {
        match &self.origin {
            Origin::File { path, .. } => identity(self, path),
            Origin::Nix { .. } => None,
        }
    }
}

/// An image on this machine, kept from Nix's garbage collector while this lives.
struct Built {
    source: Source,
    /// `nix-` and the hash of the store path: the same image always has the same tag.
    identity: Option<Tag>,
    nix: Option<Nix>,
    _gc_root: Option<BuildOutput>,
}

/// Where an image goes.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The registry, and the repository in it.
    pub registry: &'a Registry,
    /// Images that may share layers with this one, such as those that run now.
    pub previous: Vec<Reference>,
    /// What the image must be made for.
    pub platform: Platform,
}

/// Builds an image and pushes it.
///
/// # Errors
///
/// Fails as building, reading and pushing do, and when `cancel` fires.
pub async fn build_and_push(
    request: &ImageRequest,
    to: Destination<'_>,
    reporter: &Arc<dyn Reporter>,
    cancel: &CancellationToken,
) -> Result<Pushed, Error> {
    let built = or_cancelled(cancel, build(request, &**reporter)).await?;
    push_built(request, &built, to, reporter, cancel).await
}

async fn push_built(
    request: &ImageRequest,
    built: &Built,
    to: Destination<'_>,
    reporter: &Arc<dyn Reporter>,
    cancel: &CancellationToken,
) -> Result<Pushed, Error> {
    let Destination { registry, previous, platform } = to;
    let source = built.source.clone();
    let request = push::Request {
        identity: built.identity.clone(),
        tags: request.tags.clone(),
        previous,
        format: request.format,
        platform,
        reuse: request.reuse,
        memo: request.memo.clone(),
    };
    let push = Push { registry, request: &request, reporter, cancel };
    let survey = push.survey().await?;
    if let Some(pushed) = push.adopt(&survey).await? {
        return Ok(pushed);
    }
    // Reading headers takes no cancellation: it is short.
    let layout = tokio::task::spawn_blocking(move || source.layout());
    let mut layout = layout.await.map_err(|_panic| Error::Interrupted)??;
    if let (Layout::Indexed(image), Some(nix)) = (&mut layout, &built.nix) {
        let identified = async {
            identify(image, nix).await;
            Ok(())
        };
        or_cancelled(cancel, identified).await?;
    }
    Ok(push.send(&layout, survey).await?)
}

/// Asks Nix what the store paths hold that layers are made of: it knows without reading them.
/// Where it does not, those layers are read.
async fn identify(image: &mut Indexed, nix: &Nix) {
    let paths: Vec<_> = image.store_paths().cloned().collect();
    if paths.is_empty() {
        return;
    }
    match nix.path_info(&paths).await {
        Ok(infos) => {
            let object = |(path, PathInfo { nar_hash, nar_bytes, .. })| {
                (path, StoreObject { nar_hash, nar_bytes })
            };
            image.identify(&infos.into_iter().map(object).collect());
        }
        Err(error) => tracing::debug!(%error, "the store does not tell what layers are made of"),
    }
}

async fn build(request: &ImageRequest, reporter: &dyn Reporter) -> Result<Built, Error> {
    let (nix, output, arguments) = match &request.origin {
        Origin::File { path, nix } => return opened(request, path, nix.clone(), None),
        Origin::Nix { nix, output, arguments } => (nix, output, arguments),
    };
    let installable = match output {
        Output::Named(installable) => installable.clone(),
        Output::ContainerOf(flake) => nix.default_installable(flake, arguments, reporter).await?,
    };
    let output = nix.build(&installable, arguments, reporter).await?;
    let path = output.path().to_owned();
    opened(request, &path, Some(nix.clone()), Some(output))
}

fn opened(
    request: &ImageRequest,
    path: &Path,
    nix: Option<Nix>,
    gc_root: Option<BuildOutput>,
) -> Result<Built, Error> {
    let identity = identity(request, path);
    let source = Source::open(path)?.image_named(request.image_name.clone());
    Ok(Built { source, identity, nix, _gc_root: gc_root })
}

/// Returns the tag that stands for the image at `path`, if it is in the store.
fn identity(request: &ImageRequest, path: &Path) -> Option<Tag> {
    // `./result` is a link into the store.
    let target = path.canonicalize().ok();
    let store_path = target.as_deref().unwrap_or(path).to_str()?.parse::<StorePath>().ok()?;
    // One of several images in a file is not the store path's.
    request.image_name.is_none().then(|| format!("nix-{}", store_path.hash()).parse().ok())?
}

/// Looks for an image that needs no building and was pushed already, by the tag of its store
/// path. Changes nothing.
///
/// # Errors
///
/// Fails when the registry does.
pub async fn find_pushed(
    request: &ImageRequest,
    registry: &Registry,
) -> Result<Option<Reference>, Error> {
    let Origin::File { path, .. } = &request.origin else { return Ok(None) };
    let believed = request.reuse == Reuse::Images;
    // What is no image is told as it would be by a deploy.
    drop(Source::open(path)?);
    let Some(tag) = request.identity().filter(|_| believed) else { return Ok(None) };
    let stored = match registry.manifest(registry.repository(), tag.as_str()).await {
        Err(registry::Error::NoRepository { .. }) => None,
        stored => stored.map_err(push::Error::from)?,
    };
    let fits = |manifest: &Manifest| manifest.format() == Some(request.format.manifest());
    let digest = stored.filter(|stored| fits(&stored.manifest)).map(|stored| stored.digest);
    let own = Reference::new(registry.host().clone(), registry.repository().clone());
    Ok(digest.map(|digest| own.with_digest(digest)))
}

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
            let build = build(&request, &**reporter);
            // Whichever fails first ends the other.
            let both = Box::pin(async { tokio::try_join!(foresee(fly, &apps), build) });
            let (previous, built) = or_cancelled(cancel, both).await?;
            let platform = Platform::LinuxAmd64;
            let to = Destination { registry: &registry, previous, platform };
            Box::pin(push_built(&request, &built, to, reporter, cancel)).await?.reference
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
