//! The bluegreen strategy.

use std::time::Duration;

use snowbird::error::Explain as _;
use snowbird::event::MachineStep;
use snowbird::fly::config::Strategy;
use snowbird::rollout::Error;
use snowbird::sandbox::Behavior;

use super::{CHECKED, ONE, TWO, World, with_strategy};

#[tokio::test]
async fn a_second_set_takes_over_and_the_first_is_gone() {
    let world = World::running(CHECKED, 3).await;
    let blue = world.ids();
    world.deploy(&with_strategy(CHECKED, Strategy::Bluegreen), TWO).await.unwrap();
    world.assert_runs(TWO);
    let green = world.machines();
    assert_eq!(green.len(), 3);
    assert!(green.iter().all(|m| !blue.contains(&m.id) && m.cordoned == Some(false)));
    for step in [MachineStep::Uncordoned, MachineStep::Cordoned, MachineStep::Stopping] {
        assert_eq!(world.steps(|seen| *seen == step), 3, "{step:?}");
    }
    let events = world.reporter.events();
    let place = |step: &MachineStep, last: bool| {
        let is = |event: &snowbird::event::Event| matches!(event, snowbird::event::Event::Machine { step: seen, .. } if seen == step);
        let found = if last { events.iter().rposition(is) } else { events.iter().position(is) };
        found.unwrap()
    };
    assert!(place(&MachineStep::Uncordoned, true) < place(&MachineStep::Cordoned, false));
    assert!(place(&MachineStep::Cordoned, true) < place(&MachineStep::Stopping, false));
    assert!(place(&MachineStep::Stopping, true) < place(&MachineStep::Destroyed, false));
}

#[tokio::test]
async fn green_machines_that_are_not_well_are_taken_away() {
    let mut world = World::running(CHECKED, 2).await;
    let blue = world.ids();
    world.settings.patience.wait_timeout = Duration::from_secs(2);
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let text = with_strategy(CHECKED, Strategy::Bluegreen);
    let error = world.deploy(&text, TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.rolled-back");
    world.assert_runs(ONE);
    assert_eq!(world.ids(), blue);
}

#[tokio::test]
async fn an_interruption_before_the_switch_takes_the_green_machines_away() {
    let world = World::running(CHECKED, 2).await;
    let blue = world.ids();
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let text = with_strategy(CHECKED, Strategy::Bluegreen);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.cancel.cancel();
    };
    let (result, ()) = tokio::join!(world.deploy(&text, TWO), stop);
    let Err(Error::Interrupted { standing }) = result else { panic!("{result:?}") };
    assert_eq!((standing.changed.len(), standing.unchanged.len()), (0, 2));
    world.assert_runs(ONE);
    assert_eq!(world.ids(), blue);
}

#[tokio::test]
async fn machines_that_sleep_have_doubles_that_sleep_but_for_one_that_is_looked_at() {
    let world = World::running(CHECKED, 2).await;
    for machine in world.ids() {
        world.client.stop_machine(&world.app, &machine, None, None).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.deploy(&with_strategy(CHECKED, Strategy::Bluegreen), TWO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.assert_runs(TWO);
    let mut states: Vec<_> = world.machines().into_iter().map(|machine| machine.state).collect();
    states.sort();
    assert_eq!(states, ["started", "stopped"]);
}
