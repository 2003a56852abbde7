//! Everything that can be named.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Watched, flake, foretold, greeter, told};

/// Makes a repository of a folder, with all that is in it.
fn repository(folder: &Path) {
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "--all"],
        &["-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message=x"],
    ] {
        let done = Command::new("git").current_dir(folder).args(arguments).status().unwrap();
        assert!(done.success(), "git {arguments:?}");
    }
}

/// Copies what a greeter is made of into a folder of the world.
fn greeter_in(watched: &Watched, name: &str) {
    for entry in fs::read_dir(greeter().path()).unwrap() {
        let file = entry.unwrap();
        let text = fs::read(file.path()).unwrap();
        watched.world.file(&format!("{name}/{}", file.file_name().display()), text);
    }
}

#[test]
fn a_flake_is_named_in_every_way_that_nix_knows() {
    let watched = Watched::new();
    greeter_in(&watched, "project/nix");
    let project = watched.world.work().join("project");
    repository(&project);
    fs::create_dir(project.join("nix/deeper")).unwrap();
    let project = project.display();
    let mut images = Vec::new();
    for named in [
        "./project/nix",
        "./project/nix#container",
        "./project/nix/deeper",
        &format!("path:{project}/nix#container"),
        &format!("git+file://{project}?dir=nix#packages.x86_64-linux.container"),
        &format!("git+file://{project}?dir=nix"),
    ] {
        images.push(watched.push(&[named]).ok().line().to_owned());
    }
    images.dedup();
    assert_eq!(images.len(), 1, "{images:?}");
}

#[test]
fn the_flake_above_the_working_directory_is_found() {
    let watched = Watched::new();
    let folder = greeter();
    // The program runs in `work`.
    let root = watched.world.work();
    let root = root.parent().unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), root.join(file.file_name())).unwrap();
    }
    repository_of_flake(root);
    for named in [&[][..], &["."], &[".#container"], &["#"]] {
        let pushed = watched.push(named).ok();
        assert!(pushed.line().contains("/web@sha256:"), "{pushed}");
    }
}

/// The flake's own files: the rest of a test's folders changes while it runs.
fn repository_of_flake(root: &Path) {
    fs::write(root.join(".gitignore"), "/home\n/tmp\n/work\n").unwrap();
    repository(root);
}

#[test]
fn a_nix_file_is_named_with_an_attribute_or_has_a_container() {
    let watched = Watched::new();
    greeter_in(&watched, "greeter");
    let whole = "(import ./greeter/image.nix { system = \"x86_64-linux\"; }).packages";
    watched.world.file("default.nix", whole);
    watched.world.file("function.nix", format!("{{ name ? \"container\" }}: ({whole}).${{name}}"));
    watched.world.file("one.nix", format!("({whole}).container"));
    let mut images = Vec::new();
    for named in [
        &["-f", "default.nix", "-A", "container"][..],
        &["--file", "./default.nix", "--attr", "container"],
        &["-f", "."],
        &["-f", "one.nix"],
        &["-f", "function.nix"],
        &["-f", "default.nix", "-A", "container.stream"],
    ] {
        let pushed = watched.push(named).ok();
        images.push(pushed.line().to_owned());
    }
    images.dedup();
    assert_eq!(images.len(), 1, "{images:?}");

    let missing = watched.push(&["-f", "default.nix", "-A", "nope"]);
    let (code, text) = missing.error();
    assert_eq!(code, "nix.no-such-output", "{missing}");
    assert!(text.contains("--file default.nix --attr nope"), "{text}");
}

#[test]
fn a_store_path_a_derivation_and_a_link_are_images() {
    let (watched, folder) = (Watched::new(), greeter());
    let container = format!("path:{}#container", folder.path().display());
    let derivation = told(&["eval", "--raw", &format!("{container}.drvPath")]);
    let by_derivation = watched.push(&[&derivation]).ok();
    let path = foretold(&container);
    std::os::unix::fs::symlink(&path, watched.world.work().join("result")).unwrap();
    fs::copy(&path, watched.world.work().join("image.tar.gz")).unwrap();
    for named in [path.to_str().unwrap(), "./result", "result", "image.tar.gz"] {
        let pushed = watched.push(&[named, "--rebuild"]).ok();
        assert_eq!(pushed.line(), by_derivation.line(), "{named}");
    }
}

#[test]
fn flags_of_nix_reach_it_before_and_after_the_dashes() {
    let watched = Watched::new();
    let folder = flake(
        r#"container = if builtins.getEnv "GREETING" == "hello" then
             run "seen" "echo > $out" else throw "no greeting";"#,
    );
    let container = format!("path:{}#container", folder.path().display());
    let mut watched = watched;
    watched.world.set("GREETING", "hello");
    let (code, _) = watched.push(&[&container]).error();
    assert_eq!(code, "nix.evaluation-failed", "evaluation is pure");
    // It is no image, but then it was built.
    let (code, _) = watched.push(&[&container, "--impure"]).error();
    assert_eq!(code, "source.not-an-image");
    let options = ["--option", "sandbox", "false", "--option", "substituters", ""];
    let dashed = [
        &["push", "--app=web", "--json", &container],
        &options[..],
        &["--", "--impure", "--rebuild"],
    ];
    let (code, _) = watched.world.run(&dashed.concat()).error();
    assert_eq!(code, "source.not-an-image");
}

#[test]
fn what_another_store_has_built_is_fetched() {
    let (watched, folder) = (Watched::new(), greeter());
    let container = format!("path:{}#container", folder.path().display());
    let store = tempfile::tempdir().unwrap();
    // A store in a folder builds as if it were `/nix/store`, and sees nothing else.
    let tools = ["--option", "sandbox-paths", "/bin /usr /lib /lib64 /etc"];
    let flags = ["--store", store.path().to_str().unwrap()];
    let pushed = watched.push(&[&[container.as_str()], &flags[..], &tools].concat()).ok();
    assert_eq!(watched.asked(), ["eval", "build", "copy", "build", "path-info"]);
    assert!(foretold(&format!("{container}.stream.conf")).exists(), "{pushed}");
    // Its folders are read-only.
    let made_writable = Command::new("chmod").args(["-R", "u+w"]).arg(store.path()).status();
    assert!(made_writable.unwrap().success());
}
