//! Whatever the other side refuses is told at once, in words that help.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::support::world::Outcome;
use crate::support::{Archive, DockerRegistry, Fly, Kind, World};

const AT_ONCE: Duration = Duration::from_secs(3);

/// Checks exit code, error code and words of a failure, and that it came in time.
#[track_caller]
fn assert_fails(failed: &Outcome, exit: i32, code: &str, words: &[&str], within: Duration) {
    assert_eq!(failed.code, Some(exit), "{failed}");
    assert_eq!(failed.stdout, "", "{failed}");
    let (said, message) = failed.error();
    assert_eq!(said, code, "{failed}");
    for word in words {
        assert!(message.contains(word), "`{word}` is missing from:\n{message}");
    }
    assert!(failed.elapsed < within, "{failed}");
}

/// A world in which `fly` is Fly, with a fly.toml of `app` and an image.
fn world(fly: &Fly, app: &str) -> (World, String) {
    let world = fly.world();
    world.file("fly.toml", format!("app = '{app}'\n"));
    let path = Archive::small("hello").write(&world, Kind::Gzip);
    let path = path.to_str().unwrap().to_owned();
    (world, path)
}

#[test]
fn an_app_that_does_not_exist_is_named() {
    let fly = Fly::start();
    let (world, path) = world(&fly, "nobody");
    let to = format!("{}/nobody:v1", fly.address());
    for arguments in [&["push", &path, "--to", &to][..], &["push", &path, "--tag", "v1"]] {
        let failed = world.run(&[arguments, &["--json"]].concat());
        let words = ["no repository `nobody`", "hint: on Fly the app must exist"];
        assert_fails(&failed, 12, "registry.no-repository", &words, AT_ONCE);
    }
    let failed = world.run(&["deploy", &path, "--json"]);
    assert_fails(&failed, 13, "fly.app-not-found", &["no app `nobody`", "hint: "], AT_ONCE);
    let failed = world.run(&["status", "--json"]);
    assert_fails(&failed, 13, "fly.app-not-found", &["no app `nobody`"], AT_ONCE);
    assert_eq!(fly.blobs().len(), 0);
}

#[test]
fn a_token_that_is_not_accepted_is_told() {
    let fly = Fly::start();
    let (mut world, path) = world(&fly, "web");
    world.set("FLY_API_TOKEN", "fo1_wrong");
    let failed = world.run(&["push", &path, "--tag", "v1", "--json"]);
    let words = ["refused the credentials for `web`", "hint: the token may be wrong"];
    assert_fails(&failed, 12, "registry.unauthorized", &words, AT_ONCE);
    let failed = world.run(&["deploy", &path, "--json"]);
    assert_fails(&failed, 13, "fly.unauthorized", &["token is not accepted", "hint: "], AT_ONCE);
    assert_eq!((fly.blobs().len(), fly.machines("web").len()), (0, 0));
    assert_eq!(fly.manifest_status("v1"), 404);
}

#[test]
fn without_a_token_it_is_told_where_one_is_looked_for() {
    let world = World::new();
    world.file("fly.toml", "app = 'web'\n");
    let path = Archive::small("hello").write(&world, Kind::Plain);
    for command in ["push", "deploy"] {
        let failed = world.run(&[command, path.to_str().unwrap(), "--json"]);
        let words = ["no Fly token", "FLY_API_TOKEN", "--token-file"];
        assert_fails(&failed, 10, "config.unusable", &words, AT_ONCE);
    }
}

#[test]
fn a_registry_that_is_down_is_told_within_seconds() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::new();
    let path = Archive::small("hello").write(&world, Kind::Plain);
    let host = nobody.to_string();
    let words = [&*host, "refused", "hint: check the address"];
    // Without a tag there is no image to look for first.
    for to in [format!("{nobody}/web:v1"), format!("{nobody}/web")] {
        let failed = world.run(&["push", path.to_str().unwrap(), "--to", &to, "--json"]);
        assert_fails(&failed, 12, "registry.unreachable", &words, AT_ONCE);
    }
}

#[test]
fn a_port_that_never_answers_is_told_within_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut world = World::new();
    let path = Archive::small("hello").write(&world, Kind::Plain);
    let path = path.to_str().unwrap();
    world.file("fly.toml", "app = 'web'\n");
    let within = Duration::from_secs(15);

    let failed = world.run(&["push", path, "--to", &format!("{address}/web:v1"), "--json"]);
    let words = [&*address, "no answer", "hint: check the address"];
    assert_fails(&failed, 12, "registry.no-answer", &words, within);

    let url = format!("http://{address}");
    world.set("FLY_FLAPS_BASE_URL", &url).set("FLY_UIEX_BASE_URL", &url);
    world.set("FLY_REGISTRY_HOST", &address).set("FLY_API_TOKEN", "fo1_some");
    let failed = world.run(&["deploy", path, "--json"]);
    assert_fails(&failed, 13, "fly.no-answer", &[&*address, "no answer"], within);
}

#[test]
fn a_build_that_fails_ends_with_the_last_lines_of_its_log() {
    let (registry, world) = (DockerRegistry::start(), World::new().with_nix());
    let flake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/image");
    let installable = format!("path:{}#broken", flake.display());
    let to = format!("{}/web:v1", registry.address());
    let arguments = ["push", &installable, "--to", &to, "--json", "--"];
    let nix = ["--option", "sandbox", "false", "--option", "substituters", ""];
    let failed = world.run(&[&arguments[..], &nix].concat());
    let words = ["`broken-image` failed", "exit code 3", "cannot make the image"];
    assert_fails(&failed, 11, "nix.build-failed", &words, Duration::from_secs(15));
    // It was asked whether it has the image, and told nothing.
    let log = registry.log();
    assert!(log.iter().all(|logged| logged.method == "GET" && logged.status == 404), "{log:?}");
    assert_eq!(world.temporary_files(), Vec::<String>::new());
}

#[test]
fn without_nix_it_is_told_what_is_missing() {
    let mut world = World::new();
    world.set("PATH", world.work());
    let failed = world.run(&["push", ".#container", "--to", "127.0.0.1:1/web", "--json"]);
    assert_fails(&failed, 11, "nix.not-found", &["nix"], AT_ONCE);
}

#[test]
fn a_configuration_that_is_not_there_or_wrong_is_told() {
    let fly = Fly::start();
    let (world, path) = world(&fly, "web");
    let elsewhere = World::new();
    let failed = elsewhere.run(&["deploy", &path, "--json"]);
    let words = ["there is no fly.toml", "hint: name the file"];
    assert_fails(&failed, 10, "config.unusable", &words, AT_ONCE);

    let failed = world.run(&["deploy", &path, "--strategy", "someday"]);
    assert_eq!(failed.code, Some(2), "{failed}");
    assert!(failed.stderr.contains("someday") && failed.stderr.contains("bluegreen"), "{failed}");

    world.file("fly.toml", "app = 'web'\n[deploy]\nstrategy = 'someday'\n");
    let failed = world.run(&["deploy", &path, "--json"]);
    assert_eq!(failed.code, Some(10), "{failed}");
    assert!(failed.stderr.contains("someday"), "{failed}");

    world.file("fly.toml", "app = 'web\n");
    let failed = world.run(&["deploy", &path, "--json"]);
    assert_eq!(failed.code, Some(10), "{failed}");
    assert!(failed.stderr.contains("fly.toml"), "{failed}");
    assert_eq!((fly.blobs().len(), fly.machines("web").len()), (0, 0));
}

#[test]
fn a_strategy_that_cannot_work_is_told_before_anything_is_sent() {
    let fly = Fly::start();
    let (world, path) = world(&fly, "web");
    world.run(&["deploy", &path, "--detach"]).ok();
    let sent = fly.asked("POST", "/v2/").len();
    let other = Archive::small("good morning").write(&world, Kind::Gzip);
    let arguments = ["deploy", other.to_str().unwrap(), "--strategy", "bluegreen", "--json"];
    let failed = world.run(&arguments);
    let words = ["needs a health check", "hint: "];
    assert_fails(&failed, 13, "rollout.no-checks", &words, AT_ONCE);
    assert_eq!(fly.asked("POST", "/v2/").len(), sent);
}

#[test]
fn what_cannot_be_typed_ends_with_the_usage() {
    let world = World::new();
    for arguments in [&["push", "--compresion", "gzip"][..], &["deploy", "--sandbox=x", "--to"]] {
        let failed = world.run(arguments);
        assert_eq!(failed.code, Some(2), "{failed}");
        assert!(failed.stderr.contains("Usage: snowbird"), "{failed}");
    }
}
