//! Holds the crate to the rules that its documentation states.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::rust_text::{code_of, paths_from_root};

/// Which modules each module may import; `a::b` allows only that part of `a`. `error`
/// imports nothing and is imported by all; a module that is not listed may import none.
const TABLE: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "deploy", "event", "fly", "http", "image", "layer", "nix", "push", "registry",
            "rollout", "sandbox", "source",
        ],
    ),
    (
        "deploy",
        &["nix", "source", "push", "rollout", "fly", "image", "event", "registry", "layer::Memo"],
    ),
    ("rollout", &["fly", "event"]),
    ("push", &["source", "layer", "registry", "image", "event", "http"]),
    ("source", &["layer", "image", "nix::StorePath"]),
    ("layer", &["image", "event"]),
    ("registry", &["http", "image", "event"]),
    ("fly", &["http", "event"]),
    ("nix", &["event"]),
    ("http", &["event"]),
    ("event", &["image"]),
    ("image", &[]),
    ("error", &[]),
    ("sandbox", &["image", "fly::wire"]),
    ("main", &["cli"]),
];

/// The most lines of code in a file, the tests at its foot aside.
const MAX_LINES: usize = 400;

/// Every file of the crate: its path below `src` and its text.
fn files() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    assert!(files.len() > 50, "the crate is not here");
    files
}

/// Returns the modules that a file stands in: `a/b.rs` and `a/b/mod.rs` in `a` and `b`.
fn modules(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let mut modules: Vec<_> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(modules.last().map(String::as_str), Some("mod" | "lib")) {
        modules.pop();
    }
    modules
}

/// Returns what `text` imports against the table, if it is the text of `file`.
fn wrong_imports(file: &Path, text: &str) -> Vec<String> {
    let modules = modules(file);
    let Some(own) = modules.first() else { return Vec::new() };
    let allowed = TABLE.iter().find(|(module, _)| module == own).map_or(&[][..], |(_, may)| may);
    let fine = |path: &Vec<String>| {
        let path = path.join("::");
        let may = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}::"));
        may(own) || may("error") || allowed.iter().any(|allowed| may(allowed))
    };
    let paths = paths_from_root(&code_of(text), modules.len());
    paths
        .iter()
        .filter(|path| !fine(path))
        .map(|path| format!("{} imports {}", file.display(), path.join("::")))
        .collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let files = files();
    let wrong: Vec<_> = files.iter().flat_map(|(file, text)| wrong_imports(file, text)).collect();
    assert!(wrong.is_empty(), "imports against the table:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_knows_every_module_and_no_other() {
    let mut found: Vec<_> =
        files().keys().filter_map(|file| modules(file).into_iter().next()).collect();
    found.dedup();
    let mut listed: Vec<_> = TABLE.iter().map(|(module, _)| (*module).to_owned()).collect();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn an_import_against_the_table_is_found_however_it_is_written() {
    for (file, text, wrong) in [
        ("image/digest.rs", "use crate::http::Secret;", "http::Secret"),
        ("image/digest.rs", "use crate::{error::Explain, http::Secret};", "http::Secret"),
        (
            "image/digest.rs",
            "use crate::{\n    error,\n    event::{Event, Meter},\n};",
            "event::Event",
        ),
        ("image/digest.rs", "use super::super::event;", "event"),
        ("image/digest.rs", "use super::{super::event, Digest};", "event"),
        ("image/mod.rs", "use super::nix::Nix;", "nix::Nix"),
        ("error.rs", "use super::event::Event;", "event::Event"),
        ("image/digest.rs", "mod tests { use super::super::super::nix::Nix; }", "nix::Nix"),
        ("image/digest.rs", "fn f() { crate :: http :: clean(\"\") }", "http::clean"),
        ("image/digest.rs", "use crate as all;", ""),
        ("image/digest.rs", "use crate::*;", "*"),
        ("sandbox/core.rs", "use crate::fly::Client;", "fly::Client"),
        ("sandbox/core.rs", "use crate::fly::{wire, Client};", "fly::Client"),
        ("source/detect.rs", "use crate::nix::Nix;", "nix::Nix"),
        ("brandnew.rs", "use crate::image::Digest;", "image::Digest"),
    ] {
        let expected = format!("{file} imports {wrong}");
        let found = wrong_imports(Path::new(file), text);
        assert!(found.contains(&expected), "{text}\n{found:?}");
    }
}

#[test]
fn imports_within_the_table_are_left_alone() {
    for (file, text) in [
        ("image/digest.rs", "use crate::error::Explain; use super::Tag; use crate::image::DiffId;"),
        (
            "image/digest.rs",
            "// use crate::http::Secret;\n/* crate::nix */ const A: &str = \"crate::nix\";",
        ),
        ("image/digest.rs", "const A: char = '\"'; const B: &str = r#\"\"use crate::nix;\"#;"),
        ("cli/report/json.rs", "use super::super::output::Output;"),
        ("source/detect.rs", "mod tests { use super::super::Member; } use crate::nix::StorePath;"),
        ("sandbox/machine/life.rs", "pub(in crate::sandbox) use crate::fly::wire::Machine;"),
    ] {
        assert_eq!(wrong_imports(Path::new(file), text), Vec::<String>::new(), "{text}");
    }
}

/// Returns the files that `which` picks and that hold one of `words`.
fn files_with(which: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in files() {
        let (file, code) = (file.to_str().unwrap().to_owned(), code_of(&text));
        if which(&file) {
            let there = words.iter().filter(|word| code.contains(**word));
            found.extend(there.map(|word| format!("{file}: {word}")));
        }
    }
    found
}

#[test]
fn only_the_command_line_prints() {
    let words =
        ["print!", "println!", "dbg!", "io::stdout", "io::stderr", "anstream::", "indicatif::"];
    assert_eq!(files_with(|file| !file.starts_with("cli/"), &words), Vec::<String>::new());
}

#[test]
fn one_file_reads_the_environment() {
    let words = ["env::var", "env::args", "env::current_dir"];
    assert_eq!(files_with(|file| file != "cli/env.rs", &words), Vec::<String>::new());
}

#[test]
fn plans_are_made_without_waiting_and_without_a_clock() {
    let words = ["async", "await", "Instant", "SystemTime", "tokio"];
    let plans = ["rollout/plan/", "rollout/judge.rs", "push/ledger.rs"];
    let is_of = |file: &str, plan: &str| file.starts_with(plan);
    let is_plan = |file: &str| plans.iter().any(|plan| is_of(file, plan));
    assert_eq!(files_with(is_plan, &words), Vec::<String>::new());
    let is_there = |plan: &&str| files().keys().any(|file| is_of(file.to_str().unwrap(), plan));
    assert!(plans.iter().all(is_there));
}

#[test]
fn images_are_described_without_input_or_output() {
    let words = ["async", "tokio", "reqwest", "std::fs", "TcpStream", "std::process", "File::"];
    assert_eq!(files_with(|file| file.starts_with("image/"), &words), Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_can_be_kept_in_mind() {
    let tests_begin = |text: &str| text.lines().position(|line| line == "#[cfg(test)]");
    let code_lines = |text: &str| {
        // What declares a file of tests has its own code below that; tests follow it.
        let has_foot = text.contains("\nmod tests {");
        tests_begin(text).filter(|_| has_foot).unwrap_or(text.lines().count())
    };
    let long: Vec<_> = files()
        .iter()
        .map(|(file, text)| (file.clone(), code_lines(text)))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    assert_eq!(long, []);
}
