//! Leases that others hold.

use std::time::{Duration, Instant};

use snowbird::error::Explain as _;
use snowbird::event::Event;

use super::{CHECKED, ONE, TWO, World};

#[tokio::test]
async fn a_machine_that_another_leases_is_left_alone_and_the_holder_told() {
    let world = World::running(CHECKED, 1).await;
    let machine = world.ids().remove(0);
    let ttl = Duration::from_secs(60);
    world.client.lease_machine(&world.app, &machine, ttl, None, "a rival").await.unwrap();
    let error = world.deploy(CHECKED, TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.lease-held");
    assert!(error.to_string().contains(&machine), "{error}");
    assert_eq!(world.images(), [ONE]);
    assert_eq!(world.sandbox.releases("web").len(), 1);
}

#[tokio::test]
async fn a_lease_that_ends_is_waited_for() {
    let mut world = World::running(CHECKED, 2).await;
    let machine = world.ids().remove(1);
    let ttl = Duration::from_secs(3);
    world.client.lease_machine(&world.app, &machine, ttl, None, "a rival").await.unwrap();
    world.settings.patience.wait_for_leases = Duration::from_secs(20);
    let begun = Instant::now();
    world.deploy(CHECKED, TWO).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    world.assert_runs(TWO);
    let waited = |event: &Event| matches!(event, Event::LeaseAwaited { machine: awaited, .. } if *awaited == machine);
    assert_eq!(world.reporter.events().iter().filter(|event| waited(event)).count(), 1);
}
