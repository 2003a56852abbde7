//! The library against the real `nix`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use snowbird::error::{Account, Explain as _};
use snowbird::event::{Event, Recorder, Reporter, Silent};
use snowbird::nix::{BuildOutput, Error, Installable, Place, StorePath};

use super::{extra, fixture, flake, hello, installable, nix, told, unique};

async fn build(flake: &Path, name: &str, reporter: &dyn Reporter) -> Result<BuildOutput, Error> {
    nix().build(&installable(flake, name), &extra(), reporter).await
}

/// Returns the layers of the archive that a build has made.
fn layers(output: &BuildOutput) -> BTreeSet<String> {
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(output.path()).unwrap())
        .read_to_end(&mut archive)
        .unwrap();
    let mut archive = tar::Archive::new(archive.as_slice());
    let names = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with("/layer.tar")).collect()
}

#[tokio::test]
async fn a_container_is_built_and_its_building_is_told() {
    let flake = hello(&unique());
    let recorder = Recorder::default();
    let output = build(flake.path(), "container", &recorder).await.unwrap();
    assert_eq!(output.store_path().name(), "hello.tar.gz");
    assert_eq!(layers(&output).len(), 3);

    let events = recorder.events();
    let has = |wanted: &dyn Fn(&Event) -> bool| events.iter().any(wanted);
    assert!(has(&|event| matches!(event, Event::BuildStarted { .. })));
    assert!(has(
        &|event| matches!(event, Event::Building { derivation, .. } if derivation == "hello.tar.gz")
    ));
    assert!(has(&|event| matches!(event, Event::BuildProgress { built: 2.., .. })));
    let path = output.store_path().to_string();
    assert!(has(&|event| matches!(event, Event::Built { store_path, .. } if *store_path == path)));
}

#[tokio::test]
async fn another_greeting_changes_one_layer_of_the_fixture() {
    let (one, other) = (hello("one"), hello("other"));
    let one = build(one.path(), "container", &Silent).await.unwrap();
    let other = build(other.path(), "container", &Silent).await.unwrap();
    assert_eq!(layers(&one).intersection(&layers(&other)).count(), 2);
}

#[tokio::test]
async fn an_output_cannot_be_collected_while_it_is_held() {
    let flake = flake(&format!(r#"kept = run "kept" "echo {} > $out";"#, unique()));
    let output = build(flake.path(), "kept", &Silent).await.unwrap();
    let path = output.path().to_owned();
    let delete = || {
        Command::new(nix().program())
            .args(["--extra-experimental-features", "nix-command", "store", "delete"])
            .arg(&path)
            .output()
            .unwrap()
    };
    let refused = delete();
    assert!(!refused.status.success() && path.exists(), "{refused:?}");
    drop(output);
    let deleted = delete();
    assert!(deleted.status.success() && !path.exists(), "{deleted:?}");
}

#[tokio::test]
async fn a_failed_build_shows_the_end_of_its_log() {
    let error = build(&fixture("image"), "broken", &Silent).await.unwrap_err();
    assert_eq!(error.code(), "nix.build-failed");
    let text = Account::of(&error).to_string();
    for wanted in ["`broken-image` failed", "exit code 3", "  starting", "  cannot make the image"]
    {
        assert!(text.contains(wanted), "`{wanted}` is missing from:\n{text}");
    }
}

#[tokio::test]
async fn of_a_failure_further_down_the_cause_is_shown() {
    let flake = flake(
        r#"inner = run "inner" "echo deep down; exit 7";
           outer = run "outer" "echo ${self.packages.x86_64-linux.inner} > $out";"#,
    );
    let error = build(flake.path(), "outer", &Silent).await.unwrap_err();
    let Error::Build { failed, message, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failed.iter().map(|build| build.name.as_str()).collect::<Vec<_>>(), ["inner"]);
    assert!(message.contains("exit code 7") && !message.contains("outer"), "{message}");
}

#[tokio::test]
async fn an_attribute_that_is_missing_is_told_with_its_places() {
    let error = build(&fixture("image"), "nope", &Silent).await.unwrap_err();
    assert_eq!(error.code(), "nix.no-such-output");
    assert!(error.to_string().contains("packages.x86_64-linux.nope"), "{error}");
}

#[tokio::test]
async fn an_error_of_evaluation_is_told_in_the_words_of_its_author() {
    let flake = flake(r#"wrong = throw "set the port first";"#);
    let error = build(flake.path(), "wrong", &Silent).await.unwrap_err();
    assert_eq!(error.code(), "nix.evaluation-failed");
    assert!(error.to_string().contains("set the port first"), "{error}");
}

#[tokio::test]
async fn another_system_asks_for_a_builder() {
    let flake = flake(
        r#"other = derivation { name = "other"; system = "riscv64-linux"; builder = "/bin/sh"; };"#,
    );
    let error = build(flake.path(), "other", &Silent).await.unwrap_err();
    assert_eq!(error.code(), "nix.platform-mismatch", "{error:?}");
}

#[tokio::test]
async fn out_is_taken_of_several_outputs() {
    let output = build(&fixture("image"), "multi", &Silent).await.unwrap();
    assert_eq!(output.store_path().name(), "multi");
}

#[tokio::test]
async fn the_container_of_a_flake_is_found() {
    let flake = format!("path:{}", fixture("image").display());
    let place = Place::Flake(flake.clone());
    let containers = nix().describe(&place, &extra(), &Silent).await.unwrap();
    let first = containers.first().unwrap();
    assert_eq!(first.name, "container");
    assert_eq!(first.image_name.as_deref(), Some("greeter"));
    assert!(first.store_path.as_ref().unwrap().ends_with("-greeter.tar.gz"));
    assert!(first.stream.as_ref().unwrap().store_path.ends_with("-stream-greeter"));
    assert!(first.plan.as_ref().unwrap().store_path.ends_with("-greeter-conf.json"));

    let found = nix().find_container(&place, &extra(), &Silent).await.unwrap();
    let name = found.installable().to_string();
    assert_eq!(name, format!("{flake}#packages.x86_64-linux.container"));
}

#[tokio::test]
async fn what_is_evaluated_is_what_is_built() {
    for name in ["container", "stream", "nix2container", "multi", "multi^dev"] {
        let flake = fixture("image");
        let installable = installable(&flake, name);
        let evaluated = nix().evaluate(&installable, &extra(), &Silent).await.unwrap();
        if name == "multi^dev" && is_before_outputs_can_be_named().await {
            continue;
        }
        let built = nix().build(&installable, &extra(), &Silent).await.unwrap();
        assert_eq!(evaluated.store_paths().first(), Some(built.store_path()), "{name}");
    }
}

/// Nix 2.8 does not know `^`.
async fn is_before_outputs_can_be_named() -> bool {
    nix().about().await.unwrap().version.starts_with("2.8.")
}

#[tokio::test]
async fn a_name_of_the_authors_own_is_found_and_can_be_built() {
    let folder = flake(
        r#"default = run "program" "echo > $out";
           "web.v2-image" = run "web" "echo > $out";"#,
    );
    let place = Place::Flake(format!("path:{}", folder.path().display()));
    let found = nix().find_container(&place, &extra(), &Silent).await.unwrap();
    let output = nix().build(found.installable(), &extra(), &Silent).await.unwrap();
    assert_eq!(output.store_path().name(), "web");
}

#[tokio::test]
async fn a_flake_without_a_container_is_told_what_it_has() {
    for (packages, wanted) in [
        (r#"tool = run "tool" ""; default = run "d" "";"#, "its packages are: default, tool"),
        ("", "no packages at all"),
    ] {
        let folder = flake(packages);
        let place = Place::Flake(format!("path:{}", folder.path().display()));
        let error = nix().find_container(&place, &extra(), &Silent).await.unwrap_err();
        assert_eq!(error.code(), "nix.no-container");
        assert!(error.to_string().ends_with(wanted), "{error}");
    }
}

#[tokio::test]
async fn of_several_containers_none_is_guessed() {
    let packages = r#"web-image = run "web" "echo > $out"; worker-image = run "worker" "echo > $out";
                      default = run "tool" "echo > $out";"#;
    let folder = flake(packages);
    let place = Place::Flake(format!("path:{}", folder.path().display()));
    let error = nix().find_container(&place, &extra(), &Silent).await.unwrap_err();
    assert_eq!(error.code(), "nix.several-containers");
    assert!(error.to_string().ends_with(": web-image, worker-image"), "{error}");
    assert!(error.hint().unwrap().contains(&format!("{place}#web-image")), "{error:?}");
}

#[tokio::test]
async fn an_output_that_cannot_be_evaluated_hides_no_other() {
    let folder = flake(r#"image = throw "not today"; container = run "c" "echo > $out";"#);
    let place = Place::Flake(format!("path:{}", folder.path().display()));
    let containers = nix().describe(&place, &extra(), &Silent).await.unwrap();
    let found: Vec<_> =
        containers.iter().map(|one| (one.name.as_str(), one.store_path.is_some())).collect();
    assert_eq!(found, [("container", true), ("image", false)]);
}

#[tokio::test]
async fn a_derivation_is_built_by_its_own_path() {
    let folder = hello(&unique());
    let container = installable(folder.path(), "container");
    let evaluated = nix().evaluate(&container, &extra(), &Silent).await.unwrap();
    let derivation = told(&["eval", "--raw", &format!("{container}.drvPath")]);
    let output = nix().build(&Installable::new(derivation), &extra(), &Silent).await.unwrap();
    assert_eq!(evaluated.store_paths(), [output.store_path().clone()]);
}

#[tokio::test]
async fn a_build_that_is_dropped_stops_its_builder() {
    let folder = tempfile::tempdir().unwrap();
    // With a daemon, builders are other users.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let pid_file = folder.path().join("pid");
    let flake = flake(&format!(
        r#"slow = run "slow" "echo $$ > {}; while :; do sleep 0.1; done";"#,
        pid_file.display()
    ));
    let pid = || fs::read_to_string(&pid_file).ok().filter(|pid| pid.ends_with('\n'));
    tokio::select! {
        result = build(flake.path(), "slow", &Silent) => panic!("{result:?}"),
        () = async { while pid().is_none() { tokio::time::sleep(Duration::from_millis(20)).await } } => {}
    }
    let process = PathBuf::from("/proc").join(pid().unwrap().trim());
    let dropped = Instant::now();
    while process.exists() {
        assert!(dropped.elapsed() < Duration::from_secs(10), "the builder goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_store_tells_the_hashes_of_what_it_has_alone() {
    let flake = hello(&unique());
    let output = build(flake.path(), "container", &Silent).await.unwrap();
    let missing: StorePath =
        "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-nobody-has-this".parse().unwrap();
    let nix = nix();
    let infos = nix.path_info(&[output.store_path().clone(), missing]).await.unwrap();
    let (path, info) = infos.first_key_value().unwrap();
    assert_eq!((infos.len(), path.as_str()), (1, output.store_path().as_str()));
    assert_eq!(info.nar_hash, told(&["hash", "path", path]));
    let size = told(&["path-info", "--size", path]);
    assert_eq!(size.split_whitespace().last().unwrap(), info.nar_bytes.to_string());
    assert_eq!(nix.path_info(&[]).await.unwrap().len(), 0);
}
