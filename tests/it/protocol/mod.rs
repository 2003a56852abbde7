//! The registry protocol, branch by branch, with a registry that does as it is told.

mod auth;
mod manifest;
mod mount;
mod one_request;
mod redirects;
mod retry;
mod upload;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use snowbird::event::Silent;
use snowbird::http::Clients;
use snowbird::push;
use snowbird::registry::{Registry, Timing, Transport};

use crate::support::scripted_registry::{PASSWORD, Seen, USER};
use crate::support::world::Outcome;
use crate::support::{Archive, Kind, ScriptedRegistry, World};

const UPLOADS: &str = "/v2/web/blobs/uploads/";
const BLOBS: &str = "/v2/web/blobs/sha256:";
const MANIFEST: &str = "/v2/web/manifests/v1";

/// What is told without trying again.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Pushes an image to the tag `v1`, and says who asks if the registry wants to know.
fn push(registry: &ScriptedRegistry, archive: &Archive) -> Outcome {
    let world = World::new();
    let path = archive.write(&world, Kind::Plain);
    let to = format!("{}/web:v1", registry.address());
    let password = world.file("password", PASSWORD);
    world.run(&[
        "push",
        path.to_str().unwrap(),
        "--to",
        &to,
        "--username",
        USER,
        "--password-file",
        password.to_str().unwrap(),
        "--json",
    ])
}

/// Pushes an image of three layers, of which one is sent while it is read. It must arrive
/// whole, and nobody's credentials anywhere else.
#[track_caller]
fn arrives(registry: &ScriptedRegistry) -> Outcome {
    arrives_as(registry, &Archive::new("hello"))
}

/// Pushes an image of two small layers, which are sent in one request each.
#[track_caller]
fn small_arrives(registry: &ScriptedRegistry) -> Outcome {
    arrives_as(registry, &Archive::small("hello"))
}

#[track_caller]
fn arrives_as(registry: &ScriptedRegistry, archive: &Archive) -> Outcome {
    let pushed = push(registry, archive).ok();
    registry.assert_has(archive, "web", "v1");
    let result: serde_json::Value = serde_json::from_str(pushed.line()).unwrap();
    let (_, digest) = result["image"].as_str().unwrap().split_once('@').unwrap();
    registry.assert_has(archive, "web", digest);
    registry.assert_no_secret_elsewhere();
    pushed
}

/// Pushes an image, which must fail with the code and leave no tag.
#[track_caller]
fn fails(registry: &ScriptedRegistry, code: &str) -> Outcome {
    fails_as(registry, &Archive::new("hello"), code)
}

#[track_caller]
fn fails_as(registry: &ScriptedRegistry, archive: &Archive, code: &str) -> Outcome {
    let failed = push(registry, archive);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert_eq!((failed.error().0.as_str(), failed.stdout.as_str()), (code, ""), "{failed}");
    assert!(registry.content().manifests.is_empty(), "{failed}");
    registry.assert_no_secret_elsewhere();
    failed
}

/// Tries each case, all at once, as most of the time goes into waiting.
fn each<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Returns the requests that sent, or began to send, a body of unknown length.
fn streams(registry: &ScriptedRegistry) -> Vec<Seen> {
    let mut patches = registry.asked("PATCH", UPLOADS);
    patches.retain(|patch| patch.head.header("transfer-encoding").is_some());
    patches
}

/// Times in which nothing takes long, and little is tried.
fn quick() -> Timing {
    let time = Duration::from_millis(300);
    let mut timing = Timing { first_answer: time, answer: time, stored: time, ..Timing::default() };
    (timing.stall, timing.glance) = (time, time);
    timing.patience.attempts = 3;
    timing.patience.first_pause = Duration::from_millis(10);
    timing
}

fn client(registry: &ScriptedRegistry, repository: &str, timing: Timing) -> Registry {
    Registry::with_timing(
        registry.address().to_string().parse().unwrap(),
        Transport::PlainHttp,
        None,
        repository.parse().unwrap(),
        Clients::new(None).unwrap(),
        Arc::new(Silent),
        timing,
    )
    .unwrap()
}
