//! What a deploy that fails leaves behind: what was there before.

use std::time::Duration;

use snowbird::error::Explain as _;
use snowbird::event::{Event, MachineStep};
use snowbird::rollout::{Error, Failure};

use super::{CHECKED, ONE, TWO, World};

/// A fly.toml whose machines behave so.
fn behaving(behavior: &str) -> String {
    format!("{CHECKED}\n[env]\nSNOWBIRD_SANDBOX = '{behavior}'\n")
}

#[tokio::test]
async fn a_crash_takes_the_changed_machines_back_to_what_they_ran() {
    let world = World::running(CHECKED, 3).await;
    let before = world.machines();
    let error = world.deploy(&behaving("crash:3"), TWO).await.unwrap_err();
    let Error::RolledBack { failure, restored_machines } = &error else { panic!("{error:?}") };
    assert!(matches!(**failure, Failure::Machine { .. }));
    assert_eq!(restored_machines.len(), 1);
    world.assert_runs(ONE);
    for (before, after) in before.iter().zip(world.machines()) {
        assert_eq!(before.config, after.config, "all of it is as it was");
        assert_eq!(after.state, "started");
    }
    assert_eq!(world.steps(|step| *step == MachineStep::Restored), 1);
    let told = |event: &Event| matches!(event, Event::GoingBack { machines: 1, .. });
    assert!(world.reporter.events().iter().any(told));
    assert_eq!(world.releases("failed"), 1);
}

#[tokio::test]
async fn only_what_the_new_version_wrote_is_shown() {
    let world = World::running(CHECKED, 1).await;
    let text = format!("{}\n[[restart]]\npolicy = 'never'\n", behaving("crash:3"));
    world.deploy(&text, TWO).await.unwrap_err();
    let events = world.reporter.events();
    let lines = events.iter().filter_map(|event| match event {
        Event::MachineLog { line, .. } => Some(line),
        _ => None,
    });
    let pulled: Vec<_> = lines.filter(|line| line.contains("Pulling container image")).collect();
    assert_eq!(pulled.len(), 1, "{events:?}");
    assert!(pulled[0].contains(TWO));
}

#[tokio::test]
async fn without_going_back_it_is_told_what_runs_where() {
    let mut world = World::running(CHECKED, 3).await;
    world.settings.on_failure = snowbird::rollout::OnFailure::Stay;
    let error = world.deploy(&behaving("crash:3"), TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.unhealthy");
    let Error::Unhealthy { standing, left, .. } = error else { unreachable!() };
    assert_eq!((standing.changed.len(), standing.unchanged.len(), left.len()), (1, 2, 0));
    let changed = world.machines().into_iter().filter(|m| m.config.as_ref().unwrap().image == TWO);
    assert_eq!(changed.map(|m| m.id).collect::<Vec<_>>(), standing.changed);
    assert_eq!(world.sandbox.leases("web"), 0);
}

#[tokio::test]
async fn machines_that_were_made_are_gone_again() {
    let world = World::running(CHECKED, 1).await;
    let before = world.ids();
    let text = "[processes]\napp = ''\nworker = 'b'\n[env]\nSNOWBIRD_SANDBOX = 'crash:1'\n";
    let error = world.deploy(text, TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.rolled-back");
    world.assert_runs(ONE);
    assert_eq!(world.ids(), before);
}

#[tokio::test]
async fn a_machine_that_cannot_be_taken_back_is_named_with_its_reason() {
    let mut world = World::running(CHECKED, 1).await;
    world.settings.patience.wait_timeout = Duration::from_secs(2);
    let machine = world.ids().remove(0);
    // The lease, the update, and then its former configuration.
    let fault = format!("POST /v1/apps/web/machines/{machine}#3=status:422");
    world.sandbox.inject(fault.parse().unwrap());
    let error = world.deploy(&behaving("unhealthy"), TWO).await.unwrap_err();
    let Error::Unhealthy { left, .. } = &error else { panic!("{error:?}") };
    assert_eq!(left[0].machine, machine);
    assert!(error.to_string().contains("not taken back"), "{error}");
    assert_eq!(world.sandbox.leases("web"), 0);
}

#[tokio::test]
async fn a_replacement_that_fails_wakes_the_machine_that_made_way() {
    let world = World::running(CHECKED, 1).await;
    let machine = world.ids().remove(0);
    // Its host has no room for the update.
    let fault = format!("POST /v1/apps/web/machines/{machine}$=capacity");
    world.sandbox.inject(fault.parse().unwrap());
    let error = world.deploy(&behaving("crash:1"), TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.rolled-back");
    assert_eq!(world.ids(), [machine]);
    world.assert_runs(ONE);
    assert_eq!(world.machines()[0].state, "started");
    assert_eq!(world.steps(|step| matches!(step, MachineStep::Replacing { .. })), 1);
}
