//! Pushes to Debian's registry, read back by skopeo.

use crate::support::docker_registry::{PASSWORD, USER};
use crate::support::{Archive, DockerRegistry, Kind, World, skopeo};

const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Pushes an archive of `kind` with `flags`, reads it back, and checks its layers' types.
fn comes_back(kind: Kind, flags: &[&str], layer_type: &str) {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let path = archive.write(&world, kind);
    let to = format!("{}/acme/web", registry.address());

    let mut arguments = vec!["push", path.to_str().unwrap(), "--to", &to, "--tag", "v1"];
    arguments.extend(flags);
    let pushed = world.run(&arguments).ok();
    assert_eq!(pushed.line(), format!("{to}@{}", pushed.digest()));

    for reference in [pushed.line(), &format!("{to}:v1")] {
        let image = skopeo::read(reference, None);
        image.assert_is(&archive);
        assert_eq!(image.layer_types(), [layer_type; 3]);
    }
    assert_eq!(world.temporary_files(), Vec::<String>::new());
    assert_eq!(registry.forgotten_uploads(), 0);
}

#[test]
fn a_plain_archive_comes_back_as_it_was() {
    comes_back(Kind::Plain, &[], ZSTD);
}

#[test]
fn a_gzip_archive_comes_back_as_it_was() {
    comes_back(Kind::Gzip, &[], ZSTD);
}

#[test]
fn a_zstd_archive_comes_back_as_it_was() {
    comes_back(Kind::Zstd, &[], ZSTD);
}

#[test]
fn an_xz_archive_comes_back_as_it_was() {
    comes_back(Kind::Xz, &[], ZSTD);
}

#[test]
fn a_stream_comes_back_as_it_was() {
    comes_back(Kind::Script, &[], ZSTD);
}

#[test]
fn an_image_with_gzip_layers_comes_back_as_it_was() {
    comes_back(Kind::Script, &["--compression", "gzip"], GZIP);
}

#[test]
fn an_image_with_a_docker_manifest_comes_back_as_it_was() {
    comes_back(Kind::Gzip, &["--manifest", "docker"], DOCKER_GZIP);
}

#[test]
fn layers_that_are_blobs_already_are_sent_as_they_are() {
    for kind in Kind::OF_BLOBS {
        comes_back(kind, &[], GZIP);
    }
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let folder = archive.write(&world, Kind::OciFolder);
    let to = format!("{}/web", registry.address());
    let pushed = world.run(&["push", folder.to_str().unwrap(), "--to", &to]).ok();
    for digest in skopeo::read(pushed.line(), None).layer_digests() {
        let blob = folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
        assert!(blob.exists(), "{digest}");
    }
}

#[test]
fn the_kind_of_the_archive_makes_no_difference_to_what_is_pushed() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let archive = Archive::new("hello");
    let digests = Kind::ALL.map(|kind| {
        let path = archive.write(&world, kind);
        let to = format!("{}/{kind:?}", registry.address()).to_lowercase();
        world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok().digest().to_owned()
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn with_json_the_result_is_an_object_and_each_line_of_progress_is_one() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let path = Archive::new("hello").write(&world, Kind::Gzip);
    let to = format!("{}/web:v1", registry.address());
    let pushed = world.run(&["push", path.to_str().unwrap(), "--to", &to, "--json"]).ok();

    let result: serde_json::Value = serde_json::from_str(pushed.line()).unwrap();
    let image = result["image"].as_str().unwrap();
    assert!(image.starts_with(&format!("{}/web@sha256:", registry.address())), "{image}");
    let events = pushed.events();
    assert_eq!((&events[0]["event"], &events[0]["format"]), (&"start".into(), &1.into()));
    let pushed = pushed.events_named("pushed").remove(0);
    assert_eq!(
        (&pushed["reference"], &pushed["layers"], &pushed["sent"], &pushed["tags"][0]),
        (&image.into(), &3.into(), &3.into(), &"v1".into())
    );
}

#[test]
fn without_json_progress_keeps_off_stdout_and_quiet_keeps_it_off_stderr_too() {
    let (registry, world) = (DockerRegistry::start(), World::new());
    let path = Archive::small("hello").write(&world, Kind::Plain);
    let to = format!("{}/web", registry.address());
    let told = world.run(&["push", path.to_str().unwrap(), "--to", &to]).ok();
    assert!(told.stderr.contains("2 sent"), "{told}");
    let quiet = world.run(&["push", path.to_str().unwrap(), "--to", &to, "--quiet"]).ok();
    assert_eq!((quiet.stderr.as_str(), quiet.line()), ("", told.line()));
}

#[test]
fn a_registry_with_accounts_is_pushed_to_with_a_password_from_a_file_or_dockers_login() {
    let (registry, world) = (DockerRegistry::start_with_accounts(), World::new());
    let archive = Archive::new("hello");
    let path = archive.write(&world, Kind::Gzip);
    let path = path.to_str().unwrap();
    let to = format!("{}/web", registry.address());

    let refused = world.run(&["push", path, "--to", &to]);
    assert_eq!(refused.code, Some(12), "{refused}");
    assert!(refused.stderr.contains("refused a request without credentials"), "{refused}");

    let password = world.file("password", PASSWORD);
    let password = password.to_str().unwrap();
    let flags = ["--username", USER, "--password-file", password];
    let mut arguments = vec!["push", path, "--to", &to];
    arguments.extend(flags);
    let pushed = world.run(&arguments).ok();
    skopeo::read(pushed.line(), Some(&format!("{USER}:{PASSWORD}"))).assert_is(&archive);

    // `ada:open sesame`
    let auth = "YWRhOm9wZW4gc2VzYW1l";
    let login = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.address());
    world.file("../home/.docker/config.json", login);
    assert_eq!(world.run(&["push", path, "--to", &to]).ok().line(), pushed.line());
}
