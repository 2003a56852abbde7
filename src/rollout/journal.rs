//! What has become of the machines so far, for whoever must undo it or tell of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What has become of the machines so far.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// Machines that were there.
    found: BTreeMap<String, Fate>,
    /// Machines that were made to stay, and their process groups.
    made: BTreeMap<String, String>,
    /// Machines that must not outlive the deploy.
    passing: BTreeSet<String>,
}

/// What has become of a machine that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Untouched,
    /// It was asked to change, and the answer has not come.
    Changing,
    /// It has this version now.
    Changed(String),
    /// It makes way for the machine with this ID, or is about to if there is none yet.
    Replaced(Option<String>),
    /// It is gone.
    Destroyed,
}

impl Journal {
    pub(super) fn new<'m>(machines: impl Iterator<Item = &'m str>) -> Self {
        let found = machines.map(|machine| (machine.to_owned(), Fate::Untouched)).collect();
        Self(Mutex::new(Entries { found, ..Entries::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what becomes of a machine that was there.
    pub(super) fn note(&self, machine: &str, fate: Fate) {
        self.lock().found.insert(machine.to_owned(), fate);
    }

    /// Returns what has become of a machine that was there.
    pub(super) fn fate(&self, machine: &str) -> Fate {
        self.lock().found.get(machine).cloned().unwrap_or(Fate::Untouched)
    }

    /// Notes a machine that was made to stay.
    pub(super) fn made(&self, machine: &str, group: &str) {
        self.lock().made.insert(machine.to_owned(), group.to_owned());
    }

    /// Returns the machines that were made to stay, and their process groups.
    pub(super) fn all_made(&self) -> Vec<(String, String)> {
        self.lock().made.clone().into_iter().collect()
    }

    /// Forgets a machine that was made and is gone again.
    pub(super) fn unmade(&self, machine: &str) {
        let mut entries = self.lock();
        entries.made.remove(machine);
        entries.passing.remove(machine);
    }

    /// Notes a machine that must not outlive the deploy.
    pub(super) fn passing(&self, machine: &str) {
        self.lock().passing.insert(machine.to_owned());
    }

    /// Notes that a machine that should have passed stays.
    pub(super) fn stays(&self, machine: &str, group: &str) {
        let mut entries = self.lock();
        entries.passing.remove(machine);
        entries.made.insert(machine.to_owned(), group.to_owned());
    }

    /// Takes the machines that must not outlive the deploy.
    pub(super) fn take_passing(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().passing).into_iter().collect()
    }

    /// Returns how many machines were changed or made: all that would have to be undone.
    pub(super) fn touched(&self) -> usize {
        let entries = self.lock();
        let changed = entries.found.values().filter(|fate| **fate != Fate::Untouched);
        entries.made.len() + changed.count()
    }

    /// Returns which machines have the new image, or may have it, and which have not.
    pub(super) fn standing(&self) -> Standing {
        let entries = self.lock();
        let mut standing =
            Standing { changed: entries.made.keys().cloned().collect(), ..Standing::default() };
        for (machine, fate) in &entries.found {
            match fate {
                Fate::Untouched | Fate::Replaced(_) => standing.unchanged.push(machine.clone()),
                Fate::Changing | Fate::Changed(_) => standing.changed.push(machine.clone()),
                Fate::Destroyed => {}
            }
        }
        standing.changed.sort();
        standing
    }
}

/// Which machines run what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// IDs of the machines that have the new image now, or may have it.
    pub changed: Vec<String>,
    /// IDs of the machines that have the old one still.
    pub unchanged: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_who_runs_what_at_any_moment() {
        let journal = Journal::new(["a", "b", "c", "d"].into_iter());
        assert_eq!(journal.touched(), 0);
        journal.note("a", Fate::Changed("2".into()));
        journal.note("b", Fate::Changing);
        journal.note("c", Fate::Replaced(None));
        journal.made("x", "app");
        let standing = journal.standing();
        assert_eq!(standing.changed, ["a", "b", "x"]);
        assert_eq!(standing.unchanged, ["c", "d"]);
        journal.unmade("x");
        for machine in ["a", "b", "c"] {
            journal.note(machine, Fate::Untouched);
        }
        assert_eq!(journal.touched(), 0);
    }

    #[test]
    fn what_passes_is_no_part_of_the_app_until_it_stays() {
        let journal = Journal::default();
        journal.passing("green");
        journal.passing("canary");
        assert_eq!(journal.touched(), 0);
        journal.stays("green", "app");
        assert_eq!(journal.take_passing(), ["canary"]);
        assert_eq!(journal.standing().changed, ["green"]);
    }
}
