//! Against the real `nix`: that in the folder that `SNOWBIRD_TEST_NIX` names, or on PATH.

mod failures;
mod identity;
mod library;
mod names;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use snowbird::nix::{Installable, Nix};
use tempfile::TempDir;

use crate::support::world::Outcome;
use crate::support::{Fly, World};

/// Returns the folders in which programs are looked for, those of the Nix that is tested first.
#[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
fn path() -> OsString {
    let tested = env::var_os("SNOWBIRD_TEST_NIX").into_iter().map(PathBuf::from);
    let path = env::var_os("PATH").expect("these tests need PATH");
    env::join_paths(tested.chain(env::split_paths(&path))).unwrap()
}

/// Finds Nix. These tests are worth nothing without it, so they fail.
fn nix() -> Nix {
    Nix::find(Some(&path())).expect(
        "these tests need Nix 2.8 or newer on PATH; a single-user one as root needs \
         `build-users-group =` in nix.conf",
    )
}

/// The fixtures are built with the host's tools, and nothing is to be fetched.
fn extra() -> Vec<OsString> {
    ["--option", "sandbox", "false", "--option", "substituters", ""].map(OsString::from).into()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn installable(flake: &Path, name: &str) -> Installable {
    Installable::new(format!("path:{}#{name}", flake.display()))
}

/// Copies the fixture `hello` to a folder of its own, with another greeting.
fn hello(greeting: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("hello/flake.nix"), folder.path().join("flake.nix")).unwrap();
    fs::write(folder.path().join("greeting.txt"), greeting).unwrap();
    folder
}

/// Makes a flake whose packages are these lines of Nix.
fn flake(packages: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{ outputs = {{ self }}: {{ packages.x86_64-linux = let
            run = name: script: derivation {{
              inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-euc" script ];
              PATH = "/usr/local/bin:/usr/bin:/bin";
            }};
        in {{ {packages} }}; }}; }}"#
    );
    fs::write(folder.path().join("flake.nix"), text).unwrap();
    folder
}

/// A text that no other run of the tests has used, so that Nix has something to build.
fn unique() -> String {
    tempfile::tempdir().unwrap().path().display().to_string()
}

/// Copies the fixture `image` to a folder of its own, with content that nothing else has.
fn greeter() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("image")).unwrap() {
        let file = entry.unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let text = text.replace("hello from the nix store", &unique());
        fs::write(folder.path().join(file.file_name()), text).unwrap();
    }
    folder
}

/// Returns what Nix prints.
#[track_caller]
fn told(arguments: &[&str]) -> String {
    let mut command = Command::new(nix().program());
    command.args(["--extra-experimental-features", "nix-command flakes"]).args(arguments);
    let output = command.args(extra()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns where an output will be once it is built.
fn foretold(installable: &str) -> PathBuf {
    told(&["eval", "--raw", &format!("{installable}.outPath")]).into()
}

/// A world whose Nix notes what it is asked, and keeps its own records.
struct Watched {
    fly: Fly,
    world: World,
}

impl Watched {
    fn new() -> Self {
        let fly = Fly::start();
        let mut world = fly.world().with_nix();
        let real = nix().program().to_owned();
        // The third argument is the command, after the features.
        let script = world.script(
            "bin/nix",
            &format!(
                "notes=${{0%/bin/nix}}/notes; mkdir -p $notes\n\
                 echo \"$3\" >> $notes/asked\n\
                 {} \"$@\" 2> $notes/$$.records; code=$?\n\
                 cat $notes/$$.records >&2; exit $code",
                real.display()
            ),
        );
        let bin = script.parent().unwrap().to_owned();
        let folders = env::split_paths(&path()).collect::<Vec<_>>();
        world.set("PATH", env::join_paths([bin].into_iter().chain(folders)).unwrap());
        Self { fly, world }
    }

    /// Runs the program; Nix builds with the host's tools and fetches nothing.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let options = ["--option", "sandbox", "false", "--option", "substituters", ""];
        let _none_yet = fs::remove_dir_all(self.world.work().join("notes"));
        self.world.run(&[arguments, &options].concat())
    }

    /// Pushes what is named to the repository `web`.
    fn push(&self, arguments: &[&str]) -> Outcome {
        self.run(&[&["push", "--app", "web", "--json"], arguments].concat())
    }

    /// Returns what Nix was asked in the last run: its commands, in order.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.world.work().join("notes/asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// Returns what Nix built and fetched in the last run, by its own records.
    fn built(&self) -> Vec<String> {
        let mut built = Vec::new();
        for entry in fs::read_dir(self.world.work().join("notes")).into_iter().flatten() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let records = text.lines().filter_map(|line| line.strip_prefix("@nix "));
            for record in records.map(|record| serde_json::from_str::<Value>(record).unwrap()) {
                // A build, a copy or a substitution.
                let is_work = [100, 105, 108].iter().any(|kind| record["type"] == *kind);
                if record["action"] == "start" && is_work {
                    built.push(record["fields"][0].as_str().unwrap().to_owned());
                }
            }
        }
        built
    }
}
