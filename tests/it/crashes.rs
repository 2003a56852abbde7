//! What is killed without a word, on either side: nothing is left half done.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Archive, DockerRegistry, Kind, World, skopeo};

/// A script that writes an archive, but for its second half waits for the file `go`.
fn in_two_halves(world: &World, archive: &Archive) -> PathBuf {
    let file = archive.write(world, Kind::Plain);
    let half = fs::metadata(&file).unwrap().len() / 2;
    let (file, folder) = (file.display(), world.work());
    world.script(
        "halves.sh",
        &format!(
            "cd {}; head -c {half} {file}\n\
             while [ ! -e go ]; do sleep 0.02; done\n\
             tail -c +{} {file}",
            folder.display(),
            half + 1
        ),
    )
}

/// Kills the registry while layers are on their way, and starts it again after `down`.
#[track_caller]
fn survives_a_crash_of(down: Duration) {
    let (mut registry, world) = (DockerRegistry::start(), forgetful());
    let archive = Archive::large("hello");
    let script = in_two_halves(&world, &archive);
    let to = format!("{}/web:v1", registry.address());
    let mut run = world.start(&["push", script.to_str().unwrap(), "--to", &to, "--json"]);
    run.wait_until("the first half was on its way", || registry.uploading_bytes() > 1 << 20);
    registry.crash();
    world.file("go", "");
    thread::sleep(down);
    registry.restart();
    let pushed = run.wait().ok();
    assert!(!pushed.events_named("retrying").is_empty(), "{pushed}");
    skopeo::read(&to, None).assert_is(&archive);
}

#[test]
fn a_push_survives_a_registry_that_crashes_and_comes_back() {
    survives_a_crash_of(Duration::ZERO);
}

#[test]
fn a_push_survives_a_registry_that_is_down_for_some_seconds() {
    survives_a_crash_of(Duration::from_secs(3));
}

/// Moments within `time`: one in each of as many equal parts of it, anywhere in that part.
fn moments(count: u32, time: Duration) -> Vec<Duration> {
    let mut state = 0x9e37_79b9_u32;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % 1000
    };
    (0..count).map(|part| time * (part * 1000 + random()) / (count * 1000)).collect()
}

/// A machine that remembers nothing from one push to the next.
fn forgetful() -> World {
    let mut world = World::new();
    world.set("XDG_CACHE_HOME", "/proc/nowhere");
    world
}

/// Pushes to the end, and returns how long that took.
fn pushed(world: &World, path: &Path, to: &str) -> Duration {
    let start = Instant::now();
    world.run(&["push", path.to_str().unwrap(), "--to", to]).ok();
    start.elapsed()
}

#[test]
fn a_push_survives_a_crash_of_the_registry_at_any_moment() {
    let (mut registry, world) = (DockerRegistry::start(), forgetful());
    let archive = Archive::large("hello");
    let path = archive.write(&world, Kind::Plain);
    let host = registry.address();
    let time = pushed(&world, &path, &format!("{host}/whole:v1"));
    for (number, moment) in moments(4, time).into_iter().enumerate() {
        let to = format!("{host}/web{number}:v1");
        let run = world.start(&["push", path.to_str().unwrap(), "--to", &to]);
        // A registry that is not there when it is first asked is told as that.
        thread::sleep(moment.max(time / 10));
        registry.crash();
        registry.restart();
        run.wait().ok();
        skopeo::read(&to, None).assert_is(&archive);
    }
}

#[test]
fn a_push_that_is_killed_at_any_moment_leaves_a_whole_image_or_none() {
    let (registry, world) = (DockerRegistry::start(), forgetful());
    let archive = Archive::large("hello");
    let path = archive.write(&world, Kind::Plain);
    let host = registry.address();
    let time = pushed(&world, &path, &format!("{host}/whole:v1"));
    let mut killed = 0;
    for (number, moment) in moments(20, time).into_iter().enumerate() {
        let tag = format!("v{number}");
        let to = format!("{host}/web:{tag}");
        let mut run = world.start(&["push", path.to_str().unwrap(), "--to", &to]);
        thread::sleep(moment);
        if !run.has_ended() {
            run.signal(Signal::KILL);
            killed += 1;
        }
        run.wait();
        match registry.manifest_status("web", &tag) {
            404 => {}
            _ => skopeo::read(&to, None).assert_is(&archive),
        }
    }
    assert!(killed >= 10, "only {killed} of 20 were still running");
    assert_eq!(world.temporary_files(), Vec::<String>::new());
    let to = format!("{host}/web:v10");
    pushed(&world, &path, &to);
    skopeo::read(&to, None).assert_is(&archive);
}
