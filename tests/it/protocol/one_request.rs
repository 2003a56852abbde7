//! Blobs whose digest is known beforehand: one request each, while they are made.

use bytes::Bytes;
use futures_util::stream;
use snowbird::error::Explain as _;
use snowbird::image::Digest;
use snowbird::registry::{BodyEnd, Error, Registry};

use super::{UPLOADS, client, quick};
use crate::support::ScriptedRegistry;
use crate::support::scripted_registry::{Answer, End, Fault, Then, Told};

const PIECES: usize = 200;

fn piece() -> Bytes {
    Bytes::from(vec![b'x'; 50_000])
}

/// Sends a blob of ten million bytes as one that has `size_bytes`.
async fn put_as(registry: &Registry, size_bytes: u64) -> Result<Digest, Error> {
    let whole: Vec<u8> = (0..PIECES).flat_map(|_| piece()).collect();
    let digest = Digest::of(&whole);
    let pieces = stream::iter((0..PIECES).map(|_| Ok::<_, BodyEnd>(piece())));
    let mut upload = registry.begin_upload().await?;
    match upload.put(digest, size_bytes, pieces).await {
        Ok(()) => Ok(digest),
        Err(error) => {
            upload.cancel().await;
            Err(error)
        }
    }
}

async fn put(registry: &Registry) -> Result<Digest, Error> {
    put_as(registry, PIECES as u64 * 50_000).await
}

fn has(registry: &ScriptedRegistry, digest: Digest) -> bool {
    registry.content().blobs.contains_key(&("web".to_owned(), digest.to_string()))
}

#[tokio::test]
async fn a_blob_with_a_known_digest_takes_two_requests() {
    let registry = ScriptedRegistry::start();
    let digest = put(&client(&registry, "web", quick())).await.unwrap();
    assert!(has(&registry, digest));
    let seen = registry.seen();
    let methods: Vec<_> = seen.iter().map(|seen| seen.head.method.as_str()).collect();
    assert_eq!(methods, ["POST", "PUT"]);
    assert_eq!(seen[1].head.header("content-length"), Some("10000000"));
    assert_eq!(seen[1].head.header("transfer-encoding"), None);
}

#[tokio::test]
async fn a_lost_answer_to_the_whole_is_looked_into() {
    for end in [End::Close, End::Reset] {
        let registry = ScriptedRegistry::start();
        registry.order("PUT", UPLOADS, 1, Fault::LostAnswer(end));
        let digest = put(&client(&registry, "web", quick())).await.unwrap();
        assert!(has(&registry, digest));
        assert_eq!(registry.asked("HEAD", "/v2/web/blobs/").len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_of_the_whole_is_told_though_the_connection_was_reset() {
    for (after, then) in [(0, Then::Close), (100_000, Then::Linger)] {
        let registry = ScriptedRegistry::start();
        registry.always("PUT", UPLOADS, Fault::Early(after, Answer::new(413), then));
        let error = put(&client(&registry, "web", quick())).await.unwrap_err();
        assert_eq!(error.code(), "registry.refused", "{error}");
        assert!(error.to_string().contains("413"), "{error}");
        assert_eq!(registry.content().open_uploads(), 0);
    }
}

#[tokio::test]
async fn a_break_and_a_stall_are_told_as_what_they_are() {
    for (fault, code) in [
        (Fault::Cut(100_000, End::Reset), "registry.interrupted"),
        (Fault::Stall(100_000), "registry.no-answer"),
    ] {
        let registry = ScriptedRegistry::start();
        registry.order("PUT", UPLOADS, 1, fault);
        let error = put(&client(&registry, "web", quick())).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_should_be_is_not_stored() {
    for size_bytes in [9_999_999, 10_000_001] {
        let registry = ScriptedRegistry::start();
        let error = put_as(&client(&registry, "web", quick()), size_bytes).await.unwrap_err();
        assert_eq!(error.code(), "registry.body-aborted", "{size_bytes}: {error}");
        assert!(registry.content().blobs.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let registry = ScriptedRegistry::start();
    let client = client(&registry, "web", quick());
    let mut upload = client.begin_upload().await.unwrap();
    let pieces = stream::iter([Ok(piece()), Err(BodyEnd)]);
    let error = upload.put(Digest::of(&piece()), 50_000, pieces).await.unwrap_err();
    assert!(matches!(error, Error::BodyAborted), "{error}");
    assert!(registry.content().blobs.is_empty());
}

#[tokio::test]
async fn a_whole_that_came_to_the_wrong_place_is_sent_to_the_right_one_next_time() {
    let registry = ScriptedRegistry::start();
    let client = client(&registry, "web", quick());
    for method in ["PUT", "PATCH"] {
        let fault = Fault::Redirect(307, registry.other_host(), Told::Early);
        registry.always(method, UPLOADS, fault);
    }
    put(&client).await.unwrap_err();
    let digest = put(&client).await.unwrap();
    assert!(has(&registry, digest));
    registry.assert_no_secret_elsewhere();
}
