//! Ctrl-C at every request of a deploy.

use std::time::{Duration, Instant};

use snowbird::fly::config::Strategy;
use snowbird::rollout::Error;
use snowbird::sandbox::RequestRecord;

use super::{CHECKED, ONE, TWO, World, with_strategy};

/// What a user waits for at most.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Deploys `text`, cancels when `request` is on its way and answered by nobody, and checks what
/// every way out must leave. Returns the standing that is told.
async fn interrupted_at(world: &World, request: &str, text: &str) -> Vec<String> {
    let (method, path) = request.split_once(' ').unwrap();
    let asked = || {
        let requests = world.sandbox.requests().into_iter();
        let is_it = |path_of: &str| match path.strip_suffix('$') {
            Some(whole) => path_of == whole,
            None => path_of.contains(path),
        };
        requests.filter(|seen| seen.method.as_str() == method && is_it(&seen.path)).count()
    };
    let before = asked();
    world.sandbox.inject(format!("{method} {path}=delay:30").parse().unwrap());
    let stop = async {
        while asked() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        world.cancel.cancel();
        Instant::now()
    };
    let (result, cancelled) = tokio::join!(world.deploy(text, TWO), stop);
    assert!(cancelled.elapsed() < AT_ONCE, "{request}: after {:?}", cancelled.elapsed());
    let Err(Error::Interrupted { standing }) = result else { panic!("{request}: {result:?}") };
    assert_eq!(world.sandbox.leases("web"), 0, "{request}");
    standing.changed
}

#[tokio::test]
async fn before_a_machine_is_changed_nothing_is() {
    for request in [
        "GET /v1/apps/web",
        "GET /v1/apps/web/machines",
        "POST /v1/apps/web/machines/ID/lease",
        "POST /api/v1/releases",
        "PATCH /api/v1/releases",
    ] {
        let world = World::running(CHECKED, 1).await;
        let machine = world.ids().remove(0);
        let changed = interrupted_at(&world, &request.replace("ID", &machine), CHECKED).await;
        assert!(changed.is_empty(), "{request}");
        assert_eq!(world.images(), [ONE], "{request}");
    }
}

#[tokio::test]
async fn a_machine_that_was_asked_to_change_counts_as_changed() {
    for request in ["GET /v1/apps/web/machines/ID/wait", "GET /v1/apps/web/machines/ID"] {
        let world = World::running(CHECKED, 1).await;
        let machine = world.ids().remove(0);
        let changed = interrupted_at(&world, &request.replace("ID", &machine), CHECKED).await;
        assert_eq!(changed, [machine], "{request}");
        assert_eq!(world.images(), [TWO], "{request}");
        assert_eq!(world.releases("interrupted"), 1, "{request}");
    }
}

#[tokio::test]
async fn machines_of_a_strategy_are_gone_before_the_switch() {
    for strategy in [Strategy::Canary, Strategy::Bluegreen] {
        let world = World::running(CHECKED, 1).await;
        let before = world.ids();
        let stop = async {
            let is_new = |seen: &RequestRecord| {
                seen.path.contains("/machines/") && !seen.path.contains(&before[0])
            };
            while !world.sandbox.requests().iter().any(is_new) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            world.cancel.cancel();
            Instant::now()
        };
        let text = with_strategy(CHECKED, strategy);
        let (result, cancelled) = tokio::join!(world.deploy(&text, TWO), stop);
        assert!(cancelled.elapsed() < AT_ONCE, "{strategy}");
        let Err(Error::Interrupted { standing }) = result else { panic!("{strategy}: {result:?}") };
        assert!(standing.changed.is_empty(), "{strategy}: {standing:?}");
        assert_eq!(world.ids(), before, "{strategy}");
        world.assert_runs(ONE);
    }
}

#[tokio::test]
async fn a_machine_that_was_to_make_way_is_started_again() {
    let world = World::running(CHECKED, 1).await;
    let machine = world.ids().remove(0);
    let no_room = format!("POST /v1/apps/web/machines/{machine}$=capacity");
    world.sandbox.inject(no_room.parse().unwrap());
    let changed = interrupted_at(&world, "POST /v1/apps/web/machines$", CHECKED).await;
    assert!(changed.is_empty(), "{changed:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.ids(), [machine]);
    assert_eq!(world.machines()[0].state, "started");
    world.assert_runs(ONE);
}
