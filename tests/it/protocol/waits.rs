//! Silence: how long it is borne. The times are shortened, so the library is asked.

use std::time::{Duration, Instant};

use snowbird::error::Explain as _;

use super::{UPLOADS, client, quick, streams};
use crate::support::library;
use crate::support::scripted_registry::{Answer, AnswerBody, Fault};
use crate::support::{Archive, Kind, ScriptedRegistry, World};

/// Pushes an image in little time; returns the code of the error, if it fails.
async fn pushed(registry: &ScriptedRegistry) -> Result<Duration, &'static str> {
    let world = World::new();
    let archive = Archive::new("hello");
    let path = archive.write(&world, Kind::Plain);
    let start = Instant::now();
    let result = library::push(&client(registry, "web", quick()), &path, &[]).await;
    result.map_err(|error| error.code())?;
    registry.assert_has(&archive, "web", "v1");
    Ok(start.elapsed())
}

#[tokio::test]
async fn a_registry_that_takes_no_more_of_a_layer_is_given_up_and_asked_again() {
    for bytes in [0, 1_000_000] {
        let registry = ScriptedRegistry::start();
        registry.order("PATCH", UPLOADS, 1, Fault::Stall(bytes));
        let took = pushed(&registry).await.unwrap();
        assert!(took > quick().stall && took < Duration::from_secs(5), "{took:?}");
        assert_eq!(streams(&registry).len(), 2);
    }
}

#[tokio::test]
async fn a_registry_that_always_stops_taking_a_layer_is_told() {
    let registry = ScriptedRegistry::start();
    registry.always("PATCH", UPLOADS, Fault::Stall(0));
    assert_eq!(pushed(&registry).await, Err("registry.no-answer"));
    assert_eq!(streams(&registry).len(), quick().patience.attempts);
    assert!(registry.content().manifests.is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_asked_for_again() {
    let slow = Fault::Slow(Duration::from_secs(1));
    for (method, path) in [
        ("GET", "/v2/web/manifests/"),
        ("HEAD", "/v2/web/blobs/"),
        ("POST", UPLOADS),
        ("PATCH", UPLOADS),
        ("PUT", UPLOADS),
        ("PUT", "/v2/web/manifests/"),
    ] {
        let registry = ScriptedRegistry::start();
        registry.order(method, path, 1, slow.clone());
        assert!(pushed(&registry).await.is_ok(), "{method} {path}");
    }
}

#[tokio::test]
async fn the_text_of_a_refusal_is_not_waited_for_without_end() {
    for method in ["POST", "PATCH", "PUT"] {
        let registry = ScriptedRegistry::start();
        let mut answer = Answer::new(400);
        answer.body = AnswerBody::Stalled;
        registry.always(method, UPLOADS, Fault::Answer(answer));
        let start = Instant::now();
        assert_eq!(pushed(&registry).await, Err("registry.refused"), "{method}");
        assert!(start.elapsed() < Duration::from_secs(3), "{method}");
    }
}
