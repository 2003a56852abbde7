//! The outputs of builders, as Nix makes them, pushed and read back.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::skopeo::{self, ReadBack};
use crate::support::{DockerRegistry, World};

/// Builds a package of the fixture, which needs no nixpkgs.
fn build(package: &str) -> PathBuf {
    let flake = concat!("path:", env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image");
    let output = Command::new("nix")
        .args(["build", "--no-link", "--json", &format!("{flake}#{package}")])
        .output()
        .expect("these tests need `nix` on PATH");
    assert!(output.status.success(), "{output:?}");
    let built: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    built[0]["outputs"]["out"].as_str().unwrap().into()
}

/// Pushes a package and reads it back.
fn pushed(package: &str) -> (ReadBack, String) {
    let (registry, world) = (DockerRegistry::start(), World::new().with_nix());
    let to = format!("{}/greeter", registry.address());
    let path = build(package);
    let pushed = world.run(&["push", path.to_str().unwrap(), "--to", &to, "--json"]).ok();
    let kind = pushed.events_named("image_opened")[0]["kind"].as_str().unwrap().to_owned();
    let reference = pushed.events_named("pushed")[0]["reference"].as_str().unwrap().to_owned();
    (skopeo::read(&reference, None), kind)
}

/// The same image by an archive that is read as it is.
fn expected() -> &'static ReadBack {
    static EXPECTED: OnceLock<ReadBack> = OnceLock::new();
    EXPECTED.get_or_init(|| pushed("container-tar").0)
}

#[track_caller]
fn comes_back(package: &str, expected_kind: &str) {
    let (image, kind) = pushed(package);
    assert_eq!(kind, expected_kind, "{package}");
    assert_eq!(image.diff_ids(), expected().diff_ids(), "{package}");
    assert_eq!(image.config_text(), expected().config_text(), "{package}");
}

#[test]
fn archives_come_back_however_they_are_compressed() {
    comes_back("container", "archive (gzip)");
    comes_back("container-zst", "archive (zstd)");
}

#[test]
fn a_stream_script_is_read_by_its_plan_and_gives_the_same_image() {
    comes_back("stream", "layer plan");
    comes_back("wrapped-stream", "layer plan");
    comes_back("stream.conf", "layer plan");
}

#[test]
fn oci_layouts_and_archives_come_back() {
    comes_back("oci-dir", "OCI layout");
    comes_back("oci-archive", "OCI archive (uncompressed)");
}

#[test]
fn an_image_of_nix2container_comes_back_with_its_layers() {
    let (image, kind) = pushed("nix2container");
    assert_eq!(kind, "nix2container image");
    assert_eq!(image.diff_ids(), expected().diff_ids());
    let config: serde_json::Value = serde_json::from_str(&image.config_text()).unwrap();
    let original: serde_json::Value = serde_json::from_str(&expected().config_text()).unwrap();
    assert_eq!(config["config"], original["config"]);
    assert_eq!(config["rootfs"], original["rootfs"]);
}

#[test]
fn what_is_no_container_is_told_by_its_name() {
    let world = World::new();
    for (package, words) in [
        ("qcow2", "a qcow2 disk image"),
        ("rootfs-tarball", "the tarball of a NixOS root file system"),
        ("directory", "a folder with readme"),
    ] {
        let path = build(package);
        let refused = world.run(&["push", path.to_str().unwrap(), "--to", "127.0.0.1:1/x"]);
        assert_eq!(refused.code, Some(12), "{refused}");
        assert!(refused.stderr.contains(words), "{refused}");
    }
}
