//! What is done to one machine, whatever the strategy.

use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::event::MachineStep;
use crate::fly::Error as FlyError;
use crate::fly::wire::{CreateMachine, Machine, MachineConfig, UpdateMachine};

use super::journal::{Fate, Journal};
use super::lease::Leases;
use super::machine_checks::MachineChecks;
use super::plan::{Change, Create, Existing, LeftAlone, Replace, Spare, Update};
use super::record::Record;
use super::watch::{Watch, Watched};
use super::{Failure, Settings};

/// The variable of a machine that stands in for another.
const STANDBY_FOR: &str = "FLY_STANDBY_FOR";

/// Whoever changes machines in one deploy.
pub(super) struct Crew<'a> {
    pub(super) watch: Watch<'a>,
    pub(super) leases: &'a Leases<'a>,
    pub(super) record: &'a Record<'a>,
    pub(super) journal: &'a Journal,
    pub(super) settings: &'a Settings,
    pub(super) machine_checks: MachineChecks<'a>,
    /// Fires when something failed: nothing new is begun then, and nothing watched any longer.
    pub(super) halt: CancellationToken,
}

/// Why a change came to no good end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed.
    Failed(Failure),
    /// Something else failed before.
    Halted,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<FlyError> for Stop {
    fn from(error: FlyError) -> Self {
        Self::Failed(error.into())
    }
}

/// A machine that is to be made.
pub(super) struct NewMachine<'l> {
    pub(super) group: &'l str,
    pub(super) region: Option<&'l str>,
    pub(super) config: MachineConfig,
    pub(super) skip_launch: bool,
    /// Whether the proxy sends it requests from the start.
    pub(super) cordoned: bool,
}

impl Crew<'_> {
    /// Makes a machine, and has it noted by `note` before anything else can happen.
    pub(super) async fn launch(
        &self,
        launch: NewMachine<'_>,
        note: impl FnOnce(&Journal, &str),
    ) -> Result<Machine, FlyError> {
        let mut config = launch.config;
        self.record.stamp(&mut config);
        let request = CreateMachine {
            config,
            region: launch.region.map(str::to_owned),
            skip_launch: launch.skip_launch,
            skip_service_registration: launch.cordoned,
            ..CreateMachine::default()
        };
        // By it the machine is found again whose making was not answered.
        let id = Ulid::generate().to_string();
        let made = self.watch.client.create_machine(self.watch.app, request, &id);
        let made = Box::pin(made).await?;
        note(self.journal, &made.id);
        let step = MachineStep::Created { region: made.region.clone() };
        self.watch.report(&made.id, launch.group, step);
        Ok(made)
    }

    /// Makes a machine for a group that has none, and the one that makes it highly available.
    pub(super) async fn create(&self, create: &Create) -> Result<(), Stop> {
        let first = self.create_one(create, create.config.as_ref().clone(), false).await?;
        let mut config = create.config.as_ref().clone();
        match create.spare {
            None => return Ok(()),
            Some(Spare::Second) => {}
            Some(Spare::Standby) => {
                config.env.insert(STANDBY_FOR.to_owned(), first.id.clone());
                config.standbys = vec![first.id];
            }
        }
        self.go_on()?;
        let is_standby = create.spare == Some(Spare::Standby);
        self.create_one(create, config, is_standby).await.map(drop)
    }

    async fn create_one(
        &self,
        create: &Create,
        config: MachineConfig,
        skip_launch: bool,
    ) -> Result<Machine, Stop> {
        let (group, region) = (create.group.as_str(), create.region.as_deref());
        let launch = NewMachine { group, region, config, skip_launch, cordoned: false };
        let made = self.launch(launch, |journal, id| journal.made(id, group)).await?;
        if skip_launch {
            self.watch.report(&made.id, group, MachineStep::Done);
        } else {
            self.settle(group, &made, 0).await?;
        }
        Ok(made)
    }

    /// Brings a machine to what it shall run.
    pub(super) async fn change(&self, change: &Change) -> Result<(), Stop> {
        self.go_on()?;
        match change {
            Change::Replace(replace) => self.replace(replace).await,
            Change::Update(update) => match self.update(update).await {
                // Its host has no room. One that has a volume cannot go elsewhere.
                Err(Stop::Failed(Failure::Fly(error)))
                    if error.is_no_capacity() && update.config.mounts.is_empty() =>
                {
                    let Update { from, config, skip_launch } = update.clone();
                    let reason = "its host has no room".to_owned();
                    self.replace(&Replace { from, config, skip_launch, reason }).await
                }
                done => done,
            },
        }
    }

    async fn update(&self, update: &Update) -> Result<(), Stop> {
        let from = &update.from;
        let (machine, group) = (from.id.as_str(), from.group.as_str());
        self.leases.check(machine, group)?;
        let mut config = (*update.config).clone();
        self.record.stamp(&mut config);
        self.watch.report(machine, group, MachineStep::Updating);
        let updated = self.put(from, &from.version, config, update.skip_launch).await?;
        if update.skip_launch {
            self.watch.report(machine, group, MachineStep::Done);
            return Ok(());
        }
        self.settle(group, &updated, from.newest_event_ms).await
    }

    /// Gives a machine that was there a configuration, and notes what is known of it after.
    pub(super) async fn put(
        &self,
        from: &Existing,
        version: &str,
        config: MachineConfig,
        skip_launch: bool,
    ) -> Result<Machine, FlyError> {
        let request = UpdateMachine {
            config,
            region: Some(from.region.clone()),
            current_version: Some(version.to_owned()),
            skip_launch,
            ..UpdateMachine::default()
        };
        self.journal.note(&from.id, Fate::Changing);
        let nonce = self.leases.nonce(&from.id);
        let (client, app) = (self.watch.client, self.watch.app);
        let updated = client.update_machine(app, &from.id, nonce.as_ref(), &request);
        match Box::pin(updated).await {
            Ok(updated) => {
                self.journal.note(&from.id, Fate::Changed(updated.version().to_owned()));
                Ok(updated)
            }
            Err(error) => {
                // What came of it is known unless no answer came at all.
                if error.refusal().is_some_and(|refusal| refusal.status < 500) {
                    self.journal.note(&from.id, Fate::Untouched);
                }
                Err(error)
            }
        }
    }

    /// Lets a machine make way for a new one. The old one only stops, so that it can come back;
    /// [`Crew::clear_away`] destroys it in the end. Never do both run.
    async fn replace(&self, replace: &Replace) -> Result<(), Stop> {
        let from = &replace.from;
        let (machine, group) = (from.id.as_str(), from.group.as_str());
        self.leases.check(machine, group)?;
        let step = MachineStep::Replacing { reason: replace.reason.clone() };
        self.watch.report(machine, group, step);
        self.journal.note(machine, Fate::Replaced(None));
        if from.is_reachable && from.is_running() {
            let (client, app) = (self.watch.client, self.watch.app);
            let nonce = self.leases.nonce(machine);
            client.stop_machine(app, machine, nonce.as_ref(), None).await?;
            self.watch.until_stopped(machine).await?;
        }
        let config = replace.config.as_ref().clone();
        let (region, skip_launch) = (Some(from.region.as_str()), replace.skip_launch);
        let launch = NewMachine { group, region, config, skip_launch, cordoned: false };
        let note = |journal: &Journal, id: &str| {
            journal.made(id, group);
            journal.note(machine, Fate::Replaced(Some(id.to_owned())));
        };
        let made = self.launch(launch, note).await?;
        if replace.skip_launch {
            self.watch.report(&made.id, group, MachineStep::Done);
            return Ok(());
        }
        self.settle(group, &made, 0).await
    }

    /// Watches a machine until it is well, and has passed the machine checks.
    pub(super) async fn settle(
        &self,
        group: &str,
        machine: &Machine,
        since_ms: u64,
    ) -> Result<(), Stop> {
        let id = machine.id.as_str();
        if self.settings.watches() {
            let watched = Watched { machine: id, group, version: machine.version(), since_ms };
            let well = Box::pin(async {
                self.watch.until_well(watched).await?;
                self.machine_checks.run(self, group, machine).await
            });
            let well = tokio::select! {
                biased;
                () = self.halt.cancelled() => return Err(Stop::Halted),
                well = well => well,
            };
            if let Err(reason) = well {
                let step = MachineStep::Failed { reason: reason.clone() };
                self.watch.report(id, group, step);
                let (machine, group) = (id.to_owned(), group.to_owned());
                return Err(Failure::Machine { machine, group, reason }.into());
            }
        }
        self.watch.report(id, group, MachineStep::Done);
        Ok(())
    }

    /// Destroys what the plan destroys, and machines that others have replaced. What cannot be
    /// destroyed is told: the app runs what it should.
    pub(super) async fn clear_away<'m>(
        &self,
        machines: impl Iterator<Item = &'m Existing>,
    ) -> Vec<LeftAlone> {
        let mut left = Vec::new();
        for machine in machines {
            if let Err(error) = self.destroy(&machine.id, &machine.group).await {
                left.push(LeftAlone { machine: machine.id.clone(), reason: error.to_string() });
            }
        }
        left
    }

    /// Destroys a machine.
    pub(super) async fn destroy(&self, machine: &str, group: &str) -> Result<(), FlyError> {
        let nonce = self.leases.nonce(machine);
        let (client, app) = (self.watch.client, self.watch.app);
        client.destroy_machine(app, machine, nonce.as_ref()).await?;
        self.journal.note(machine, Fate::Destroyed);
        self.watch.report(machine, group, MachineStep::Destroyed);
        Ok(())
    }

    /// Fails when something else has failed.
    pub(super) fn go_on(&self) -> Result<(), Stop> {
        if self.halt.is_cancelled() { Err(Stop::Halted) } else { Ok(()) }
    }

    /// Sees to it that nothing new is begun after a failure.
    pub(super) fn watchful(&self, done: Result<(), Stop>) -> Result<(), Stop> {
        if matches!(done, Err(Stop::Failed(_))) {
            self.halt.cancel();
        }
        done
    }
}

/// Returns the failure that stopped all the others, or the end of all.
pub(super) fn first_failure(all: Vec<Result<(), Stop>>) -> Result<(), Stop> {
    let mut halted = false;
    for done in all {
        match done {
            Ok(()) => {}
            Err(Stop::Halted) => halted = true,
            Err(failed) => return Err(failed),
        }
    }
    if halted { Err(Stop::Halted) } else { Ok(()) }
}
