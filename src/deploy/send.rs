//! From an image to its digest in a registry, by its identity if that will do.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::build::{Built, Foreseen, ImageRequest};
use super::{Error, or_cancelled};
use crate::event::Reporter;
use crate::image::{Manifest, Reference, Tag};
use crate::nix::{Nix, PathInfo};
use crate::push::{self, Platform, Push, Pushed, Reuse};
use crate::registry::{self, Registry};
use crate::source::{Indexed, Layout, StoreObject};

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

/// Pushes an image, and builds it if the registry has it not.
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
    let foreseen = or_cancelled(cancel, Foreseen::of(request, &**reporter)).await?;
    send(request, foreseen, &to, reporter, cancel).await
}

/// Does the same with an image that was looked at already.
pub(super) async fn send(
    request: &ImageRequest,
    foreseen: Foreseen<'_>,
    to: &Destination<'_>,
    reporter: &Arc<dyn Reporter>,
    cancel: &CancellationToken,
) -> Result<Pushed, Error> {
    let sending = Sending { request, to, reporter, cancel };
    if let Some(pushed) = sending.adopt(&foreseen.identities()).await? {
        return Ok(pushed);
    }
    let built = or_cancelled(cancel, foreseen.build(&**reporter)).await?;
    sending.push(built).await
}

#[derive(Clone, Copy)]
struct Sending<'a> {
    request: &'a ImageRequest,
    to: &'a Destination<'a>,
    reporter: &'a Arc<dyn Reporter>,
    cancel: &'a CancellationToken,
}

impl Sending<'_> {
    fn push_request(
        &self,
        identity: Option<&Tag>,
        more: &[Tag],
        previous: Vec<Reference>,
    ) -> push::Request {
        let ImageRequest { tags, format, reuse, memo, .. } = self.request;
        push::Request {
            identity: identity.cloned(),
            tags: tags.iter().chain(more).cloned().collect(),
            previous,
            format: *format,
            platform: self.to.platform,
            reuse: *reuse,
            memo: memo.clone(),
        }
    }

    /// Takes the image that the registry has under one of its `identities`. Two requests if
    /// it is under the first; those before the one that is found are given to it too.
    async fn adopt(&self, identities: &[Tag]) -> Result<Option<Pushed>, Error> {
        if self.request.reuse != Reuse::Images {
            return Ok(None);
        }
        let Self { to, reporter, cancel, .. } = *self;
        let mut missing: &[Tag] = &[];
        for (place, identity) in identities.iter().enumerate() {
            let request = self.push_request(Some(identity), missing, Vec::new());
            let push = Push { registry: to.registry, request: &request, reporter, cancel };
            let survey = push.survey().await?;
            if let Some(pushed) = push.adopt(&survey).await? {
                return Ok(Some(pushed));
            }
            missing = identities.get(..=place).unwrap_or_default();
        }
        Ok(None)
    }

    /// Sends what the registry has not got.
    async fn push(&self, built: Built) -> Result<Pushed, Error> {
        let Self { to, reporter, cancel, .. } = *self;
        let (identity, more) = match built.identities.split_first() {
            Some((first, more)) => (Some(first), more),
            None => (None, &[][..]),
        };
        let request = self.push_request(identity, more, to.previous.clone());
        let push = Push { registry: to.registry, request: &request, reporter, cancel };
        let survey = push.survey().await?;
        // Its identity was not known before, or somebody else was faster.
        if let Some(pushed) = push.adopt(&survey).await? {
            return Ok(pushed);
        }
        let source = built.source.clone();
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

/// Looks for an image that was pushed already, by the tags of its store paths. Nix evaluates
/// it and builds nothing; nothing is changed.
///
/// # Errors
///
/// Fails as evaluation does, when a file is no image, and when the registry does.
pub async fn find_pushed(
    request: &ImageRequest,
    registry: &Registry,
    reporter: &dyn Reporter,
) -> Result<Option<Reference>, Error> {
    // What is no image is told as it would be by a deploy.
    let foreseen = Foreseen::of(request, reporter).await?;
    let believed = request.reuse == Reuse::Images;
    let identities = if believed { foreseen.identities() } else { Vec::new() };
    let own = Reference::new(registry.host().clone(), registry.repository().clone());
    for tag in identities {
        let stored = match registry.manifest(registry.repository(), tag.as_str()).await {
            Err(registry::Error::NoRepository { .. }) => None,
            stored => stored.map_err(push::Error::from)?,
        };
        let fits = |manifest: &Manifest| manifest.format() == Some(request.format.manifest());
        if let Some(stored) = stored.filter(|stored| fits(&stored.manifest)) {
            return Ok(Some(own.with_digest(stored.digest)));
        }
    }
    Ok(None)
}
