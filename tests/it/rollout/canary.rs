//! The canary strategy.

use snowbird::error::Explain as _;
use snowbird::fly::config::Strategy;
use snowbird::sandbox::Behavior;

use super::{CHECKED, ONE, TWO, World, with_strategy};

#[tokio::test]
async fn one_more_machine_is_tried_and_is_gone_again() {
    let world = World::running(CHECKED, 2).await;
    let ids = world.ids();
    world.deploy(&with_strategy(CHECKED, Strategy::Canary), TWO).await.unwrap();
    world.assert_runs(TWO);
    assert_eq!(world.ids(), ids);
    let canary =
        |config: &snowbird::fly::wire::MachineConfig| config.metadata.contains_key("fly_canary");
    let gone = world.sandbox.machines("web");
    let gone: Vec<_> =
        gone.iter().filter_map(|m| m.config.as_ref()).filter(|c| canary(c)).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].dns.as_ref().unwrap().skip_registration, Some(true));
}

#[tokio::test]
async fn a_canary_that_dies_is_taken_away_and_nobody_else_touched() {
    let world = World::running(CHECKED, 2).await;
    let ids = world.ids();
    world.sandbox.set_behavior("web", Behavior::CrashAtStart { exit_code: 9, oom_killed: true });
    let text = with_strategy(CHECKED, Strategy::Canary);
    let error = world.deploy(&text, TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.rolled-back");
    assert!(error.to_string().contains("because it ran out of memory"), "{error}");
    world.assert_runs(ONE);
    assert_eq!(world.ids(), ids);
    assert_eq!(world.releases("failed"), 1);
}
