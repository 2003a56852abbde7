//! Finding what a path names, or refusing.

use super::answer::{Call, Refusal};
use crate::sandbox::app::App;
use crate::sandbox::machine::{Host, Machine};
use crate::sandbox::state::State;

/// Returns an app or refuses.
pub(super) fn app<'s>(state: &'s State, name: &str) -> Result<&'s App, Refusal> {
    state.app(name).ok_or_else(|| Refusal::not_found("app"))
}

/// Returns an app to change or refuses.
pub(super) fn app_mut<'s>(state: &'s mut State, name: &str) -> Result<&'s mut App, Refusal> {
    state.app_mut(name).ok_or_else(|| Refusal::not_found("app"))
}

/// Lets a request pass to an app that its token may see.
pub(super) fn visible(call: &Call<'_>, name: &str) -> Result<(), Refusal> {
    call.core.welcome(name);
    let state = call.core.state();
    app(&state, name)?;
    if call.permit.sees_app(&state, name) { Ok(()) } else { Err(Refusal::forbidden()) }
}

/// Returns a machine, also one that is gone, or refuses.
pub(super) fn machine<'s>(state: &'s State, name: &str, id: &str) -> Result<&'s Machine, Refusal> {
    app(state, name)?.machines.get(id).ok_or_else(|| Refusal::not_found("machine"))
}

/// Returns a machine to change or refuses.
pub(super) fn machine_mut<'s>(
    state: &'s mut State,
    name: &str,
    id: &str,
) -> Result<&'s mut Machine, Refusal> {
    app_mut(state, name)?.machines.get_mut(id).ok_or_else(|| Refusal::not_found("machine"))
}

/// Returns a machine if it is not gone.
pub(super) fn living<'s>(state: &'s State, name: &str, id: &str) -> Result<&'s Machine, Refusal> {
    let machine = machine(state, name, id)?;
    if machine.state.is_gone() { Err(Refusal::not_found("machine")) } else { Ok(machine) }
}

/// Returns a machine if this request may change it: it is there, nobody else has its lease,
/// and its host answers.
pub(super) fn allowed<'s>(
    call: &Call<'_>,
    state: &'s State,
    name: &str,
    id: &str,
) -> Result<&'s Machine, Refusal> {
    let machine = living(state, name, id)?;
    machine.check_lease(call.nonce(), call.now_ms)?;
    if machine.host == Host::Ok { Ok(machine) } else { Err(Refusal::host_is_lost()) }
}

/// A path of the Machines API, as far as it names an app and a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct MachinePath<'a> {
    pub(in crate::sandbox) app: &'a str,
    /// Nothing if the path is that of all machines.
    pub(in crate::sandbox) machine: Option<&'a str>,
}

impl<'a> MachinePath<'a> {
    /// Reads it from a request's path.
    pub(in crate::sandbox) fn parse(path: &'a str) -> Option<Self> {
        let mut segments = path.trim_matches('/').split('/');
        let (v1, apps) = (segments.next()?, segments.next()?);
        let (app, machines) = (segments.next()?, segments.next()?);
        let known = (v1, apps, machines) == ("v1", "apps", "machines");
        known.then(|| Self { app, machine: segments.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_app_and_maybe_a_machine() {
        let named = |path| MachinePath::parse(path).map(|named| (named.app, named.machine));
        assert_eq!(named("/v1/apps/web/machines"), Some(("web", None)));
        assert_eq!(named("/v1/apps/web/machines/e1/lease"), Some(("web", Some("e1"))));
        assert_eq!(named("/v1/apps/web/volumes/e1"), None);
        assert_eq!(named("/api/v1/apps/web"), None);
    }
}
