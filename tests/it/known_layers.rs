//! What the registry has is not sent again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use snowbird::event::{Reporter, Silent};
use snowbird::http::Clients;
use snowbird::image::{ManifestFormat, Reference};
use snowbird::layer::Encoding;
use snowbird::push::{self, Format, Platform};
use snowbird::registry::{Registry, Transport};
use snowbird::source::Source;
use tokio_util::sync::CancellationToken;

use crate::support::docker_registry::Logged;
use crate::support::request::request;
use crate::support::{Archive, DockerRegistry, Kind, World, skopeo};

/// Returns how many blobs the requests store.
fn sent(requests: &[Logged]) -> usize {
    let stored = |one: &&Logged| one.method == "PUT" && one.path.contains("/blobs/uploads/");
    requests.iter().filter(stored).inspect(|put| assert_eq!(put.status, 201)).count()
}

/// Returns the requests that send, or begin to.
fn sending(requests: &[Logged]) -> Vec<&Logged> {
    let sends = |one: &&Logged| {
        matches!(one.method.as_str(), "POST" | "PATCH" | "PUT") && one.path.contains("/blobs/")
    };
    requests.iter().filter(sends).collect()
}

/// Pushes `first` and then `second`, in all kinds, to a tag. Returns how many blobs the
/// second push sent for each kind.
fn second_push(first: &Archive, second: &Archive) -> Vec<(Kind, usize)> {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let push = |archive: &Archive, kind: Kind| {
        let path = archive.write(&world, kind);
        let to = format!("{}/{kind:?}:v1", registry.address()).to_lowercase();
        let before = registry.log().len();
        let pushed = world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
        (pushed.line().to_owned(), registry.log().split_off(before))
    };
    let pushed_twice = |kind| {
        let (_, requests) = push(first, kind);
        assert_eq!(sent(&requests), 4, "three layers and the config: {requests:#?}");
        let (reference, requests) = push(second, kind);
        skopeo::read(&reference, None).assert_is(second);
        if sent(&requests) == 0 {
            assert_eq!(sending(&requests), Vec::<&Logged>::new());
        }
        (kind, sent(&requests))
    };
    Kind::ALL.into_iter().map(pushed_twice).collect()
}

#[test]
fn the_same_image_again_sends_no_blob() {
    let archive = Archive::new("hello");
    assert_eq!(second_push(&archive, &archive), Kind::ALL.map(|kind| (kind, 0)));
}

#[test]
fn the_same_image_again_sends_no_blob_though_its_layers_are_named_by_other_ids() {
    let archive = Archive::new("hello").with_foreign_names();
    assert_eq!(second_push(&archive, &archive), Kind::ALL.map(|kind| (kind, 0)));
}

#[test]
fn of_an_image_with_one_changed_layer_that_layer_and_the_config_are_sent() {
    let (one, other) = (Archive::new("hello"), Archive::new("good morning"));
    assert_eq!(second_push(&one, &other), Kind::ALL.map(|kind| (kind, 2)));
}

#[test]
fn one_changed_layer_is_found_among_foreign_names_too() {
    let one = Archive::new("hello").with_foreign_names();
    let other = Archive::new("good morning").with_foreign_names();
    assert_eq!(second_push(&one, &other), Kind::ALL.map(|kind| (kind, 2)));
}

/// Pushes by the library, which can be told of an image in another repository.
async fn push_beside(
    address: SocketAddr,
    repository: &str,
    source: &Path,
    previous: &[Reference],
) -> Reference {
    let registry = Registry::new(
        address.to_string().parse().unwrap(),
        Transport::PlainHttp,
        None,
        repository.parse().unwrap(),
        Clients::new(None).unwrap(),
        Arc::new(Silent),
    );
    let request = push::Request {
        source: Source::open(source).unwrap(),
        tags: vec!["v1".parse().unwrap()],
        previous: previous.to_vec(),
        format: Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap(),
        platform: Platform::Any,
    };
    let (reporter, cancel) = (Arc::new(Silent) as Arc<dyn Reporter>, CancellationToken::new());
    push::push(&registry.unwrap(), &request, &reporter, &cancel).await.unwrap().reference
}

fn mounts(requests: &[Logged]) -> Vec<&Logged> {
    requests.iter().filter(|one| one.path.contains("mount=sha256")).collect()
}

#[tokio::test]
async fn layers_of_another_repository_are_mounted_and_not_sent() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    for kind in [Kind::Plain, Kind::Gzip] {
        let path = archive.write(&world, kind);
        let name = |part: &str| format!("{part}-{kind:?}").to_lowercase();
        let there = push_beside(registry.address(), &name("there"), &path, &[]).await;
        let before = registry.log().len();
        let here = push_beside(registry.address(), &name("here"), &path, &[there]).await;

        let requests = registry.log().split_off(before);
        let mounts = mounts(&requests);
        assert_eq!(mounts.len(), 3, "{requests:#?}");
        assert!(mounts.iter().all(|mount| mount.status == 201), "{mounts:#?}");
        assert_eq!(sent(&requests), 1, "the config alone is sent: {requests:#?}");
        skopeo::read(&here.to_string(), None).assert_is(&archive);
    }
}

#[tokio::test]
async fn layers_that_the_registry_does_not_mount_are_sent() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let path = archive.write(&world, Kind::Gzip);
    let there = push_beside(registry.address(), "there", &path, &[]).await;
    // The manifest stays and names blobs that are gone.
    for layer in skopeo::read(&there.to_string(), None).manifest["layers"].as_array().unwrap() {
        let blob = format!("/v2/there/blobs/{}", layer["digest"].as_str().unwrap());
        assert_eq!(request(registry.address(), "DELETE", &blob, &[]).unwrap().0, 202);
    }
    let before = registry.log().len();
    let here = push_beside(registry.address(), "here", &path, &[there]).await;

    let requests = registry.log().split_off(before);
    let statuses: Vec<_> = mounts(&requests).iter().map(|mount| mount.status).collect();
    assert_eq!(statuses, [202; 3], "{requests:#?}");
    assert_eq!(sent(&requests), 4, "{requests:#?}");
    assert_eq!(registry.forgotten_uploads(), 0);
    skopeo::read(&here.to_string(), None).assert_is(&archive);
}
