//! Layer plans: what is unchanged is known without opening it, on a fresh machine too.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use snowbird::image::Digest;

use crate::support::docker_registry::Logged;
use crate::support::{DockerRegistry, World, skopeo};

/// Copies a file or folder into the Nix store.
fn add(path: &Path) -> String {
    let output = Command::new("nix-store").arg("--add").arg(path).output();
    let output = output.expect("these tests need `nix-store` on PATH");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Adds a package with some files that say `text`.
fn package(world: &World, name: &str, text: &str) -> String {
    for number in 0..5 {
        let content = format!("{name} {number}: {text}\n").repeat(4000);
        world.file(&format!("{name}/share/file-{number}"), content);
    }
    add(&world.work().join(name))
}

/// Writes the plan of an image with a layer for each package. Each is unlike those of other
/// runs, so that nothing is known of it.
fn plan(world: &World, name: &str, packages: &[&str]) -> PathBuf {
    let tar = world.file("customisation/layer.tar", [0; 10240]);
    world.file("customisation/checksum", Digest::of(&std::fs::read(tar).unwrap()).hex());
    let plan = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Cmd": [name] },
        "store_dir": "/nix/store",
        "from_image": null,
        "store_layers": packages.iter().map(|path| [path]).collect::<Vec<_>>(),
        "customisation_layer": add(&world.work().join("customisation")),
        "repo_tag": "planned:1",
        "created": "1970-01-01T00:00:01+00:00",
        "mtime": "1970-01-01T00:00:01+00:00",
        "uid": "0", "gid": "0", "uname": "root", "gname": "root",
    });
    add(&world.file(&format!("{name}-conf.json"), plan.to_string())).into()
}

fn blobs_stored(requests: &[Logged]) -> usize {
    let stores = |one: &&Logged| one.method == "PUT" && one.path.contains("/blobs/uploads/");
    requests.iter().filter(stores).count()
}

fn within(opened: &[String], package: &str) -> usize {
    opened.iter().filter(|path| path.starts_with(package)).count()
}

#[test]
fn on_a_fresh_machine_only_the_changed_layer_of_a_plan_is_opened_and_sent() {
    let (registry, first) = (DockerRegistry::start(), World::new().with_nix());
    let unchanged = [package(&first, "one", "stays"), package(&first, "two", "stays too")];
    let [one, two] = [&*unchanged[0], &*unchanged[1]];
    let (before, after) = (package(&first, "app", "good day"), package(&first, "app", "hello"));
    let to = format!("{}/planned:v1", registry.address());
    let old = plan(&first, "old", &[one, two, &before]);
    first.run(&["push", old.to_str().unwrap(), "--to", &to]).ok();

    let second = World::new().with_nix();
    let new = plan(&second, "new", &[one, two, &after]);
    let log = registry.log().len();
    let (pushed, opened) = second.run_traced(&["push", new.to_str().unwrap(), "--to", &to]);
    let pushed = pushed.ok();
    let requests = registry.log().split_off(log);
    assert_eq!(blobs_stored(&requests), 2, "the layer and the config: {requests:#?}");
    assert_eq!((within(&opened, one), within(&opened, two)), (0, 0), "{opened:#?}");
    assert!(within(&opened, &after) >= 5, "{opened:#?}");

    // The same by the script's own archive, which knows nothing of this.
    let streamer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/image/stream.py");
    let script = format!("exec python3 {streamer} {} | cat", new.display());
    let script = second.script("stream", &script);
    let to = format!("{}/streamed", registry.address());
    let streamed = second.run(&["push", script.to_str().unwrap(), "--to", &to, "--no-reuse"]).ok();
    let [by_plan, by_script] = [&pushed, &streamed].map(|push| skopeo::read(push.line(), None));
    assert_eq!(by_plan.config_text(), by_script.config_text());
    assert_eq!(by_plan.diff_ids(), by_script.diff_ids());
}

#[test]
fn on_a_fresh_machine_an_unchanged_plan_costs_two_requests_and_opens_no_layer() {
    let (registry, first) = (DockerRegistry::start(), World::new().with_nix());
    let package = package(&first, "only", "unchanged");
    let plan = plan(&first, "only", &[&package]);
    let to = format!("{}/planned", registry.address());
    let pushed = first.run(&["push", plan.to_str().unwrap(), "--to", &to]).ok();

    let log = registry.log().len();
    let arguments = ["push", plan.to_str().unwrap(), "--to", &to];
    let (again, opened) = World::new().with_nix().run_traced(&arguments);
    assert_eq!(again.ok().line(), pushed.line());
    assert_eq!(registry.log().split_off(log).len(), 2);
    assert_eq!(within(&opened, &package), 0, "{opened:#?}");
}

#[test]
fn without_nix_the_layers_of_a_plan_are_read_and_still_not_sent_again() {
    let (registry, world) = (DockerRegistry::start(), World::new().with_nix());
    let package = package(&world, "read", "unchanged");
    let plan = plan(&world, "read", &[&package]);
    let to = format!("{}/planned:v1", registry.address());
    world.run(&["push", plan.to_str().unwrap(), "--to", &to]).ok();

    let mut other = World::new();
    other.set("PATH", other.work());
    let log = registry.log().len();
    other.run(&["push", plan.to_str().unwrap(), "--to", &to, "--rebuild"]).ok();
    assert_eq!(blobs_stored(&registry.log().split_off(log)), 0);
}

#[test]
fn a_store_path_that_is_missing_is_named() {
    let world = World::new().with_nix();
    let missing = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-nobody-has-this";
    let plan = plan(&world, "missing", &[missing]);
    let registry = DockerRegistry::start();
    let to = format!("{}/planned:v1", registry.address());
    let failed = world.run(&["push", plan.to_str().unwrap(), "--to", &to]);
    assert_eq!(failed.code, Some(12), "{failed}");
    assert!(failed.stderr.contains(missing), "{failed}");
    assert_eq!(registry.manifest_status("planned", "v1"), 404);
}
