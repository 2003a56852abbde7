//! The rolling strategy: group by group, the first machine alone, then a few at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::event::MachineStep;
use crate::fly::config::MaxUnavailable;
use crate::fly::wire::{CreateMachine, MachineConfig, UpdateMachine};

use super::Error;
use super::health::Watch;
use super::lease::Leases;
use super::plan::{Step, Update};
use super::record::Record;

/// Takes the steps of a plan.
pub(super) struct Rolling<'a> {
    pub(super) watch: Watch<'a>,
    pub(super) leases: &'a Leases<'a>,
    pub(super) record: &'a Record<'a>,
    pub(super) max_unavailable: MaxUnavailable,
    pub(super) standing: &'a Standing,
}

/// Which machines have the new image by now.
#[derive(Debug, Default)]
pub(super) struct Standing {
    changed: Mutex<BTreeSet<String>>,
    all: BTreeSet<String>,
}

impl Standing {
    pub(super) fn new<'m>(machines: impl Iterator<Item = &'m str>) -> Self {
        Self { changed: Mutex::default(), all: machines.map(str::to_owned).collect() }
    }

    fn change(&self, machine: &str) {
        self.lock().insert(machine.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the machines that are changed, and those that are not.
    pub(super) fn now(&self) -> (Vec<String>, Vec<String>) {
        let changed = self.lock().clone();
        let unchanged = self.all.difference(&changed).cloned().collect();
        (changed.into_iter().collect(), unchanged)
    }
}

impl Rolling<'_> {
    /// Takes all steps; stops at the first failure.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves machines half-way; [`Standing`] knows which.
    pub(super) async fn run(&self, steps: &[Step]) -> Result<(), Error> {
        let mut updates: BTreeMap<&str, Vec<&Update>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create { group, region, config } => {
                    self.create(group, region.as_deref(), config).await?;
                }
                Step::Update(update) => updates.entry(&update.group).or_default().push(update),
                Step::Unchanged { .. } | Step::Destroy { .. } => {}
            }
        }
        for updates in updates.values() {
            let pool = self.max_unavailable.of(updates.len());
            let Some((first, others)) = updates.split_first() else { continue };
            self.update(first).await?;
            stream::iter(others.iter().map(Ok))
                .try_for_each_concurrent(pool, |update| self.update(update))
                .await?;
        }
        // Last, so that a failed deploy has taken nothing away.
        stream::iter(steps).map(Ok).try_for_each(|step| self.destroy(step)).await
    }

    async fn create(
        &self,
        group: &str,
        region: Option<&str>,
        config: &MachineConfig,
    ) -> Result<(), Error> {
        let mut config = config.clone();
        self.record.stamp(&mut config);
        let request =
            CreateMachine { config, region: region.map(str::to_owned), ..CreateMachine::default() };
        let launch_id = launch_id(group);
        let made = self
            .watch
            .client
            .create_machine(self.watch.app, request, &launch_id)
            .await
            .map_err(|error| self.broken("(new)", group, error))?;
        self.standing.change(&made.id);
        let step = MachineStep::Created { region: made.region.clone() };
        self.watch.report(&made.id, group, step);
        self.watch_to_the_end(&made.id, group, made.version(), 0).await
    }

    async fn update(&self, update: &Update) -> Result<(), Error> {
        let (machine, group) = (update.machine.as_str(), update.group.as_str());
        let mut config = (*update.config).clone();
        self.record.stamp(&mut config);
        let request = UpdateMachine {
            config,
            region: Some(update.region.clone()),
            current_version: Some(update.version.clone()),
            skip_launch: update.skip_launch,
            ..UpdateMachine::default()
        };
        self.watch.report(machine, group, MachineStep::Updating);
        let nonce = self.leases.nonce(machine);
        let updated = self
            .watch
            .client
            .update_machine(self.watch.app, machine, nonce.as_ref(), &request)
            .await
            .map_err(|error| self.broken(machine, group, error))?;
        self.standing.change(machine);
        if update.skip_launch {
            self.watch.report(machine, group, MachineStep::Done);
            return Ok(());
        }
        self.watch_to_the_end(machine, group, updated.version(), update.newest_event).await
    }

    async fn destroy(&self, step: &Step) -> Result<(), Error> {
        let Step::Destroy { machine, group } = step else {
            return Ok(());
        };
        let nonce = self.leases.nonce(machine);
        self.watch
            .client
            .destroy_machine(self.watch.app, machine, nonce.as_ref())
            .await
            .map_err(|error| self.broken(machine, group, error))?;
        self.watch.report(machine, group, MachineStep::State { state: "destroyed".to_owned() });
        Ok(())
    }

    async fn watch_to_the_end(
        &self,
        machine: &str,
        group: &str,
        version: &str,
        since: u64,
    ) -> Result<(), Error> {
        match self.watch.until_well(machine, group, version, since).await {
            Ok(()) => {
                self.watch.report(machine, group, MachineStep::Done);
                Ok(())
            }
            Err(reason) => {
                let step = MachineStep::Failed { reason: reason.clone() };
                self.watch.report(machine, group, step);
                self.watch.show_logs(machine).await;
                Err(self.unhealthy(machine, group, reason))
            }
        }
    }

    /// A refusal when nothing is changed yet is only that; later, it leaves the app with
    /// two images.
    fn broken(&self, machine: &str, group: &str, error: crate::fly::Error) -> Error {
        if self.standing.now().0.is_empty() {
            return error.into();
        }
        self.unhealthy(machine, group, error.to_string())
    }

    fn unhealthy(&self, machine: &str, group: &str, reason: String) -> Error {
        let (changed, unchanged) = self.standing.now();
        Error::Unhealthy {
            machine: machine.to_owned(),
            group: group.to_owned(),
            reason,
            changed,
            unchanged,
        }
    }
}

/// Makes a word that no other machine bears: the standard library's hasher is seeded from
/// the system's randomness.
fn launch_id(group: &str) -> String {
    let word = || RandomState::new().hash_one(group);
    format!("{:016x}{:016x}", word(), word())
}
