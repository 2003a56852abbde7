//! From what the user names to an image on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::event::Reporter;
use crate::image::Tag;
use crate::layer::Memo;
use crate::nix::{BuildOutput, Evaluated, Installable, Nix, Place, StorePath};
use crate::push::{Format, Reuse};
use crate::source::{self, Source};

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

/// What Nix builds.
#[derive(Debug, Clone)]
pub enum Output {
    /// What the user named.
    Named(Installable),
    /// The container of a flake or a file, which is to be found.
    ContainerOf(Place),
}

impl ImageRequest {
    /// Returns the tag that stands for this very image, if it needs no building and is in the
    /// store.
    pub fn identity(&self) -> Option<Tag> {
        match &self.origin {
            Origin::File { path, .. } => self.tag_of(&in_store(path)?),
            Origin::Nix { .. } => None,
        }
    }

    /// Returns the tag that stands for the image at a store path.
    fn tag_of(&self, path: &StorePath) -> Option<Tag> {
        // One of several images in a file is not the store path's.
        self.image_name.is_none().then(|| format!("nix-{}", path.hash()).parse().ok())?
    }
}

/// An image before it is built: what can be known of it by evaluation.
pub(super) enum Foreseen<'a> {
    /// It is there already.
    There(Built),
    /// Nix will build it.
    ByNix { request: &'a ImageRequest, nix: &'a Nix, arguments: &'a [OsString], output: Evaluated },
}

/// An image on this machine, kept from Nix's garbage collector while this lives.
pub(super) struct Built {
    pub(super) source: Source,
    /// `nix-` and the hash of a store path: the same image always has the same tag. It may
    /// have several, for its archive and for the script that streams it.
    pub(super) identities: Vec<Tag>,
    pub(super) nix: Option<Nix>,
    _gc_root: Option<BuildOutput>,
}

impl<'a> Foreseen<'a> {
    /// Looks at what the user named. Nix evaluates it and builds nothing.
    ///
    /// # Errors
    ///
    /// Fails as evaluation does, and when a file is no image.
    pub(super) async fn of(
        request: &'a ImageRequest,
        reporter: &dyn Reporter,
    ) -> Result<Self, Error> {
        let (nix, output, arguments) = match &request.origin {
            Origin::File { path, nix } => {
                let source = open(path, request)?;
                let identities = request.identity().into_iter().collect();
                let nix = nix.clone();
                return Ok(Self::There(Built { source, identities, nix, _gc_root: None }));
            }
            Origin::Nix { nix, output, arguments } => (nix, output, arguments),
        };
        let output = match output {
            Output::Named(installable) => nix.evaluate(installable, arguments, reporter).await?,
            Output::ContainerOf(place) => nix.find_container(place, arguments, reporter).await?,
        };
        Ok(Self::ByNix { request, nix, arguments, output })
    }

    /// Returns the tags that stand for this very image, the one that was named first.
    pub(super) fn identities(&self) -> Vec<Tag> {
        match self {
            Self::There(built) => built.identities.clone(),
            Self::ByNix { request, output, .. } => {
                output.store_paths().iter().filter_map(|path| request.tag_of(path)).collect()
            }
        }
    }

    /// Builds it, in the cheapest way in which it can be read.
    ///
    /// # Errors
    ///
    /// Fails as Nix does, and when what was built is no image.
    pub(super) async fn build(self, reporter: &dyn Reporter) -> Result<Built, Error> {
        let identities = self.identities();
        let (request, nix, arguments, output) = match self {
            Self::There(built) => return Ok(built),
            Self::ByNix { request, nix, arguments, output } => (request, nix, arguments, output),
        };
        let made = |source, output: BuildOutput| {
            let own = request.tag_of(output.store_path());
            let identities =
                if identities.is_empty() { own.into_iter().collect() } else { identities.clone() };
            Built { source, identities, nix: Some(nix.clone()), _gc_root: Some(output) }
        };
        for part in output.parts() {
            let built = nix.build(&part, arguments, reporter).await?;
            // Not every plan can be followed here.
            match readable(open(built.path(), request)).await? {
                Ok(source) => return Ok(made(source, built)),
                Err(error) => tracing::debug!(%error, %part, "another way is taken"),
            }
        }
        let built = nix.build(output.installable(), arguments, reporter).await?;
        Ok(made(open(built.path(), request)?, built))
    }
}

fn open(path: &Path, request: &ImageRequest) -> Result<Source, source::Error> {
    Ok(Source::open(path)?.image_named(request.image_name.clone()))
}

/// Sees whether an image can be made of what was opened. The outer result is about asking.
async fn readable(
    source: Result<Source, source::Error>,
) -> Result<Result<Source, source::Error>, Error> {
    let look = move || source.and_then(|source| source.layout().map(|_layout| source));
    tokio::task::spawn_blocking(look).await.map_err(|_panic| Error::Interrupted)
}

/// Returns the store path that a file is or leads to, such as `./result`.
fn in_store(path: &Path) -> Option<StorePath> {
    let target = path.canonicalize().ok();
    target.as_deref().unwrap_or(path).to_str()?.parse().ok()
}
