//! Which of an app's machines a deploy is about.

use std::collections::BTreeSet;

use crate::fly::wire::Machine;

/// A part of an app's machines. Each list that is empty leaves all of them in.
///
/// The platform's own client has the same filters, applied one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Process groups that take part.
    pub groups: BTreeSet<String>,
    /// Regions that take part.
    pub regions: BTreeSet<String>,
    /// Regions that do not.
    pub excluded_regions: BTreeSet<String>,
    /// IDs of the machines that take part.
    pub machines: BTreeSet<String>,
    /// IDs of machines that do not.
    pub excluded_machines: BTreeSet<String>,
}

impl Scope {
    /// Returns whether a process group takes part.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.contains(group)
    }

    /// Returns whether a machine of `group` takes part.
    pub fn has(&self, machine: &Machine, group: &str) -> bool {
        let among = |list: &BTreeSet<String>, item: &String| list.is_empty() || list.contains(item);
        self.has_group(group)
            && among(&self.regions, &machine.region)
            && !self.excluded_regions.contains(&machine.region)
            && among(&self.machines, &machine.id)
            && !self.excluded_machines.contains(&machine.id)
    }

    /// Returns whether every machine takes part.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_narrows_what_the_others_leave() {
        let machine = |id: &str, region: &str| Machine {
            id: id.into(),
            region: region.into(),
            ..Machine::default()
        };
        let set = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        let everything = Scope::default();
        assert!(everything.is_everything() && everything.has(&machine("e1", "fra"), "web"));
        let scope = Scope {
            groups: set(&["web"]),
            regions: set(&["fra", "ams"]),
            excluded_regions: set(&["ams"]),
            excluded_machines: set(&["e2"]),
            ..Scope::default()
        };
        assert!(scope.has(&machine("e1", "fra"), "web"));
        for (id, region, group) in [
            ("e1", "fra", "worker"),
            ("e1", "ams", "web"),
            ("e1", "syd", "web"),
            ("e2", "fra", "web"),
        ] {
            assert!(!scope.has(&machine(id, region), group), "{id} {region} {group}");
        }
        let one = Scope { machines: set(&["e2"]), ..Scope::default() };
        assert!(one.has(&machine("e2", "syd"), "any") && !one.has(&machine("e1", "syd"), "any"));
    }
}
