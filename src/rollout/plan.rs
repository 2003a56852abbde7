//! From what runs and what is wanted to steps. No clock, no network.

use std::collections::BTreeSet;

use crate::fly::config::{self, AppConfig};
use crate::fly::wire::{Check, Machine, MachineConfig, Restart, StopConfig};

use super::current::group;

/// What will be done, in this order: creates, updates, destroys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// IDs of machines whose host cannot be reached; they are left alone.
    pub unreachable: Vec<String>,
}

/// What is done with one machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It runs this image and configuration already.
    Unchanged {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
    },
    /// A group without a machine gets one.
    Create {
        /// The process group.
        group: String,
        /// Where; the platform chooses when the configuration does not.
        region: Option<String>,
        /// What it shall run.
        config: Box<MachineConfig>,
    },
    /// A machine gets a new configuration.
    Update(Update),
    /// The configuration has its group no more.
    Destroy {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
    },
}

/// A machine's new configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// ID of the machine.
    pub machine: String,
    /// Its process group.
    pub group: String,
    /// Where it runs.
    pub region: String,
    /// The version that is replaced.
    pub version: String,
    /// When the newest thing happened to it, in milliseconds since 1970.
    pub newest_event: u64,
    /// What it shall run.
    pub config: Box<MachineConfig>,
    /// Whether it is stopped and stays so.
    pub skip_launch: bool,
}

impl Plan {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Unchanged { .. }))
    }
}

/// Compares the managed `machines` with what `config` and `image` want.
///
/// # Errors
///
/// Fails when a group does not convert, or its volume does not fit.
pub fn plan(machines: &[Machine], config: &AppConfig, image: &str) -> Result<Plan, config::Error> {
    let wanted = config.groups();
    let default_group = config.default_group();
    let group_of = |machine: &Machine| group(machine).unwrap_or(&default_group).to_owned();
    let present: BTreeSet<String> = machines.iter().map(group_of).collect();

    let mut plan = Plan::default();
    for group in wanted.iter().filter(|group| !present.contains(*group)) {
        plan.steps.push(Step::Create {
            group: group.clone(),
            region: config.primary_region().map(str::to_owned),
            config: Box::new(config.machine_config(group, image, None)?),
        });
    }
    let mut destroys = Vec::new();
    for machine in machines {
        let group = group_of(machine);
        if !wanted.contains(&group) {
            destroys.push(Step::Destroy { machine: machine.id.clone(), group });
            continue;
        }
        let reachable = machine.host_status.as_deref().is_none_or(|status| status == "ok");
        let (true, Some(existing)) = (reachable, &machine.config) else {
            plan.unreachable.push(machine.id.clone());
            continue;
        };
        let next = config.machine_config(&group, image, Some(existing))?;
        plan.steps.push(if is_same(machine, existing, &next) {
            Step::Unchanged { machine: machine.id.clone(), group }
        } else {
            Step::Update(Update {
                machine: machine.id.clone(),
                group,
                region: machine.region.clone(),
                version: machine.version().to_owned(),
                newest_event: machine.events.iter().map(|e| e.timestamp).max().unwrap_or(0),
                skip_launch: skips_launch(&machine.state),
                config: Box::new(next),
            })
        });
    }
    plan.steps.extend(destroys);
    Ok(plan)
}

/// A machine that does not run is given the configuration and left as it is; one that has
/// failed is started again. A standby that failed is, too: it was started for a reason.
fn skips_launch(state: &str) -> bool {
    !matches!(state, "started" | "starting" | "failed")
}

/// Whether the machine has the wanted image and configuration and is in order.
fn is_same(machine: &Machine, existing: &MachineConfig, next: &MachineConfig) -> bool {
    let Some((_, digest)) = next.image.split_once('@') else {
        return false; // A tag may point elsewhere since.
    };
    let resolved = machine.image_ref.as_ref().and_then(|image| image.digest.as_deref());
    let same_image = existing.image == next.image || resolved == Some(digest);
    let in_order =
        matches!(machine.state.as_str(), "started" | "starting" | "stopped" | "suspended");
    if !same_image || !in_order {
        return false;
    }
    let mut now = existing.clone();
    now.image.clone_from(&next.image);
    in_one_order(now) == in_one_order(next.clone())
}

/// Takes away differences that mean nothing: the order of headers, empty tables.
fn in_one_order(mut config: MachineConfig) -> MachineConfig {
    let sort = |check: &mut Check| check.headers.sort();
    config.checks.values_mut().for_each(sort);
    config.services.iter_mut().flat_map(|service| &mut service.checks).for_each(sort);
    config.restart = config.restart.filter(|restart| *restart != Restart::default());
    config.stop_config = config.stop_config.filter(|stop| *stop != StopConfig::default());
    config
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    const NEW: &str = "registry.fly.io/web@sha256:11";
    const OLD: &str = "registry.fly.io/web@sha256:00";

    fn config(text: &str) -> AppConfig {
        AppConfig::parse(text, Path::new("fly.toml")).unwrap().0
    }

    /// A machine as a deploy of `text` with `image` leaves it.
    fn machine(id: &str, text: &str, group: &str, image: &str, state: &str) -> Machine {
        let mut config = config(text).machine_config(group, image, None).unwrap();
        config.metadata.insert("fly_release_id".into(), "rel_1".into());
        serde_json::from_value(json!({
            "id": id, "state": state, "region": "fra", "instance_id": "V1", "config": config,
            "events": [{"timestamp": 7}, {"timestamp": 5}],
        }))
        .unwrap()
    }

    #[test]
    fn a_fresh_app_gets_one_machine_for_each_group() {
        let config = config("primary_region = 'fra'\n[processes]\nweb = 'a'\nworker = 'b'\n");
        let plan = plan(&[], &config, NEW).unwrap();
        let created: Vec<_> = plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Create { group, region, config } => {
                    (group.as_str(), region.as_deref(), config.guest.is_some())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(created, [("web", Some("fra"), true), ("worker", Some("fra"), true)]);
    }

    #[test]
    fn a_machine_that_has_image_and_configuration_is_left_alone() {
        let text = "[env]\nA = '1'\n";
        let machines = [machine("e1", text, "app", NEW, "started")];
        let plan = plan(&machines, &config(text), NEW).unwrap();
        assert!(plan.is_empty());
        assert_eq!(plan.steps.len(), 1);
    }

    #[test]
    fn another_image_another_setting_or_a_tag_is_a_change() {
        let text = "[env]\nA = '1'\n";
        for (machines, text, image) in [
            (machine("e1", text, "app", OLD, "started"), text, NEW),
            (machine("e1", text, "app", NEW, "started"), "[env]\nA = '2'\n", NEW),
            (machine("e1", text, "app", "r/web:latest", "started"), text, "r/web:latest"),
            (machine("e1", text, "app", NEW, "failed"), text, NEW),
        ] {
            let plan = plan(&[machines], &config(text), image).unwrap();
            let [Step::Update(update)] = plan.steps.as_slice() else {
                panic!("{plan:?}");
            };
            assert_eq!((update.version.as_str(), update.newest_event), ("V1", 7));
            assert_eq!(update.config.metadata["fly_release_id"], "rel_1");
        }
    }

    #[test]
    fn a_stopped_machine_stays_stopped_and_a_failed_one_is_started() {
        for (state, skip_launch) in [
            ("started", false),
            ("starting", false),
            ("failed", false),
            ("stopped", true),
            ("suspended", true),
        ] {
            let plan = plan(&[machine("e1", "", "app", OLD, state)], &config(""), NEW).unwrap();
            let [Step::Update(update)] = plan.steps.as_slice() else {
                panic!("{plan:?}");
            };
            assert_eq!(update.skip_launch, skip_launch, "{state}");
        }
    }

    #[test]
    fn machines_of_vanished_groups_go_last_and_new_groups_come_first() {
        let before = "[processes]\nold = 'a'\nweb = 'b'\n";
        let after = "[processes]\nnew = 'a'\nweb = 'b'\n";
        let machines = [
            machine("e1", before, "old", OLD, "started"),
            machine("e2", before, "web", OLD, "started"),
        ];
        let plan = plan(&machines, &config(after), NEW).unwrap();
        assert!(matches!(
            plan.steps.as_slice(),
            [Step::Create { .. }, Step::Update(_), Step::Destroy { machine, .. }] if machine == "e1"
        ));
    }

    #[test]
    fn a_machine_on_an_unreachable_host_is_left_alone() {
        let mut machine = machine("e1", "", "app", OLD, "started");
        machine.host_status = Some("unreachable".into());
        machine.incomplete_config = machine.config.take();
        let plan = plan(&[machine], &config(""), NEW).unwrap();
        assert_eq!(plan.unreachable, ["e1"]);
        assert!(plan.is_empty());
    }
}
