//! Ctrl-C and SIGTERM, in the middle of a push and of a deploy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::world::{Outcome, Running};
use crate::support::{Archive, DockerRegistry, Fly, Kind, World};

const SIGNALS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// Sends the signal, and checks code and haste.
#[track_caller]
fn ends_at_once(run: Running, signal: Signal) -> Outcome {
    let sent = Instant::now();
    run.signal(signal);
    let ended = run.wait();
    let took = sent.elapsed();
    assert!(took < Duration::from_secs(3), "after {took:?}: {ended}");
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(ended.stderr.contains("interrupted"), "{ended}");
    assert_eq!(ended.stdout, "", "{ended}");
    ended
}

/// A script that writes an archive up to its end and then hangs, with a helper of its own.
/// The folder gets the numbers of both processes.
fn slow_script(world: &World) -> PathBuf {
    let archive = Archive::new("hello").write(world, Kind::Plain);
    let part = fs::metadata(&archive).unwrap().len() - 6000;
    let (file, folder) = (archive.display(), world.work());
    world.script(
        "slow.sh",
        &format!(
            "cd {}; sleep 100 & echo $! > helper; echo $$ > script\n\
             trap '' INT TERM PIPE; head -c {part} {file}; echo > written; wait; sleep 100",
            folder.display()
        ),
    )
}

fn is_gone(world: &World, name: &str) -> bool {
    let pid = fs::read_to_string(world.work().join(name)).unwrap();
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
    // What has ended and waits for its parent is gone as well.
    stat.map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_push_from_a_slow_script_ends_with_its_script_and_leaves_nothing() {
    for signal in SIGNALS {
        let (registry, world) = (DockerRegistry::start(), World::new());
        let script = slow_script(&world);
        let to = format!("{}/web:v1", registry.address());
        let mut run = world.start(&["push", script.to_str().unwrap(), "--to", &to]);
        let written = world.work().join("written");
        run.wait_until("the script had written its part", || written.exists());
        ends_at_once(run, signal);

        let deadline = Instant::now() + Duration::from_secs(1);
        while !(is_gone(&world, "script") && is_gone(&world, "helper")) {
            assert!(Instant::now() < deadline, "the script goes on");
        }
        assert_eq!(registry.manifest_status("web", "v1"), 404);
        assert_eq!(registry.forgotten_uploads(), 0);
        assert_eq!(world.temporary_files(), Vec::<String>::new());
    }
}

#[test]
fn a_push_to_a_slow_registry_ends_at_once() {
    for request in [
        "GET /v2/web",
        "POST /v2/web",
        "PATCH /v2/web",
        "PUT /v2/web/blobs",
        "PUT /v2/web/manifests",
    ] {
        let fly = Fly::start();
        let world = fly.world();
        fly.inject(format!("{request}=delay:30").parse().unwrap());
        let path = Archive::new("hello").write(&world, Kind::Gzip);
        let to = format!("{}/web:v1", fly.address());
        let mut run = world.start(&["push", path.to_str().unwrap(), "--to", &to]);
        let (method, place) = request.split_once(' ').unwrap();
        run.wait_until("the request was on its way", || !fly.asked(method, place).is_empty());
        ends_at_once(run, Signal::INT);
        assert_eq!(fly.manifest_status("v1"), 404, "{request}");
        assert_eq!(world.temporary_files(), Vec::<String>::new());
    }
}

#[test]
fn a_deploy_in_its_rollout_ends_at_once_and_lets_go_of_its_leases() {
    for signal in SIGNALS {
        let (fly, world) = (Fly::start(), World::new());
        world.file("fly.toml", "app = 'web'\n");
        let path = Archive::small("hello").write(&world, Kind::Gzip);
        world.run(&["deploy", path.to_str().unwrap(), &fly.flag()]).ok();

        world.file("fly.toml", "app = 'web'\n[env]\nSNOWBIRD_SANDBOX = 'slow:60'\n");
        let mut run = world.start(&["deploy", path.to_str().unwrap(), &fly.flag()]);
        run.wait_until("the machine starts slowly", || {
            let changed = fly.machines("web").into_iter().find(|m| m.state == "starting");
            fly.leases("web") == 2 && changed.is_some()
        });
        let changed = fly.machines("web").into_iter().find(|m| m.state == "starting").unwrap();
        let ended = ends_at_once(run, signal);
        assert!(ended.stderr.contains(&changed.id), "it is told which was changed: {ended}");
        assert_eq!(fly.leases("web"), 0);
        let releases = fly.releases("web");
        assert_eq!(releases.last().unwrap().status, "interrupted", "{releases:?}");
        assert_eq!(world.temporary_files(), Vec::<String>::new());
    }
}

#[test]
fn a_deploy_in_its_push_changes_no_machine() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", "app = 'web'\n");
    let script = slow_script(&world);
    let arguments = ["deploy", script.to_str().unwrap(), &fly.flag(), "--tag", "v1"];
    let mut run = world.start(&arguments);
    let written = world.work().join("written");
    run.wait_until("the script had written its part", || written.exists());
    ends_at_once(run, Signal::INT);
    assert_eq!((fly.machines("web").len(), fly.leases("web")), (0, 0));
    assert_eq!(fly.manifest_status("v1"), 404);
}

#[test]
fn a_build_ends_at_once_with_its_builder() {
    let (registry, world) = (DockerRegistry::start(), World::new().with_nix());
    let pid = world.work().join("builder");
    world.file(
        "flake.nix",
        format!(
            r#"{{ outputs = _: {{ packages.x86_64-linux.slow = derivation {{
                name = "slow-{}"; system = "x86_64-linux"; builder = "/bin/sh";
                args = [ "-c" "echo $$ > {}; while :; do /bin/sleep 0.1; done" ];
            }}; }}; }}"#,
            std::process::id(),
            pid.display()
        ),
    );
    let installable = format!("path:{}#slow", world.work().display());
    let to = format!("{}/web", registry.address());
    let arguments = ["push", &installable, "--to", &to, "--"];
    let nix = ["--option", "sandbox", "false", "--option", "substituters", ""];
    let mut run = world.start(&[&arguments[..], &nix].concat());
    run.wait_until("the builder runs", || {
        fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))
    });
    ends_at_once(run, Signal::INT);
    let deadline = Instant::now() + Duration::from_secs(6);
    while !is_gone(&world, "builder") {
        assert!(Instant::now() < deadline, "the builder goes on");
    }
    assert_eq!(world.temporary_files(), Vec::<String>::new());
}

#[test]
fn a_sandbox_ends_well_when_it_is_told_to() {
    let world = World::new();
    let state = world.work().join("state");
    let mut run = world.start(&["sandbox", "--state", state.to_str().unwrap()]);
    run.wait_until("the sandbox keeps its state", || state.exists());
    std::thread::sleep(Duration::from_millis(300));
    run.signal(Signal::INT);
    let ended = run.wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("export FLY_REGISTRY_HOST=127.0.0.1:"), "{ended}");
}

#[test]
fn a_run_after_one_that_was_killed_waits_for_its_leases_and_finishes_its_work() {
    let (fly, world) = (Fly::start(), World::new());
    world.file("fly.toml", "app = 'web'\n");
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let deploy = ["deploy", path.to_str().unwrap(), &fly.flag(), "--lease-timeout", "4s"];
    world.run(&deploy).ok();

    world.file("fly.toml", "app = 'web'\n[env]\nSNOWBIRD_SANDBOX = 'slow:60'\n");
    let mut run = world.start(&deploy);
    run.wait_until("the machine starts slowly", || {
        fly.machines("web").iter().any(|machine| machine.state == "starting")
    });
    run.signal(Signal::KILL);
    run.wait();
    assert_eq!(fly.leases("web"), 2, "nobody could let go of them");

    world.file("fly.toml", "app = 'web'\n[env]\nGREETING = 'hello'\n");
    let refused = world.run(&deploy);
    assert_eq!(refused.code, Some(16), "{refused}");
    assert!(refused.stderr.contains("--wait-lease"), "{refused}");
    let done = world.run(&[&deploy[..], &["--wait-lease"]].concat()).ok();
    assert!(done.stderr.contains("waiting for machine"), "{done}");
    assert_eq!(fly.leases("web"), 0);
    let env = |machine: &snowbird::fly::wire::Machine| machine.config.clone().unwrap().env;
    assert!(fly.machines("web").iter().all(|machine| env(machine).contains_key("GREETING")));
    assert_eq!(fly.releases("web").last().unwrap().status, "complete");
}
