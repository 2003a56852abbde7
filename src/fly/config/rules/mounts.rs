//! Rules for volumes.

use crate::fly::config::convert::{mount, sizes};
use crate::fly::config::model::{Document, Mount};
use crate::fly::config::problem::Fault;
use crate::fly::config::tree::Value;
use crate::fly::config::{AppConfig, Error, Strategy};

use super::{Findings, Unknown};

impl AppConfig {
    /// Tells whether `groups` can be deployed as the configuration is now: what depends on
    /// which groups are meant, and on what was set beyond the file. No group at all means all
    /// of them.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when there is no such group, when a group has several mounts, or
    /// one has a mount and the strategy is canary.
    pub fn check_groups(&self, groups: &[String]) -> Result<(), Error> {
        let all = self.groups();
        let groups = if groups.is_empty() { &all } else { groups };
        let mut faults = Vec::new();
        for name in groups.iter().filter(|name| !all.contains(name)) {
            let reason = format!("there is no process group `{name}`, only: {}", all.join(", "));
            faults.push(Fault::of("processes", reason));
        }
        let canary = self.strategy() == Strategy::Canary;
        for group in groups {
            match mount(&self.document, group) {
                Err(fault) => faults.push(fault),
                Ok(Some(_)) if canary => {
                    let reason = format!(
                        "`canary` is not possible for process group `{group}`, whose machines \
                         have volumes"
                    );
                    faults.push(Fault::of(self.strategy_key(), reason));
                }
                Ok(_) => {}
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(self.origin.invalid(faults)) }
    }

    /// Returns the key that says the strategy, unless the file says another one.
    fn strategy_key(&self) -> &'static str {
        let written = self.origin.value("deploy.strategy").map(|node| &node.value);
        let is = written == Some(&Value::Text(self.strategy().to_string()));
        if is { "deploy.strategy" } else { "--strategy" }
    }
}

pub(super) fn look(findings: &mut Findings, document: &Document) {
    for (n, mount) in document.mounts.iter().enumerate() {
        let key = format!("mounts[{n}]");
        let mut gigabytes = [0; 3];
        let mut all_fine = true;
        for ((name, size), slot) in sizes(mount).into_iter().zip(&mut gigabytes) {
            match size {
                Ok(size) => *slot = size,
                Err(reason) => {
                    findings.fault(format!("{key}.{name}"), reason);
                    all_fine = false;
                }
            }
        }
        if mount.snapshot_retention.is_some_and(|days| !(1..=60).contains(&days)) {
            findings.fault(format!("{key}.snapshot_retention"), "it must be from 1 to 60 days");
        }
        if all_fine {
            let [_, increment, limit] = gigabytes;
            growth(findings, &key, mount.auto_extend_size_threshold, increment, limit);
        }
        complete(findings, &key, mount);
        findings.groups(&format!("{key}.processes"), &mount.processes, document, Unknown::Note);
    }
}

/// How a volume grows is said by three settings together, of which the limit may lack.
fn growth(findings: &mut Findings, key: &str, threshold: u64, increment: u64, limit: u64) {
    if threshold == 0 && increment == 0 && limit == 0 {
        return;
    }
    if !(50..=99).contains(&threshold) {
        let reason = "it must be from 50 to 99 percent, where a volume grows by itself";
        findings.fault(format!("{key}.auto_extend_size_threshold"), reason);
    }
    if !(1..=100).contains(&increment) {
        let reason = "it must be from 1 to 100 GB, where a volume grows by itself";
        findings.fault(format!("{key}.auto_extend_size_increment"), reason);
    }
    if limit > 500 {
        findings.fault(format!("{key}.auto_extend_size_limit"), "it must be 500 GB or less");
    }
}

fn complete(findings: &mut Findings, key: &str, mount: &Mount) {
    for (name, text) in [("source", &mount.source), ("destination", &mount.destination)] {
        if text.is_empty() {
            findings.note("config.mount-incomplete", key, format!("it has no `{name}`"));
        }
    }
}
