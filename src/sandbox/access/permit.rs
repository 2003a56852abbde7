//! What a request may see.

use super::Scope;
use super::macaroon::Caveat;
use crate::sandbox::state::State;

/// What the tokens of a request are good for, all together.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Permit(Vec<Reach>);

/// What one token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Reach {
    Of(Scope),
    /// By the numbers of an organization and of apps, as macaroons name them; all must hold.
    Numbers {
        organizations: Vec<u64>,
        apps: Vec<Vec<u64>>,
    },
}

impl Reach {
    /// Reads it from the caveats of a macaroon.
    pub(super) fn of_caveats(caveats: &[Caveat]) -> Self {
        let (mut organizations, mut apps) = (Vec::new(), Vec::new());
        for caveat in caveats {
            match caveat {
                Caveat::Organization(number) => organizations.push(*number),
                Caveat::Apps(numbers) => apps.push(numbers.clone()),
                Caveat::ValidityWindow { .. }
                | Caveat::ThirdParty { .. }
                | Caveat::BindToParent(_) => {}
            }
        }
        Self::Numbers { organizations, apps }
    }

    fn is_of_apps(&self) -> bool {
        match self {
            Self::Of(scope) => matches!(scope, Scope::App(_)),
            Self::Numbers { apps, .. } => !apps.is_empty(),
        }
    }

    fn sees_organization(&self, state: &State, slug: &str) -> bool {
        match self {
            Self::Of(Scope::Everything) => true,
            Self::Of(Scope::Organization(of)) => of == slug,
            Self::Of(Scope::App(app)) => state.app(app).is_some_and(|app| app.organization == slug),
            Self::Numbers { organizations, .. } => {
                organizations.iter().all(|of| *of == State::organization_number(slug))
            }
        }
    }

    fn sees_app(&self, state: &State, name: &str) -> bool {
        let Some(app) = state.app(name) else { return false };
        match self {
            Self::Of(Scope::App(of)) => of == name,
            Self::Of(_) => self.sees_organization(state, &app.organization),
            Self::Numbers { apps, .. } => {
                self.sees_organization(state, &app.organization)
                    && apps.iter().all(|apps| apps.contains(&app.number))
            }
        }
    }
}

impl Permit {
    pub(super) fn new(reaches: Vec<Reach>) -> Self {
        Self(reaches)
    }

    /// Whether they are deploy tokens alone.
    pub(in crate::sandbox) fn is_of_apps(&self) -> bool {
        self.0.iter().all(Reach::is_of_apps)
    }

    /// Whether they may look at and change an app.
    pub(in crate::sandbox) fn sees_app(&self, state: &State, name: &str) -> bool {
        self.0.iter().any(|reach| reach.sees_app(state, name))
    }

    /// Whether they are of an organization.
    pub(in crate::sandbox) fn sees_organization(&self, state: &State, slug: &str) -> bool {
        self.0.iter().any(|reach| reach.sees_organization(state, slug))
    }

    /// Whether they may make apps in an organization, and list them.
    pub(in crate::sandbox) fn manages(&self, state: &State, slug: &str) -> bool {
        let mut wide = self.0.iter().filter(|reach| !reach.is_of_apps());
        wide.any(|reach| reach.sees_organization(state, slug))
    }

    /// Whether they may pull the images of an app: those of an organization may be shared.
    pub(in crate::sandbox) fn pulls(&self, state: &State, name: &str) -> bool {
        state.app(name).is_some_and(|app| self.sees_organization(state, &app.organization))
    }
}
