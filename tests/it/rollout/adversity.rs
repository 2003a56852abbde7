//! What can go wrong with a machine, and with the platform: each has its right end.

use std::time::{Duration, Instant};

use snowbird::error::Explain as _;
use snowbird::event::{Event, MachineStep};
use snowbird::rollout::{Error, Failure};
use snowbird::sandbox::Options;

use super::{CHECKED, ONE, TWO, World};

/// A fly.toml whose machines behave so.
fn behaving(behavior: &str) -> String {
    format!("{CHECKED}\n[env]\nSNOWBIRD_SANDBOX = '{behavior}'\n")
}

/// Deploys what must fail, and checks that nothing has come of it: the app runs what it ran, in
/// the machines that it had.
async fn fails(world: &World, text: &str, image: &str) -> Error {
    let before = world.machines();
    let error = world.deploy(text, image).await.unwrap_err();
    world.assert_runs(ONE);
    let after = world.machines();
    assert_eq!(after.len(), before.len(), "{error}");
    for (before, after) in before.iter().zip(after) {
        assert_eq!((&before.id, &before.config), (&after.id, &after.config), "{error}");
        assert_eq!(before.state, after.state, "{error}");
    }
    error
}

#[tokio::test]
async fn a_machine_that_fails_in_any_way_is_told_with_its_reason_and_taken_back() {
    for (behavior, reason) in [
        ("crash:3", "its process exited with code 3"),
        ("oom", "because it ran out of memory"),
        ("exit:0", "its process exited with code 0"),
        ("unpullable", "it is in state `failed`: "),
        ("unhealthy", "0 of 1 health checks pass after 3s"),
        ("stuck", "it has not started after 3s"),
    ] {
        let mut world = World::running(CHECKED, 2).await;
        world.settings.patience.wait_timeout = Duration::from_secs(3);
        let error = fails(&world, &behaving(behavior), TWO).await;
        assert_eq!(error.code(), "rollout.rolled-back", "{behavior}: {error}");
        assert!(error.to_string().contains(reason), "{behavior}: {error}");
        assert_eq!(world.releases("failed"), 1, "{behavior}");
    }
}

#[tokio::test]
async fn one_crash_is_told_and_forgiven() {
    let world = World::running(CHECKED, 1).await;
    let machine = world.ids().remove(0);
    let crash = async {
        let started = |m: &snowbird::fly::wire::Machine| {
            m.state == "started" && m.config.as_ref().is_some_and(|config| config.image == TWO)
        };
        while !world.machines().iter().any(started) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.sandbox.exit_machine("web", &machine, 7)
    };
    let (outcome, crashed) = tokio::join!(world.deploy(CHECKED, TWO), crash);
    assert!(crashed);
    outcome.unwrap();
    world.assert_runs(TWO);
    assert_eq!(world.steps(|step| matches!(step, MachineStep::Exited { exit_code: 7, .. })), 1);
}

#[tokio::test]
async fn a_lease_that_is_stolen_ends_the_deploy_and_only_that_machine_is_left() {
    let mut world = World::running(CHECKED, 2).await;
    world.settings.patience.wait_timeout = Duration::from_secs(12);
    world.settings.patience.lease_ttl = Duration::from_secs(3);
    let thief = async {
        let updated = || world.images().iter().any(|image| image == TWO);
        while !updated() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let images = world.machines().into_iter().map(|m| (m.id, m.config.unwrap().image));
        let untouched = images.filter(|(_, image)| image == ONE).map(|(id, _)| id).next().unwrap();
        let ttl = Duration::from_secs(60);
        world.sandbox.steal_lease("web", &untouched, "a rival", ttl);
        untouched
    };
    // Slow, so that the theft is noticed before the second machine has its turn.
    let text = behaving("slow:4");
    let (result, stolen) = tokio::join!(world.deploy(&text, TWO), thief);
    let error = result.unwrap_err();
    assert_eq!(error.code(), "rollout.rolled-back", "{error}");
    let Error::RolledBack { failure, .. } = &error else { panic!("{error:?}") };
    let Failure::Machine { machine, reason, .. } = &**failure else { panic!("{failure:?}") };
    assert_eq!(*machine, stolen);
    assert!(reason.contains("somebody else has taken its lease"), "{reason}");
    assert!(reason.contains("a rival"), "{reason}");
    assert_eq!(world.images(), [ONE, ONE]);
    assert_eq!(world.sandbox.leases("web"), 1, "the thief's");
}

#[tokio::test]
async fn a_storm_of_429_and_an_outage_of_20_seconds_fail_no_healthy_deploy() {
    for fault in ["* /v1 for:8s=status:429", "* /v1 for:20s=status:503", "* /v1 for:5s=reset"] {
        let world = World::running(CHECKED, 2).await;
        let storm = async {
            while !world.images().iter().any(|image| image == TWO) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            world.sandbox.inject(fault.parse().unwrap());
        };
        let (outcome, ()) = tokio::join!(world.deploy(CHECKED, TWO), storm);
        outcome.unwrap_or_else(|error| panic!("{fault}: {error}"));
        world.assert_runs(TWO);
        assert_eq!(world.releases("complete"), 2, "{fault}");
    }
}

/// A fly.toml with a group more than [`CHECKED`].
fn with_worker() -> String {
    CHECKED.replace("internal_port = 8080", "internal_port = 8080\nprocesses = ['app']")
        + "\n[processes]\napp = ''\nworker = ''\n"
}

#[tokio::test]
async fn an_answer_that_is_lost_does_nothing_twice() {
    for (request, text, machines) in [
        ("POST /v1/apps/web/machines$", with_worker(), 2),
        ("POST /v1/apps/web/machines/*$", CHECKED.to_owned(), 1),
    ] {
        let world = World::running(CHECKED, 1).await;
        world.sandbox.inject(format!("{request}=lost").parse().unwrap());
        world.deploy(&text, TWO).await.unwrap();
        world.assert_runs(TWO);
        assert_eq!(world.ids().len(), machines, "{request}");
        let updates = |id: &String| {
            world.sandbox.events("web", id).iter().filter(|event| event.kind == "update").count()
        };
        assert!(world.ids().iter().all(|id| updates(id) <= 1), "{request}");
    }
}

#[tokio::test]
async fn without_room_nothing_is_changed_and_the_region_is_named() {
    let world = World::running(CHECKED, 1).await;
    world.sandbox.set_room("fra".parse().unwrap(), Some(0));
    let error = fails(&world, &with_worker(), TWO).await;
    assert_eq!(error.code(), "fly.refused", "{error}");
    assert!(error.hint().unwrap().contains("primary_region"), "{error}");
}

#[tokio::test]
async fn a_release_command_that_fails_leaves_the_app_as_it_is() {
    let world = World::running(CHECKED, 2).await;
    let text = format!(
        "{CHECKED}\n[deploy]\nrelease_command = 'migrate --now'\n\
         [env]\nSNOWBIRD_SANDBOX_RELEASE = 'exit:4'\n"
    );
    let error = fails(&world, &text, TWO).await;
    assert_eq!(error.code(), "rollout.release-command-failed");
    let words = "release command `migrate --now` failed on machine";
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains("exited with code 4"), "{error}");
    let logged = |event: &Event| matches!(event, Event::MachineLog { .. });
    assert!(world.reporter.events().iter().any(logged));
    assert_eq!(world.releases("failed"), 1);
}

#[tokio::test]
async fn a_release_command_that_does_not_end_is_stopped_and_gone() {
    let mut world = World::running(CHECKED, 1).await;
    world.settings.patience.release_command_timeout = Some(Duration::from_secs(2));
    let text = format!(
        "{CHECKED}\n[deploy]\nrelease_command = 'migrate'\n\
         [env]\nSNOWBIRD_SANDBOX_RELEASE = 'exit:0:60'\n"
    );
    let error = fails(&world, &text, TWO).await;
    assert!(error.to_string().contains("it has not ended after 2s"), "{error}");
}

#[tokio::test]
async fn a_release_command_runs_before_any_machine_is_touched() {
    let world = World::running(CHECKED, 1).await;
    let text = format!("{CHECKED}\n[deploy]\nrelease_command = 'migrate'\n");
    world.deploy(&text, TWO).await.unwrap();
    world.assert_runs(TWO);
    let events = world.reporter.events();
    let command = events.iter().position(|e| matches!(e, Event::CommandSucceeded { .. })).unwrap();
    let updating = |e: &Event| matches!(e, Event::Machine { step: MachineStep::Updating, .. });
    assert!(command < events.iter().position(updating).unwrap());
    let ran = world.sandbox.machines("web");
    let ran = ran.iter().filter_map(|m| m.config.as_ref()).find(|config| {
        config.metadata.get("fly_process_group").is_some_and(|g| g == "fly_app_release_command")
    });
    let config = ran.unwrap();
    assert_eq!((config.env["RELEASE_COMMAND"].as_str(), config.image.as_str()), ("1", TWO));
    assert_eq!(config.init.cmd.as_deref(), Some(&["migrate".to_owned()][..]));
}

#[tokio::test]
async fn an_interrupted_release_command_is_gone() {
    let world = World::running(CHECKED, 1).await;
    let before = world.ids();
    let text = format!(
        "{CHECKED}\n[deploy]\nrelease_command = 'migrate'\n\
         [env]\nSNOWBIRD_SANDBOX_RELEASE = 'exit:0:60'\n"
    );
    let stop = async {
        while world.ids().len() == before.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.cancel.cancel();
        Instant::now()
    };
    let (result, cancelled) = tokio::join!(world.deploy(&text, TWO), stop);
    assert!(matches!(result, Err(Error::Interrupted { .. })), "{result:?}");
    assert!(cancelled.elapsed() < Duration::from_secs(4));
    assert_eq!(world.ids(), before);
    world.assert_runs(ONE);
}

#[tokio::test]
async fn a_machine_check_that_fails_takes_the_machine_back() {
    let world = World::running(CHECKED, 1).await;
    let text = format!(
        "{CHECKED}\n[[http_service.machine_checks]]\ncommand = ['curl', 'it']\n\
         [env]\nSNOWBIRD_SANDBOX_TEST = 'exit:22'\n"
    );
    let error = fails(&world, &text, TWO).await;
    assert!(error.to_string().contains("machine check `curl it` failed"), "{error}");
    assert_eq!(error.code(), "rollout.rolled-back");
}

#[tokio::test]
async fn a_machine_check_that_passes_tests_the_new_machine() {
    let world = World::running(CHECKED, 1).await;
    let address = world.machines()[0].private_ip.clone().unwrap();
    let text = format!("{CHECKED}\n[[http_service.machine_checks]]\ncommand = ['curl', 'it']\n");
    world.deploy(&text, TWO).await.unwrap();
    world.assert_runs(TWO);
    let tested = world.sandbox.machines("web");
    let tested = tested
        .iter()
        .filter_map(|m| m.config.as_ref())
        .find_map(|config| config.env.get("FLY_TEST_MACHINE_IP").cloned());
    assert_eq!(tested, Some(address));
}

const MOUNT: &str = "primary_region = 'fra'\n[[mounts]]\nsource = 'data'\ndestination = '/data'\n";

#[tokio::test]
async fn a_first_deploy_makes_volumes_and_addresses_and_later_ones_keep_them() {
    let world = World::new().await;
    let text = format!("{MOUNT}\n[http_service]\ninternal_port = 80\n");
    world.deploy(&text, ONE).await.unwrap();
    let (volumes, ips) = (world.sandbox.volumes("web"), world.sandbox.ips("web"));
    assert_eq!((volumes.len(), ips.len()), (1, 2));
    let machine = world.machines().remove(0);
    let mount = &machine.config.as_ref().unwrap().mounts[0];
    assert_eq!(mount.volume.as_deref(), volumes[0]["id"].as_str());

    world.deploy(&text, TWO).await.unwrap();
    world.assert_runs(TWO);
    assert_eq!(world.ids(), [machine.id]);
    assert_eq!(world.sandbox.volumes("web").len(), 1);
}

#[tokio::test]
async fn a_volume_that_is_missing_is_told_before_anything_is_touched() {
    let world = World::running("primary_region = 'fra'\n", 1).await;
    let error = fails(&world, MOUNT, TWO).await;
    assert_eq!(error.code(), "rollout.volumes-missing");
    let hint = error.hint().unwrap();
    assert!(hint.contains("fly volume create data -r fra -n 1 -a web"), "{hint}");
    assert_eq!(world.sandbox.releases("web").len(), 1);
}

#[tokio::test]
async fn a_lost_host_does_not_hold_up_the_others() {
    let world = World::running(CHECKED, 3).await;
    let lost = world.ids().remove(1);
    world.sandbox.set_unreachable("web", &lost, true);
    world.deploy(CHECKED, TWO).await.unwrap();
    world.assert_runs(TWO);
    assert_eq!(world.ids().len(), 3);
    assert!(!world.ids().contains(&lost));
}

#[tokio::test]
async fn a_rate_limit_is_never_met() {
    let world = World::with(Options { rate_limits: true, ..Options::default() }).await;
    world.deploy(CHECKED, ONE).await.unwrap();
    world.add_machines(CHECKED, ONE, 5).await;
    world.deploy(CHECKED, TWO).await.unwrap();
    world.assert_runs(TWO);
    let refused = world.sandbox.requests().into_iter().filter(|r| r.status == Some(429)).count();
    assert_eq!(refused, 0);
}

#[tokio::test]
async fn without_the_right_to_read_logs_a_crash_is_told_all_the_same() {
    let world = World::running(CHECKED, 1).await;
    world.sandbox.inject("GET /api/v1/apps/web/logs#*=status:401".parse().unwrap());
    let error = fails(&world, &behaving("crash:3"), TWO).await;
    assert!(error.to_string().contains("its process exited with code 3"), "{error}");
}
