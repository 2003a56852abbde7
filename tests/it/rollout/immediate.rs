//! The immediate strategy.

use snowbird::fly::config::Strategy;
use snowbird::rollout::Error;
use snowbird::sandbox::Behavior;

use super::{CHECKED, ONE, TWO, World, with_strategy};

#[tokio::test]
async fn all_machines_are_changed_and_none_is_watched() {
    let world = World::running(CHECKED, 3).await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    world.deploy(&with_strategy(CHECKED, Strategy::Immediate), TWO).await.unwrap();
    world.assert_runs(TWO);
}

#[tokio::test]
async fn one_that_fails_takes_the_others_back() {
    let world = World::running(CHECKED, 3).await;
    let machine = world.ids().remove(1);
    let fault = format!("POST /v1/apps/web/machines/{machine}#2=status:400");
    world.sandbox.inject(fault.parse().unwrap());
    let text = with_strategy(CHECKED, Strategy::Immediate);
    let error = world.deploy(&text, TWO).await.unwrap_err();
    let Error::RolledBack { restored_machines, .. } = error else { panic!("{error:?}") };
    assert_eq!(restored_machines.len(), 2);
    world.assert_runs(ONE);
}
