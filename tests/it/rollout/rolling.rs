//! The rolling strategy, and what all strategies share.

use std::time::{Duration, Instant};

use snowbird::error::Explain as _;
use snowbird::event::{Event, MachineStep};
use snowbird::fly::wire;
use snowbird::rollout::{Error, Failure};
use snowbird::sandbox::Behavior;

use super::{CHECKED, ONE, TWO, World};

#[tokio::test]
async fn a_first_deploy_makes_a_machine_and_the_same_again_changes_nothing() {
    let world = World::new().await;
    let outcome = world.deploy(CHECKED, ONE).await.unwrap();
    assert_eq!((outcome.version, outcome.changed, outcome.unchanged), (Some(1), 1, 0));
    assert_eq!(outcome.url, None, "a sandbox is not on the Internet");
    let machines = world.machines();
    assert_eq!((machines.len(), machines[0].region.as_str()), (1, "fra"));
    let metadata = &machines[0].config.as_ref().unwrap().metadata;
    assert_eq!(metadata["fly_platform_version"], "v2");
    assert_eq!(metadata["fly_release_version"], "1");
    assert_eq!(world.releases("complete"), 1);

    let outcome = world.deploy(CHECKED, ONE).await.unwrap();
    assert_eq!((outcome.version, outcome.changed, outcome.unchanged), (None, 0, 1));
    assert_eq!(world.sandbox.releases("web").len(), 1);
}

#[tokio::test]
async fn all_machines_are_updated_and_all_leases_are_let_go() {
    let world = World::running(CHECKED, 3).await;
    let ids = world.ids();
    let outcome = world.deploy(CHECKED, TWO).await.unwrap();
    assert_eq!((outcome.changed, outcome.version), (3, Some(2)));
    world.assert_runs(TWO);
    assert_eq!(world.ids(), ids);
    assert_eq!(world.steps(|step| *step == MachineStep::Done), 4);
}

#[tokio::test]
async fn a_crash_at_start_is_told_in_seconds_with_its_code_and_its_log() {
    let world = World::running(CHECKED, 3).await;
    let crash = Behavior::CrashAtStart { exit_code: 3, oom_killed: false };
    world.sandbox.set_behavior("web", crash);
    let begun = Instant::now();
    let error = world.deploy(CHECKED, TWO).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let text = error.to_string();
    assert!(text.contains("its process exited with code 3"), "{text}");
    let crashed = world
        .steps(|step| matches!(step, MachineStep::Exited { exit_code: 3, oom_killed: false, .. }));
    assert!(crashed > 0);
    let logged = |event: &Event| matches!(event, Event::MachineLog { .. });
    assert!(world.reporter.events().iter().any(logged));
    assert_eq!(world.releases("failed"), 1);
}

#[tokio::test]
async fn checks_that_never_pass_end_with_the_timeout() {
    let mut world = World::new().await;
    world.settings.patience.wait_timeout = Duration::from_secs(2);
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let error = world.deploy(CHECKED, ONE).await.unwrap_err();
    let Error::RolledBack { failure, .. } = error else { panic!("{error:?}") };
    let Failure::Machine { reason, .. } = *failure else { panic!("{failure:?}") };
    assert!(reason.starts_with("0 of 1 health checks pass after 2s; `servicecheck-"), "{reason}");
    assert!(world.machines().is_empty(), "a first deploy that fails leaves nothing");
}

#[tokio::test]
async fn an_interrupted_rollout_lets_go_of_its_leases_and_says_how_far_it_came() {
    let world = World::running(CHECKED, 2).await;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.cancel.cancel();
        Instant::now()
    };
    let (result, cancelled) = tokio::join!(world.deploy(CHECKED, TWO), stop);
    assert!(cancelled.elapsed() < Duration::from_secs(2));
    let Err(Error::Interrupted { standing }) = result else { panic!("{result:?}") };
    assert_eq!((standing.changed.len(), standing.unchanged.len()), (1, 1));
    assert_eq!(world.sandbox.leases("web"), 0);
    assert_eq!(world.releases("interrupted"), 1);
}

#[tokio::test]
async fn stopped_machines_get_the_configuration_and_stay_stopped() {
    let world = World::running(CHECKED, 2).await;
    let sleeper = world.ids().remove(0);
    world.client.stop_machine(&world.app, &sleeper, None, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.deploy(CHECKED, TWO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.assert_runs(TWO);
    let states: Vec<_> = world.machines().into_iter().map(|m| (m.id, m.state)).collect();
    for (id, state) in states {
        assert_eq!(state, if id == sleeper { "stopped" } else { "started" });
    }
}

#[tokio::test]
async fn faults_that_pass_do_not_fail_a_healthy_rollout() {
    let world = World::running(CHECKED, 1).await;
    let machine = world.ids().remove(0);
    let path = format!("/v1/apps/web/machines/{machine}");
    for fault in [
        format!("POST {path}#2=lost"),
        format!("GET {path}/wait=status:502"),
        format!("GET {path}#3=status:500"),
        "POST /api/v1/releases=status:403".to_owned(),
    ] {
        world.sandbox.inject(fault.parse().unwrap());
    }
    let outcome = world.deploy(CHECKED, TWO).await.unwrap();
    assert_eq!((outcome.version, outcome.changed), (None, 1));
    world.assert_runs(TWO);
    let warned =
        |event: &Event| matches!(event, Event::Warning { code: "fly.release-not-recorded", .. });
    assert!(world.reporter.events().iter().any(warned));
}

#[tokio::test]
async fn a_machine_whose_host_is_lost_is_replaced_and_is_gone_in_the_end() {
    let world = World::running(CHECKED, 2).await;
    let lost = world.ids().remove(0);
    world.sandbox.set_unreachable("web", &lost, true);
    world.deploy(CHECKED, TWO).await.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    world.assert_runs(TWO);
    assert_eq!(world.ids().len(), 2);
    assert!(!world.ids().contains(&lost));
}

#[tokio::test]
async fn a_detached_deploy_watches_nobody() {
    let mut world = World::running(CHECKED, 2).await;
    world.settings.watch = false;
    world.sandbox.set_behavior("web", Behavior::ChecksNeverPass);
    world.deploy(CHECKED, TWO).await.unwrap();
    world.assert_runs(TWO);
}

#[tokio::test]
async fn groups_get_spares_and_vanished_groups_go_last() {
    let mut world = World::new().await;
    world.settings.new_groups = snowbird::rollout::NewGroups::WithSpares;
    let text = "[processes]\nweb = 'a'\nworker = 'b'\n\
                [http_service]\ninternal_port = 80\nprocesses = ['web']\n";
    let outcome = world.deploy(text, ONE).await.unwrap();
    assert_eq!(outcome.changed, 4);
    let of = |group: &str| -> Vec<wire::Machine> {
        let machines = world.machines().into_iter();
        machines
            .filter(|machine| {
                machine.config.as_ref().unwrap().metadata["fly_process_group"] == group
            })
            .collect()
    };
    assert!(of("web").iter().all(|machine| machine.state == "started"));
    let (standbys, first): (Vec<_>, Vec<_>) = of("worker")
        .into_iter()
        .partition(|machine| !machine.config.as_ref().unwrap().standbys.is_empty());
    let standby = standbys[0].config.as_ref().unwrap();
    assert_eq!(standby.standbys, [first[0].id.clone()]);
    assert_eq!(standby.env["FLY_STANDBY_FOR"], first[0].id);

    world.deploy("[processes]\nweb = 'a'\n", TWO).await.unwrap();
    world.assert_runs(TWO);
    assert_eq!((of("web").len(), of("worker").len()), (2, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_told_before_anything_is_touched() {
    let world = World::running("", 1).await;
    let error = world.deploy("[deploy]\nstrategy = 'bluegreen'\n", TWO).await.unwrap_err();
    assert_eq!(error.code(), "rollout.no-checks");
    world.assert_runs(ONE);
    assert_eq!(world.sandbox.releases("web").len(), 1);
}
