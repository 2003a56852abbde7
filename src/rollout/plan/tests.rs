use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::fly::config::{AppConfig, Strategy};
use crate::fly::wire::{App, Machine};
use crate::rollout::settings::{Addresses, NewGroups};
use crate::rollout::{FirstDeploy, Scope};

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

fn deployed(machines: Vec<Machine>) -> Current {
    let app = App { status: "deployed".into(), ..App::default() };
    Current { app, machines, ..Current::default() }
}

fn fresh() -> Current {
    let app = App { status: "pending".into(), name: "web".into(), ..App::default() };
    Current { app, ..Current::default() }
}

fn look(current: &Current, text: &str, settings: &Settings) -> Result<Plan, Conflict> {
    plan(current, &Target::Config(Box::new(config(text))), NEW, settings)
}

fn planned(machines: Vec<Machine>, text: &str) -> Plan {
    look(&deployed(machines), text, &Settings::default()).unwrap()
}

fn ids<'p>(changes: impl Iterator<Item = &'p Change>) -> Vec<&'p str> {
    changes.map(|change| change.from().id.as_str()).collect()
}

#[test]
fn new_groups_get_a_machine_and_a_spare_that_suits_them() {
    let text = "primary_region = 'fra'\n[processes]\nweb = 'a'\nworker = 'b'\n\
                [http_service]\ninternal_port = 80\nprocesses = ['web']\n";
    let plan = look(&fresh(), text, &Settings::default()).unwrap();
    let created: Vec<_> = plan
        .creates
        .iter()
        .map(|create| (create.group.as_str(), create.region.as_deref(), create.spare))
        .collect();
    assert_eq!(
        created,
        [("web", Some("fra"), Some(Spare::Second)), ("worker", Some("fra"), Some(Spare::Standby))]
    );
    assert!(plan.is_first && plan.creates.iter().all(|create| create.config.guest.is_some()));

    let one = Settings { new_groups: NewGroups::OneMachine, ..Settings::default() };
    assert!(look(&fresh(), text, &one).unwrap().creates.iter().all(|c| c.spare.is_none()));
    let none = Settings { new_groups: NewGroups::Nothing, ..Settings::default() };
    assert!(look(&fresh(), text, &none).unwrap().is_empty());
}

#[test]
fn a_machine_that_has_image_and_configuration_is_left_alone() {
    let text = "[env]\nA = '1'\n";
    let plan = planned(vec![machine("e1", text, "app", NEW, "started")], text);
    assert!(plan.is_empty());
    assert_eq!(plan.unchanged.len(), 1);
}

#[test]
fn another_image_another_setting_or_a_tag_is_a_change() {
    let text = "[env]\nA = '1'\n";
    let tagged = plan(
        &deployed(vec![machine("e1", text, "app", "r/web:latest", "started")]),
        &Target::Config(Box::new(config(text))),
        "r/web:latest",
        &Settings::default(),
    );
    for plan in [
        planned(vec![machine("e1", text, "app", OLD, "started")], text),
        planned(vec![machine("e1", text, "app", NEW, "started")], "[env]\nA = '2'\n"),
        planned(vec![machine("e1", text, "app", NEW, "failed")], text),
        tagged.unwrap(),
    ] {
        let [Change::Update(update)] = plan.changes["app"].as_slice() else { panic!("{plan:?}") };
        assert_eq!((update.from.version.as_str(), update.from.newest_event_ms), ("V1", 7));
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
        ("created", true),
    ] {
        let plan = planned(vec![machine("e1", "", "app", OLD, state)], "");
        assert_eq!(plan.changes["app"][0].skip_launch(), skip_launch, "{state}");
    }
}

#[test]
fn groups_that_are_new_get_machines_and_those_that_vanished_lose_theirs() {
    let before = "[processes]\nold = 'a'\nweb = 'b'\n";
    let after = "[processes]\nnew = 'a'\nweb = 'b'\n";
    let machines = vec![
        machine("e1", before, "old", OLD, "started"),
        machine("e2", before, "web", OLD, "started"),
    ];
    let plan = planned(machines, after);
    assert_eq!(plan.creates[0].group, "new");
    assert_eq!(ids(plan.all_changes()), ["e2"]);
    assert_eq!(plan.destroys[0].id, "e1");
    assert!(!plan.is_first);
}

#[test]
fn filters_leave_the_others_alone_and_need_not_make_up_for_them() {
    let text = "[processes]\nweb = 'a'\nworker = 'b'\n";
    let current = deployed(vec![
        machine("e1", text, "web", OLD, "started"),
        machine("e2", text, "web", OLD, "started"),
        machine("e3", text, "worker", OLD, "started"),
    ]);
    let with = |scope: Scope| look(&current, text, &Settings { scope, ..Settings::default() });
    let set = |word: &str| [word.to_owned()].into();
    let plan = with(Scope { machines: set("e2"), ..Scope::default() }).unwrap();
    assert_eq!(ids(plan.all_changes()), ["e2"]);
    assert!(plan.creates.is_empty() && plan.destroys.is_empty());
    let plan = with(Scope { groups: set("worker"), ..Scope::default() }).unwrap();
    assert_eq!(ids(plan.all_changes()), ["e3"]);
    for (scope, code) in [
        (Scope { groups: set("db"), ..Scope::default() }, "rollout.no-such-group"),
        (Scope { machines: set("e9"), ..Scope::default() }, "rollout.no-such-machine"),
        (Scope { regions: set("syd"), ..Scope::default() }, "rollout.nothing-in-scope"),
    ] {
        use crate::error::Explain as _;
        assert_eq!(with(scope).unwrap_err().code(), code);
    }
}

#[test]
fn a_machine_on_a_lost_host_is_replaced() {
    let mut machine = machine("e1", "", "app", OLD, "started");
    machine.host_status = Some("unreachable".into());
    machine.incomplete_config = machine.config.take();
    let plan = planned(vec![machine], "");
    let [Change::Replace(replace)] = plan.changes["app"].as_slice() else { panic!("{plan:?}") };
    assert_eq!(replace.reason, "its host cannot be reached");
}

#[test]
fn going_back_to_an_image_touches_nothing_else() {
    let text = "[env]\nA = '1'\n[processes]\nweb = 'a'\nold = 'b'\n";
    let current = deployed(vec![
        machine("e1", text, "web", OLD, "started"),
        machine("e2", text, "old", NEW, "stopped"),
    ]);
    let plan = plan(&current, &Target::ImageAlone, NEW, &Settings::default()).unwrap();
    assert_eq!(ids(plan.all_changes()), ["e1"]);
    assert_eq!(plan.unchanged[0].id, "e2");
    let change = &plan.changes["web"][0];
    assert_eq!(
        *change.config(),
        MachineConfig { image: NEW.into(), ..(*change.from().config).clone() }
    );
}

#[test]
fn a_first_deploy_gets_the_addresses_that_its_services_need() {
    let http = "[http_service]\ninternal_port = 80\n";
    let tcp = "[[services]]\ninternal_port = 5\n[[services.ports]]\nport = 5432\n";
    let udp = "[[services]]\nprotocol = 'udp'\ninternal_port = 5\n[[services.ports]]\nport = 53\n";
    let with = |text: &str, first_deploy: FirstDeploy| {
        let plan = look(&fresh(), text, &Settings { first_deploy, ..Settings::default() }).unwrap();
        let kinds: Vec<_> = plan.addresses.iter().map(|kind| kind.as_str()).collect();
        (kinds, plan.unpaid_address)
    };
    let usual = FirstDeploy::default();
    let paid = FirstDeploy { may_pay_for_address: true, ..usual };
    let private = FirstDeploy { addresses: Addresses::Private, ..usual };
    assert_eq!(with(http, usual), (vec!["v6", "shared_v4"], false));
    assert_eq!(with(tcp, usual), (vec![], true));
    assert_eq!(with(tcp, paid), (vec!["v4", "v6"], false));
    assert_eq!(with(udp, paid), (vec!["v4"], false));
    assert_eq!(with(http, private), (vec!["private_v6"], false));
    assert_eq!(with("", usual), (vec![], false));
    let has_some = Current { has_addresses: true, ..fresh() };
    assert!(look(&has_some, http, &Settings::default()).unwrap().addresses.is_empty());
}

const MOUNT: &str = "primary_region = 'fra'\n[[mounts]]\nsource = 'data'\ndestination = '/data'\n";

fn volume(id: &str, name: &str, region: &str, machine: Option<&str>) -> Value {
    json!({"id": id, "name": name, "region": region, "host_status": "ok",
        "attached_machine_id": machine, "attached_alloc_id": null})
}

fn with_volumes(current: Current, volumes: &[Value]) -> Current {
    let volumes = volumes.iter().map(|v| serde_json::from_value(v.clone()).unwrap()).collect();
    Current { volumes, ..current }
}

/// A machine that has volume `vol_1`.
fn with_mount(id: &str, name: &str) -> Machine {
    let mut machine = machine(id, "", "app", OLD, "started");
    let mount = json!({"volume": "vol_1", "name": name, "path": "/data"});
    let config = machine.config.as_mut().unwrap();
    config.mounts = vec![serde_json::from_value(mount).unwrap()];
    machine
}

#[test]
fn a_first_deploy_makes_the_volumes_that_are_not_there() {
    let usual = Settings::default();
    let plan = look(&fresh(), MOUNT, &usual).unwrap();
    assert_eq!(plan.creates[0].volume, VolumeSource::New);
    assert_eq!(plan.creates[0].spare, None);
    assert_eq!((plan.volumes[0].name.as_str(), plan.volumes[0].size_gb), ("data", 1));

    let there = with_volumes(fresh(), &[volume("vol_9", "data", "fra", None)]);
    let plan = look(&there, MOUNT, &usual).unwrap();
    assert_eq!(plan.creates[0].volume, VolumeSource::Free("vol_9".into()));
    assert!(plan.volumes.is_empty());
}

#[test]
fn a_machine_keeps_its_volume_and_gets_one_only_by_being_replaced() {
    let plan = planned(vec![with_mount("e1", "data")], MOUNT);
    let Change::Update(update) = &plan.changes["app"][0] else { panic!("{plan:?}") };
    assert_eq!(update.config.mounts[0].volume.as_deref(), Some("vol_1"));

    let bare = || deployed(vec![machine("e1", "", "app", OLD, "started")]);
    let free = [volume("vol_2", "data", "ams", None), volume("vol_3", "data", "fra", Some("e7"))];
    let missing = look(&with_volumes(bare(), &free), MOUNT, &Settings::default()).unwrap_err();
    assert_eq!(missing.to_string(), "process group `app` needs 1 more of volume `data` in fra");
    let free = [volume("vol_2", "data", "fra", None)];
    let plan = look(&with_volumes(bare(), &free), MOUNT, &Settings::default()).unwrap();
    let Change::Replace(replace) = &plan.changes["app"][0] else { panic!("{plan:?}") };
    assert_eq!(replace.config.mounts[0].volume.as_deref(), Some("vol_2"));
}

#[test]
fn no_volume_is_lost_or_changed_by_the_way() {
    use crate::error::Explain as _;
    let current = deployed(vec![with_mount("e1", "data")]);
    let usual = Settings::default();
    assert_eq!(look(&current, "", &usual).unwrap_err().code(), "rollout.volume-would-go");
    let allowed = Settings { may_detach_volumes: true, ..Settings::default() };
    let plan = look(&current, "", &allowed).unwrap();
    assert!(matches!(plan.changes["app"].as_slice(), [Change::Replace(_)]));
    let other = MOUNT.replace("'data'", "'cache'");
    assert_eq!(look(&current, &other, &usual).unwrap_err().code(), "rollout.other-volume");

    let mut lost = with_mount("e1", "data");
    lost.host_status = Some("unreachable".into());
    let plan = look(&deployed(vec![lost]), MOUNT, &usual).unwrap();
    assert!(plan.is_empty());
    assert_eq!(plan.left_alone[0].reason, "its volume is on a host that cannot be reached");
}

#[test]
fn a_strategy_is_refused_where_it_cannot_work() {
    use crate::error::Explain as _;
    let checked = "[http_service]\ninternal_port = 80\n[[http_service.checks]]\npath = '/'\n";
    let with = |current: &Current, text: &str, strategy| {
        look(current, text, &Settings { strategy, ..Settings::default() })
    };
    let old = deployed(vec![machine("e1", "", "app", OLD, "started")]);
    let plan = with(&old, checked, Strategy::Canary).unwrap();
    let canary = &plan.canaries[0];
    assert_eq!((canary.group.as_str(), canary.region.as_str()), ("app", "fra"));
    assert_eq!(canary.config.metadata["fly_canary"], "true");
    assert_eq!(canary.config.guest, old.machines[0].config.as_ref().unwrap().guest);

    assert!(with(&old, checked, Strategy::Bluegreen).is_ok());
    let code = |done: Result<Plan, Conflict>| done.unwrap_err().code();
    assert_eq!(code(with(&old, "", Strategy::Bluegreen)), "rollout.no-checks");
    let mixed = deployed(vec![
        machine("e1", "", "app", OLD, "started"),
        machine("e2", "", "app", "registry.fly.io/web@sha256:99", "started"),
    ]);
    assert_eq!(code(with(&mixed, checked, Strategy::Bluegreen)), "rollout.mixed-images");
    let volume = deployed(vec![with_mount("e1", "data")]);
    for strategy in [Strategy::Canary, Strategy::Bluegreen] {
        assert_eq!(code(with(&volume, MOUNT, strategy)), "rollout.strategy-with-volumes");
    }
}
