//! What may be ordered of a running sandbox.

use std::time::Duration;

use super::access::Scope;
use super::behavior::Behavior;
use super::capacity::Place;
use super::core::{lock, now_ms};
use super::fault::Fault;
use super::machine::{End, Host, Life};
use super::pace::Pace;
use super::server::Sandbox;
use super::state::State;

impl Sandbox {
    /// Orders something to go wrong with requests.
    pub fn inject(&self, fault: Fault) {
        lock(&self.core.faults).add(fault);
    }

    /// Takes back all faults that were ordered.
    pub fn clear_faults(&self) {
        lock(&self.core.faults).clear();
    }

    /// Orders how machines of `app` fare from their next launch on, those that run a command
    /// once aside.
    ///
    /// A group's order goes before, a machine's before that, and `SNOWBIRD_SANDBOX` in a
    /// machine's environment before all.
    pub fn set_behavior(&self, app: &str, behavior: Behavior) {
        self.core.state().behaviors.set_app(app, behavior);
    }

    /// Orders how machines of a process group fare from their next launch on. The groups of
    /// release commands and of machine checks are `fly_app_release_command` and
    /// `fly_app_test_machine_command`.
    pub fn set_group_behavior(&self, app: &str, group: &str, behavior: Behavior) {
        self.core.state().behaviors.set_group(app, group, behavior);
    }

    /// Orders how one machine fares: at once as to its checks and where it listens, else
    /// from its next launch or restart on.
    pub fn set_machine_behavior(&self, app: &str, machine: &str, behavior: Behavior) {
        let mut state = self.core.state();
        state.behaviors.set_machine(app, machine, behavior);
        if let Some(machine) = state.machine_mut(app, machine) {
            machine.behavior = behavior;
        }
    }

    /// Lets the process of a machine end with `code` now; its restart policy says what
    /// follows. Returns whether it was running.
    pub fn exit_machine(&self, app: &str, machine: &str, code: i32) -> bool {
        let mut state = self.core.state();
        let (now_ms, pace) = (now_ms(), state.pace);
        let Some(machine) = state.machine_mut(app, machine).filter(|m| m.state.is_running()) else {
            return false;
        };
        let end = End { after: Duration::ZERO, code, oom_killed: false };
        let (config, restarts) = (machine.parsed_config(), machine.restarts);
        Life::from(now_ms, pace).end(&config, end, restarts).lead(machine);
        self.stir(&mut state);
        true
    }

    /// Changes how long states last from now on; what has begun goes on as it was.
    pub fn set_pace(&self, pace: Pace) {
        self.core.state().pace = pace;
    }

    /// Says what the platform knows of the host of a machine. While that is not
    /// [`Host::Ok`], the platform tells of the machine in part and passes no orders to it.
    pub fn set_host(&self, app: &str, machine: &str, host: Host) {
        if let Some(machine) = self.core.state().machine_mut(app, machine) {
            machine.host = host;
        }
    }

    /// Takes the host of a machine off the net, or puts it back.
    pub fn set_unreachable(&self, app: &str, machine: &str, unreachable: bool) {
        self.set_host(app, machine, if unreachable { Host::Unreachable } else { Host::Ok });
    }

    /// Limits how many more machines find room in a region or for an app, or lifts the
    /// limit. A machine that is destroyed gives its room back. Where there is none, machines
    /// are neither made nor given a larger size.
    pub fn set_room(&self, place: Place, machines: Option<u64>) {
        self.core.state().rooms.set(place, machines);
    }

    /// Gives the lease of a machine to `owner` for `ttl`, whoever has it.
    pub fn steal_lease(&self, app: &str, machine: &str, owner: &str, ttl: Duration) {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        if let Some(machine) = self.core.state().machine_mut(app, machine) {
            machine.steal_lease(owner, now_ms().saturating_add(ttl_ms));
        }
    }

    /// Ends the leases of all machines of `app`.
    pub fn drop_leases(&self, app: &str) {
        let mut state = self.core.state();
        for machine in state.app_mut(app).into_iter().flat_map(|app| app.machines.values_mut()) {
            machine.lease = None;
        }
    }

    /// Says whether `app` may be deployed by bluegreen, as it may unless its organization has
    /// reached a limit.
    pub fn allow_bluegreen(&self, app: &str, allowed: bool) {
        let forbidden = &mut self.core.state().without_bluegreen;
        if allowed {
            forbidden.remove(app);
        } else {
            forbidden.insert(app.to_owned());
        }
    }

    /// Makes a macaroon that is good for `scope` and for so long, without a scheme word.
    /// Where discharges are required, one for more than an app demands one from this
    /// sandbox's URL. Gives nothing if there is no such app.
    pub fn mint_macaroon(&self, scope: &Scope, lifetime: Duration) -> Option<String> {
        let numbers = self.core.state().numbers(scope);
        self.core.access.issuer().mint(scope, numbers, lifetime, now_ms() / 1000)
    }

    /// Lets happen what is due, and wakes whoever waits for it.
    fn stir(&self, state: &mut State) {
        state.advance(now_ms());
        self.core.changed.send_replace(());
    }
}

impl State {
    /// Returns the numbers of the organization and the app that a scope names.
    pub(super) fn numbers(&self, scope: &Scope) -> Option<(u64, u64)> {
        match scope {
            Scope::Everything => None,
            Scope::Organization(slug) => Some((Self::organization_number(slug), 0)),
            Scope::App(name) => {
                let app = self.app(name)?;
                Some((Self::organization_number(&app.organization), app.number))
            }
        }
    }
}
