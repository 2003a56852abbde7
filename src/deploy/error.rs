//! Why a run failed.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly;
use crate::fly::AppName;
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
    Rollout(Box<rollout::Error>),
    /// Rolling out to one of several apps failed; the others are as they were, or as they shall
    /// be.
    #[error("app `{app}`: {error}{}", standing(deployed, not_begun))]
    OneOfSeveral {
        /// The app.
        app: AppName,
        /// The apps that were deployed to before.
        deployed: Vec<AppName>,
        /// The apps that nothing was done to.
        not_begun: Vec<AppName>,
        /// Why.
        error: Box<rollout::Error>,
    },
    /// One image cannot be had by apps of several organizations.
    #[error("the apps belong to several organizations: {}", .0.join(", "))]
    SeveralOrganizations(Vec<String>),
    /// The run was cancelled.
    #[error("interrupted")]
    Interrupted,
}

fn standing(deployed: &[AppName], not_begun: &[AppName]) -> String {
    let list = |what: &str, apps: &[AppName]| match apps {
        [] => String::new(),
        apps => {
            let apps: Vec<_> = apps.iter().map(|app| format!("`{app}`")).collect();
            format!("; {what}: {}", apps.join(", "))
        }
    };
    format!("{}{}", list("deployed before", deployed), list("not begun", not_begun))
}

impl From<rollout::Error> for Error {
    fn from(error: rollout::Error) -> Self {
        Self::Rollout(Box::new(error))
    }
}

impl Error {
    /// Says of what went wrong with the app at `place` how all of `apps` stand.
    pub(super) fn of_app(apps: &[AppName], place: usize, error: rollout::Error) -> Self {
        match (apps.get(..place), apps.get(place..)) {
            (Some(deployed), Some([app, not_begun @ ..])) if apps.len() > 1 => Self::OneOfSeveral {
                app: app.clone(),
                deployed: deployed.to_vec(),
                not_begun: not_begun.to_vec(),
                error: Box::new(error),
            },
            _ => Self::from(error),
        }
    }

    /// Says which of so many apps cannot be deployed to, before anything is begun.
    pub(super) fn foreseen(app: &AppName, apps: usize, error: rollout::Error) -> Self {
        if apps < 2 {
            return Self::from(error);
        }
        let (app, deployed, not_begun) = (app.clone(), Vec::new(), Vec::new());
        Self::OneOfSeveral { app, deployed, not_begun, error: Box::new(error) }
    }

    /// Returns why a rollout failed, if that was it.
    pub fn rollout(&self) -> Option<&rollout::Error> {
        match self {
            Self::Rollout(error) | Self::OneOfSeveral { error, .. } => Some(error),
            _ => None,
        }
    }

    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Nix(error) => Some(error),
            Self::Source(error) => Some(error),
            Self::Push(error) => Some(error),
            Self::Fly(error) => Some(error),
            Self::Rollout(error) | Self::OneOfSeveral { error, .. } => Some(&**error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_apps_it_is_told_how_each_stands() {
        let apps: Vec<AppName> = ["web", "worker", "cron"].map(|app| app.parse().unwrap()).into();
        let error = || rollout::Error::BluegreenForbidden { app: "x".to_owned() };
        let text = |place| Error::of_app(&apps, place, error()).to_string();
        assert!(text(1).starts_with("app `worker`: the organization"), "{}", text(1));
        assert!(text(1).ends_with("; deployed before: `web`; not begun: `cron`"), "{}", text(1));
        assert!(text(0).ends_with("; not begun: `worker`, `cron`"), "{}", text(0));
        let one = Error::of_app(&apps[..1], 0, error());
        assert!(matches!(one, Error::Rollout(_)), "{one}");
        assert_eq!(one.code(), "rollout.bluegreen-forbidden");
    }
}
