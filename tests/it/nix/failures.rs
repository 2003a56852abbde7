//! What goes wrong in Nix is told in its words, and with what to do next.

use std::fs;
use std::process::Command;

use super::{Watched, flake};

/// Pushes an output of a flake, and returns the code and the text of the error.
#[track_caller]
fn refused(packages: &str, name: &str) -> (String, String) {
    let folder = flake(packages);
    Watched::new().push(&[&format!("path:{}{name}", folder.path().display())]).error()
}

/// Fails unless an error has this code, and each of these words in its text.
#[track_caller]
fn assert_tells((code, text): &(String, String), wanted: &str, words: &[&str]) {
    assert_eq!(code, wanted, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing from:\n{text}");
    }
}

#[test]
fn an_attribute_that_is_missing() {
    let error = refused("tool = 5;", "#nope");
    let words = ["does not exist", "packages.x86_64-linux.nope", "hint: `nix flake show path:"];
    assert_tells(&error, "nix.no-such-output", &words);
}

#[test]
fn no_container_and_several() {
    let tool = r#"tool = run "tool" "echo > $out";"#;
    let words = ["its packages are: tool", "hint: name the output"];
    assert_tells(&refused(tool, ""), "nix.no-container", &words);
    let two = r#"a-image = run "a" "echo > $out"; b-image = run "b" "echo > $out";"#;
    let words = ["a-image, b-image", "hint: name the one that is meant: `path:"];
    assert_tells(&refused(two, ""), "nix.several-containers", &words);
}

#[test]
fn no_flake_at_all() {
    let empty = tempfile::tempdir().unwrap();
    fs::create_dir(empty.path().join(".git")).unwrap();
    let watched = Watched::new();
    let error = watched.push(&[&format!("{}#container", empty.path().display())]).error();
    assert_tells(&error, "nix.no-flake", &["there is no flake", "hint: name the flake"]);
}

#[test]
fn a_file_that_git_does_not_track() {
    let folder = flake("container = import ./image.nix;");
    fs::write(folder.path().join("image.nix"), "1").unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "flake.nix"]] {
        let done = Command::new("git").current_dir(folder.path()).args(arguments).status();
        assert!(done.unwrap().success());
    }
    let named = format!("git+file://{}#container", folder.path().display());
    let error = Watched::new().push(&[&named]).error();
    assert_tells(&error, "nix.evaluation-failed", &["image.nix", "hint: ", "`git add`"]);
}

#[test]
fn a_feature_that_is_off() {
    let content_addressed = r#"container = derivation {
        name = "c"; system = "x86_64-linux"; builder = "/bin/sh"; __contentAddressed = true;
        outputHashMode = "recursive"; outputHashAlgo = "sha256";
    };"#;
    let error = refused(content_addressed, "#container");
    let words = ["a feature of Nix is off", "ca-derivations", "hint: ", "experimental-features"];
    assert_tells(&error, "nix.feature-disabled", &words);
}

#[test]
fn a_system_that_nobody_here_builds_for() {
    let foreign = r#"container = derivation {
        name = "c"; system = "riscv64-linux"; builder = "/bin/sh";
    };"#;
    let words = ["on this machine", "riscv64-linux", "hint: give Nix a builder", "--builders"];
    assert_tells(&refused(foreign, "#container"), "nix.platform-mismatch", &words);
}

#[test]
fn a_build_that_fails_shows_the_end_of_its_log() {
    let script = "n=0; while [ $n -lt 40 ]; do echo line $n; n=$((n + 1)); done; exit 3";
    let (code, text) = refused(&format!(r#"container = run "noisy" "{script}";"#), "#container");
    assert_eq!(code, "nix.build-failed", "{text}");
    for word in
        ["`noisy` failed", "exit code 3", "line 39", "line 15", "hint: `nix log /nix/store/"]
    {
        assert!(text.contains(word), "`{word}` is missing from:\n{text}");
    }
    assert!(!text.contains("line 14"), "{text}");
}

#[test]
fn a_builder_that_finds_the_disk_full() {
    let full = r#"container = run "full" "echo 'tar: x: No space left on device'; exit 1";"#;
    let error = refused(full, "#container");
    assert_tells(&error, "nix.build-failed", &["No space left", "hint: `nix-collect-garbage`"]);
}

#[test]
fn an_error_of_evaluation() {
    let error = refused(r#"container = throw "set the port";"#, "#container");
    assert_tells(&error, "nix.evaluation-failed", &["cannot evaluate `path:", "set the port"]);
}

#[test]
fn no_nix() {
    let mut watched = Watched::new();
    watched.world.set("PATH", "/nowhere");
    let error = watched.push(&[".#container"]).error();
    assert_tells(&error, "nix.not-found", &["there is no `nix` on PATH", "hint: install Nix"]);
}

#[test]
fn a_store_whose_outputs_cannot_be_had() {
    let watched = Watched::new();
    watched.world.script(
        "bin/nix",
        r#"case $3 in
            eval)
                echo '{"name":"","storePath":null,"imageName":null,"imageTag":null,"stream":null,"plan":null}' ;;
            build) echo '["/nix/store/00000000000000000000000000000000-away"]' ;;
            copy) echo "error: cannot add path because it lacks a signature" >&2; exit 1 ;;
        esac"#,
    );
    let error = watched.push(&[".#container", "--store", "ssh-ng://builder"]).error();
    let words = ["-away` was built, but", "lacks a signature", "hint: fetch it with `nix copy"];
    assert_tells(&error, "nix.output-elsewhere", &words);
}
