//! Finding the plan behind a stream script.
//!
//! What `streamLayeredImage` builds is a few lines of shell that run a Python script with a
//! plan. If a script is these lines and nothing else, its image can be made from the plan.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::Error;
use super::conf::{Plan, read_bytes};
use super::interpreter;
use crate::layer::PythonTar;
use crate::nix::StorePath;

/// The largest script that is looked through, in bytes.
const MAX_SCRIPT_BYTES: u64 = 1 << 20;

/// What is behind a stream script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) enum Found {
    /// A plan that gives the same image.
    Plan(Box<Plan>),
    /// A plan, but it is not certain to give the same image.
    RunTheScript {
        /// Why not, as a sentence without a full stop.
        why: String,
    },
    /// Nothing that is known.
    NotAPlanScript,
}

/// What a script's one command runs.
#[derive(Debug, PartialEq, Eq)]
struct Invocation<'a> {
    /// What runs the Python script, where the command says it.
    interpreter: Option<&'a str>,
    /// The Python script.
    program: &'a str,
    plan: &'a str,
}

/// Looks for the plan that `script` is run with. The script itself is not run, but an
/// interpreter whose path does not tell its version is asked for it.
///
/// # Errors
///
/// Fails when the script cannot be read.
pub(in crate::source) fn plan_of_script(script: &Path) -> Result<Found, Error> {
    let text =
        read_text(script).map_err(|source| Error::Open { path: script.to_owned(), source })?;
    let Some(text) = text.filter(|text| text.starts_with("#!")) else {
        return Ok(Found::NotAPlanScript);
    };
    let plans: Vec<_> = plan_paths(&text).collect();
    let Some(&path) = plans.first() else { return Ok(Found::NotAPlanScript) };
    let bytes = match read_bytes(Path::new(path)) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Found::RunTheScript { why: error.to_string() }),
    };
    if !has_layers(&bytes) {
        return Ok(Found::NotAPlanScript);
    }
    let plan = invocation(&text)
        .ok_or_else(|| "the script does more than to stream a plan".to_owned())
        .and_then(|invocation| {
            let format = format_of(&invocation)?;
            let path = Path::new(invocation.plan);
            Plan::parse(path, &bytes, format, SystemTime::now()).map_err(|error| error.to_string())
        });
    Ok(match plan {
        Ok(plan) => Found::Plan(Box::new(plan)),
        Err(why) => Found::RunTheScript { why },
    })
}

/// Reads a script, unless it is too long to be one, or no text.
fn read_text(path: &Path) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SCRIPT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SCRIPT_BYTES {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

/// Returns the store paths in `text` that are called like plans.
fn plan_paths(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_plain(c))
        .filter(|word| word.ends_with("-conf.json") && word.parse::<StorePath>().is_ok())
}

fn has_layers(plan: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        store_layers: Option<IgnoredAny>,
    }
    serde_json::from_slice(plan).is_ok_and(|probe: Probe| probe.store_layers.is_some())
}

/// Returns what the script runs, if that is all it does:
/// `exec [-a "$0"] [PYTHON] PROGRAM PLAN "$@"`.
fn invocation(text: &str) -> Option<Invocation<'_>> {
    let mut lines = text.lines().skip(1).map(str::trim);
    let mut commands = lines.by_ref().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (command, None) = (commands.next()?, commands.next()) else { return None };
    // What quotes are for has no meaning here: the words between them are plain.
    let words: Vec<_> = command.split_ascii_whitespace().map(unquoted).collect();
    let words = words.strip_prefix(&["exec"])?.strip_suffix(&["$@"])?;
    let words = words.strip_prefix(&["-a", "$0"]).unwrap_or(words);
    let (interpreter, program, plan) = match *words {
        [program, plan] => (None, program, plan),
        [interpreter, program, plan] => (Some(interpreter), program, plan),
        _ => return None,
    };
    let plain = |word: &str| word.chars().all(is_plain);
    let good = plain(program)
        && program.starts_with('/')
        && interpreter.is_none_or(|word| plain(word) && !word.starts_with('-'))
        && plan_paths(plan).eq([plan]);
    good.then_some(Invocation { interpreter, program, plan })
}

fn unquoted(word: &str) -> &str {
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word)
}

/// Returns whether a shell takes a character for itself, and a store path may have it.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/+-._?=".contains(c)
}

/// Looks into the Python script for who runs it.
fn format_of(invocation: &Invocation<'_>) -> Result<PythonTar, String> {
    let program = invocation.program;
    let text = read_text(Path::new(program))
        .map_err(|error| format!("`{program}` cannot be read: {error}"))?
        .filter(|text| text.contains("store_layers"))
        .ok_or_else(|| format!("`{program}` is not the script of nixpkgs"))?;
    // `/nix` and `/nix/store` once had other permissions.
    if text.contains("0o0555") {
        return Err(format!("`{program}` is the script of an older nixpkgs"));
    }
    let interpreter = match invocation.interpreter {
        Some(interpreter) => interpreter,
        None => shebang(&text).ok_or_else(|| format!("`{program}` names no interpreter"))?,
    };
    interpreter::format_of(interpreter)
}

/// Returns the interpreter that a script's first line names.
fn shebang(text: &str) -> Option<&str> {
    let mut words = text.strip_prefix("#!")?.lines().next()?.split_ascii_whitespace();
    let first = words.next()?;
    if !first.ends_with("/env") {
        return Some(first);
    }
    words.find(|word| *word != "-S").filter(|word| !word.starts_with('-') && !word.contains('='))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const STORE: &str = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r";

    /// A store with a plan in it, a Python script that could run it, and stream scripts.
    struct Store(tempfile::TempDir);

    impl Store {
        fn new() -> Self {
            let store = Self(tempfile::tempdir().unwrap());
            let conf = serde_json::json!({
                "architecture": "amd64",
                "config": {},
                "store_dir": store.0.path(),
                "from_image": null,
                "store_layers": [],
                "customisation_layer": store.path("layer"),
                "repo_tag": "greeter:1",
                "created": "1970-01-01T00:00:01+00:00",
                "mtime": "1970-01-01T00:00:01+00:00",
                "uid": "0",
                "gid": "0",
                "uname": "root",
                "gname": "root",
            });
            store.write("greeter-conf.json", &conf.to_string());
            store.stream("python3-3.12.8/bin/python3", "");
            store
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(format!("l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-{name}"))
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        /// Writes the Python script.
        fn stream(&self, python: &str, more: &str) {
            self.write("stream", &format!("#!{STORE}-{python}\nconf['store_layers']{more}\n"));
        }

        /// Looks behind a script of some lines, in which `STREAM` and `CONF` are paths.
        fn find(&self, lines: &str) -> Found {
            let text = lines
                .replace("STREAM", self.path("stream").to_str().unwrap())
                .replace("CONF", self.path("greeter-conf.json").to_str().unwrap());
            self.write("stream-greeter", &text);
            plan_of_script(&self.path("stream-greeter")).unwrap()
        }

        fn plan(&self, format: PythonTar) -> Found {
            let path = self.path("greeter-conf.json");
            let bytes = fs::read(&path).unwrap();
            let plan = Plan::parse(&path, &bytes, format, SystemTime::now()).unwrap();
            Found::Plan(Box::new(plan))
        }
    }

    const WRAPPED: &str = "#! /nix/store/x/bin/bash -e\nexec -a \"$0\" \"STREAM\"  CONF \"$@\" \n";

    #[test]
    fn the_forms_of_stream_scripts_give_their_plan() {
        let store = Store::new();
        assert_eq!(store.find(WRAPPED), store.plan(PythonTar::Pax));
        let python = format!("{STORE}-python3-3.8.2/bin/python3");
        for form in [
            "exec PYTHON STREAM CONF \"$@\"",
            "# why\n\nexec -a \"$0\" \"PYTHON\"  STREAM CONF \"$@\"",
        ] {
            let script = format!("#!/bin/sh\n{form}\n").replace("PYTHON", &python);
            assert_eq!(store.find(&script), store.plan(PythonTar::Pax38), "{script}");
        }
        store.stream("python3-3.7.4-env/bin/python", "");
        assert_eq!(store.find(WRAPPED), store.plan(PythonTar::Gnu));
    }

    #[test]
    fn a_script_that_does_anything_else_is_run() {
        let store = Store::new();
        for lines in [
            "exec STREAM CONF --repo_tag x:1 \"$@\"",
            "exec STREAM CONF \"$@\" | gzip",
            "STREAM CONF \"$@\"",
            "exec STREAM CONF",
            "export LANG=C\nexec STREAM CONF \"$@\"",
            "exec -a \"$0\" STREAM $CONF \"$@\"",
            "exec -a \"$0\" $(STREAM) CONF \"$@\"",
            "exec -c STREAM CONF \"$@\"",
            "exec stream CONF \"$@\"",
            "exec STREAM CONF \"$@\"; rm CONF",
            "exec STREAM 'CONF' \"$@\"",
        ] {
            let found = store.find(&format!("#!/bin/sh\n{lines}\n"));
            let why = "the script does more than to stream a plan".to_owned();
            assert_eq!(found, Found::RunTheScript { why }, "{lines}");
        }
    }

    #[test]
    fn what_cannot_be_promised_is_said() {
        let store = Store::new();
        let why = |store: &Store| match store.find(WRAPPED) {
            Found::RunTheScript { why } => why,
            other => panic!("{other:?}"),
        };
        store.stream("python3-3.99.0/bin/python3", "");
        assert!(why(&store).contains("Python 3.99"));
        store.stream("python3-3.9.0/bin/python3", "; ti.mode = 0o0555");
        assert!(why(&store).contains("older nixpkgs"));
        store.write("stream", "#!/nix/store/python3-3.9.0/bin/python3\nprint('no image')\n");
        assert!(why(&store).contains("not the script of nixpkgs"));
        fs::remove_file(store.path("stream")).unwrap();
        assert!(why(&store).contains("cannot be read"));

        let store = Store::new();
        store.write("greeter-conf.json", "{\"store_layers\": []}");
        assert!(why(&store).contains("missing field"));
        fs::remove_file(store.path("greeter-conf.json")).unwrap();
        assert!(why(&store).contains("cannot open"));
    }

    #[test]
    fn other_programs_have_no_plan() {
        let store = Store::new();
        let other = format!("#!/bin/sh\ncat {STORE}-greeter.tar # no conf.json\n");
        for text in ["", "STREAM CONF", "#!/bin/sh\necho\n", &other, "#!\u{0}CON"] {
            assert_eq!(store.find(text), Found::NotAPlanScript, "{text:?}");
        }
        store.write("greeter-conf.json", "{\"layers\": []}");
        assert_eq!(store.find(WRAPPED), Found::NotAPlanScript);
        fs::write(store.path("large"), vec![b'#'; 2 << 20]).unwrap();
        assert_eq!(plan_of_script(&store.path("large")).unwrap(), Found::NotAPlanScript);
        assert!(matches!(plan_of_script(&store.path("nothing")), Err(Error::Open { .. })));
    }

    #[test]
    fn the_first_line_names_the_interpreter() {
        for (text, interpreter) in [
            ("#!/usr/bin/python3 -I\n", Some("/usr/bin/python3")),
            ("#! /usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -I\n", Some("python3")),
            ("#!/usr/bin/env A=1 python3\n", None),
            ("#!\n", None),
            ("print()", None),
        ] {
            assert_eq!(shebang(text), interpreter, "{text}");
        }
    }
}
