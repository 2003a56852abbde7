//! Blobs of another repository of the same registry.

use snowbird::image::Reference;

use super::{UPLOADS, client, quick};
use crate::support::library;
use crate::support::scripted_registry::{Answer, End, Fault};
use crate::support::{Archive, Kind, ScriptedRegistry, World};

/// What stands for every attempt to mount.
const MOUNTS: &str = "/v2/here/blobs/uploads/?mount=";

/// What stands for all that is begun there.
const HERE: &str = "/v2/here/blobs/uploads/";

/// Pushes an image to one repository, then to another one while the faults strike what is
/// begun there. Returns how many blobs the second push has sent.
async fn sent_beside(order: impl FnOnce(&ScriptedRegistry)) -> (ScriptedRegistry, usize) {
    let (registry, world) = (ScriptedRegistry::start(), World::new());
    let archive = Archive::small("hello");
    let path = archive.write(&world, Kind::Plain);
    let there = client(&registry, "there", quick());
    let there: Reference = library::push(&there, &path, &[]).await.unwrap();
    order(&registry);
    let here = client(&registry, "here", quick());
    library::push(&here, &path, &[there]).await.unwrap();
    registry.assert_has(&archive, "here", "v1");
    registry.assert_no_secret_elsewhere();
    assert_eq!(registry.content().open_uploads(), 0);
    let sent = registry.asked("PUT", HERE).len();
    (registry, sent)
}

#[tokio::test]
async fn what_can_be_mounted_is_not_sent() {
    let (registry, sent) = sent_beside(|_| {}).await;
    assert_eq!(sent, 1, "the config alone");
    let mounts = registry.asked("POST", MOUNTS);
    assert_eq!(mounts.len(), 2);
    assert!(mounts.iter().all(|mount| mount.head.target.ends_with("&from=there")), "{mounts:?}");
}

#[tokio::test]
async fn a_refusal_to_mount_is_no_failure() {
    for status in [400, 401, 403, 404, 405, 501] {
        let (_, sent) = sent_beside(|registry| {
            for nth in 1..=2 {
                registry.order("POST", MOUNTS, nth, Fault::Answer(Answer::new(status)));
            }
        })
        .await;
        assert_eq!(sent, 3, "{status}");
    }
}

#[tokio::test]
async fn an_upload_that_was_opened_instead_is_called_off() {
    let (registry, sent) = sent_beside(|registry| {
        for nth in 1..=2 {
            let opened = Answer::new(202).with("location", &format!("{HERE}77?_state=1"));
            registry.order("POST", MOUNTS, nth, Fault::Answer(opened));
        }
    })
    .await;
    assert_eq!(sent, 3);
    assert_eq!(registry.asked("DELETE", &format!("{HERE}77?_state=1")).len(), 2);
}

#[tokio::test]
async fn an_upload_that_was_opened_nowhere_is_left_alone() {
    let (registry, sent) = sent_beside(|registry| {
        registry.order("POST", MOUNTS, 1, Fault::Answer(Answer::new(202)));
    })
    .await;
    assert_eq!(sent, 2);
    assert_eq!(registry.asked("DELETE", UPLOADS).len(), 0);
}

#[tokio::test]
async fn a_mount_that_fails_for_a_moment_is_tried_again_and_one_that_goes_on_failing_is_not() {
    let broken = Fault::Answer(Answer::new(503).body("<html>busy</html>"));
    let (_, sent) = sent_beside(|registry| {
        registry.order("POST", MOUNTS, 1, broken.clone());
        registry.order("POST", MOUNTS, 2, Fault::Cut(0, End::Reset));
    })
    .await;
    assert_eq!(sent, 1);
    let (registry, sent) = sent_beside(|registry| {
        for nth in 1..=4 {
            registry.order("POST", MOUNTS, nth, broken.clone());
        }
    })
    .await;
    assert_eq!(sent, 3);
    assert_eq!(registry.asked("POST", MOUNTS).len(), 4);
}

#[tokio::test]
async fn what_was_mounted_in_words_alone_is_sent() {
    let (registry, sent) = sent_beside(|registry| {
        registry.order("POST", MOUNTS, 1, Fault::Answer(Answer::new(201)));
    })
    .await;
    assert_eq!(sent, 2, "the config and the layer");
    let puts = registry.asked("PUT", "/v2/here/manifests/v1");
    let statuses: Vec<_> = puts.iter().map(|put| put.status).collect();
    assert_eq!(statuses, [Some(400), Some(201)]);
}
