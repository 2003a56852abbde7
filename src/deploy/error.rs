//! Why a run failed.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly;
use crate::nix;
use crate::push;
use crate::rollout;
use crate::source;

/// Why a run failed: as its part did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Building failed.
    #[error(transparent)]
    Nix(#[from] nix::Error),
    /// What was built is no image.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// Pushing failed.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// The platform could not be asked.
    #[error(transparent)]
    Fly(#[from] fly::Error),
    /// Rolling out failed.
    #[error(transparent)]
    Rollout(#[from] rollout::Error),
    /// One image cannot be had by apps of several organizations.
    #[error("the apps belong to several organizations: {}", .0.join(", "))]
    SeveralOrganizations(Vec<String>),
    /// The run was cancelled.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Nix(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::Push(error) => Some(error),
            Self::Fly(error) => Some(error),
            Self::Rollout(error) => Some(error),
            Self::SeveralOrganizations(_) | Self::Interrupted => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::SeveralOrganizations(_) => "fly.several-organizations",
            error => error.inner().map_or("interrupted", Explain::code),
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::SeveralOrganizations(_) => {
                Some("an image is seen within its organization alone: deploy to each apart".into())
            }
            error => error.inner()?.hint(),
        }
    }
}
