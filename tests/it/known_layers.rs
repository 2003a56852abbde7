//! What the registry has is not sent again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use snowbird::event::Silent;
use snowbird::http::Clients;
use snowbird::image::Reference;
use snowbird::registry::{Registry, Transport};

use crate::support::docker_registry::Logged;
use crate::support::request::request;
use crate::support::{Archive, DockerRegistry, Kind, World, library, skopeo};

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

/// Pushes `first` and then `second`, in some kinds, to a tag. Returns how many blobs the
/// second push sent for each kind.
fn second_push(first: &Archive, second: &Archive, kinds: &[Kind]) -> Vec<(Kind, usize)> {
    let registry = DockerRegistry::start();
    let push = |archive: &Archive, kind: Kind| {
        // A machine that remembers nothing.
        let world = World::new();
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
    kinds.iter().copied().map(pushed_twice).collect()
}

#[test]
fn the_same_image_again_sends_no_blob() {
    let archive = Archive::new("hello");
    assert_eq!(second_push(&archive, &archive, &Kind::ALL), Kind::ALL.map(|kind| (kind, 0)));
}

#[test]
fn the_same_image_again_sends_no_blob_though_its_layers_are_named_by_other_ids() {
    let archive = Archive::new("hello").with_foreign_names();
    assert_eq!(second_push(&archive, &archive, &Kind::ALL), Kind::ALL.map(|kind| (kind, 0)));
}

#[test]
fn of_an_image_with_one_changed_layer_that_layer_and_the_config_are_sent() {
    let (one, other) = (Archive::new("hello"), Archive::new("good morning"));
    assert_eq!(second_push(&one, &other, &Kind::ALL), Kind::ALL.map(|kind| (kind, 2)));
}

#[test]
fn one_changed_layer_is_found_among_foreign_names_too() {
    let one = Archive::new("hello").with_foreign_names();
    let other = Archive::new("good morning").with_foreign_names();
    assert_eq!(second_push(&one, &other, &Kind::ALL), Kind::ALL.map(|kind| (kind, 2)));
}

#[test]
fn layers_that_are_blobs_already_are_known_too() {
    let (one, other) = (Archive::new("hello"), Archive::new("good morning"));
    assert_eq!(second_push(&one, &one, &Kind::OF_BLOBS), Kind::OF_BLOBS.map(|kind| (kind, 0)));
    assert_eq!(second_push(&one, &other, &Kind::OF_BLOBS), Kind::OF_BLOBS.map(|kind| (kind, 2)));
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
    library::push(&registry.unwrap(), source, previous).await.unwrap()
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

/// Copies an image into a place that looks like a store path.
fn into_store(world: &World, archive: &Archive, kind: Kind, hash: char) -> String {
    let path = archive.write(world, kind);
    let name = format!("store/{}-image", hash.to_string().repeat(32));
    let stored = world.file(&name, b"");
    std::fs::rename(path, &stored).unwrap();
    stored.to_str().unwrap().to_owned()
}

#[test]
fn an_image_that_was_pushed_before_is_known_by_its_store_path_and_not_read() {
    let archive = Archive::new("hello");
    for kind in [Kind::Plain, Kind::Gzip] {
        let registry = DockerRegistry::start();
        let first = World::new();
        let path = into_store(&first, &archive, kind, 'a');
        let to = format!("{}/web", registry.address());
        let pushed = first.run(&["push", &path, "--to", &to]).ok();

        // Another machine, on which the file is there but cannot be an image any more.
        let second = World::new();
        let path = into_store(&second, &archive, kind, 'a');
        let head = &std::fs::read(&path).unwrap()[..1024];
        std::fs::write(&path, head).unwrap();
        let before = registry.log().len();
        let again = second.run(&["push", &path, "--to", &to, "--json"]).ok();
        assert_eq!(again.events_named("pushed")[0]["reference"], pushed.line(), "{again}");
        assert_eq!(again.events_named("image_opened").len(), 0, "{again}");
        let requests = registry.log().split_off(before);
        assert!(requests.len() <= 2, "{requests:#?}");

        let tagged = second.run(&["push", &path, "--to", &to, "--tag", "v2"]).ok();
        assert_eq!(tagged.line(), pushed.line());
        skopeo::read(&format!("{to}:v2"), None).assert_is(&archive);
        let rebuilt = second.run(&["push", &path, "--to", &to, "--rebuild"]);
        assert_eq!(rebuilt.code, Some(12), "what is read is damaged: {rebuilt}");
    }
}

#[test]
fn an_identity_tag_of_another_format_is_not_taken() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let path = into_store(&world, &archive, Kind::Plain, 'a');
    let to = format!("{}/web", registry.address());
    world.run(&["push", &path, "--to", &to]).ok();
    let docker = world.run(&["push", &path, "--to", &to, "--manifest", "docker"]).ok();
    let image = skopeo::read(docker.line(), None);
    image.assert_is(&archive);
    assert_eq!(image.layer_types(), ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 3]);
}

#[test]
fn without_reuse_everything_is_sent() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    for kind in [Kind::Plain, Kind::Gzip, Kind::OciFolder] {
        let path = archive.write(&world, kind);
        let to = format!("{}/{kind:?}:v1", registry.address()).to_lowercase();
        for _ in 0..2 {
            let before = registry.log().len();
            world.run(&["push", path.to_str().unwrap(), "--to", &to, "--no-reuse"]).ok();
            assert_eq!(sent(&registry.log().split_off(before)), 4, "{kind:?}");
        }
    }
}

#[test]
fn an_unchanged_image_without_a_store_path_costs_two_requests() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let path = Archive::new("hello").write(&world, Kind::Plain);
    let to = format!("{}/web:v1", registry.address());
    world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
    let before = registry.log().len();
    World::new().run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
    let requests = registry.log().split_off(before);
    assert_eq!(requests.len(), 2, "{requests:#?}");
}

#[test]
fn what_this_machine_remembers_is_mounted_from_where_it_was_pushed() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let push = |kind: Kind, repository: &str, flags: &[&str]| {
        let path = archive.write(&world, kind);
        let to = format!("{}/{repository}", registry.address());
        let before = registry.log().len();
        let pushed =
            world.run(&[&["push", path.to_str().unwrap(), "--to", &to][..], flags].concat()).ok();
        skopeo::read(pushed.line(), None).assert_is(&archive);
        registry.log().split_off(before)
    };
    assert_eq!(sent(&push(Kind::Plain, "first", &[])), 4);
    for (kind, repository) in [(Kind::Plain, "second"), (Kind::Gzip, "third")] {
        let requests = push(kind, repository, &[]);
        assert_eq!((sent(&requests), mounts(&requests).len()), (1, 3), "{requests:#?}");
    }
    // Without tags there is nothing else to learn from.
    let again = push(Kind::Plain, "first", &[]);
    let asked = again.iter().filter(|one| one.method == "HEAD").count();
    assert_eq!((sent(&again), asked), (1, 3), "{again:#?}");
    assert_eq!(sent(&push(Kind::Plain, "first", &["--no-reuse"])), 4);
}

#[test]
fn what_this_machine_remembers_and_the_registry_has_lost_is_sent() {
    let world = World::new();
    let archive = Archive::new("hello");
    let path = archive.write(&world, Kind::Plain);
    let registry = DockerRegistry::start();
    let to = format!("{}/web", registry.address());
    world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
    registry.lose_everything();
    let pushed = world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
    skopeo::read(pushed.line(), None).assert_is(&archive);
}
