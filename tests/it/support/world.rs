//! The program in a place of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// How long any run may take before the test gives it up.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Folders for one test, and the environment that its runs get: nothing but this.
pub(crate) struct World {
    root: TempDir,
    env: BTreeMap<OsString, OsString>,
}

impl World {
    /// Makes the folders `home`, `tmp` and `work`; the program runs in the last.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "work"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let mut world = Self { root, env: BTreeMap::new() };
        let (home, tmp) = (world.root.path().join("home"), world.tmp());
        world.set("PATH", path()).set("HOME", home).set("TMPDIR", tmp);
        world
    }

    /// Hands on what tells Nix where its configuration and its store are.
    pub(crate) fn with_nix(mut self) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
        let nix =
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NIX_"));
        self.env.extend(nix);
        self
    }

    /// Sets a variable for all runs from here on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Takes a variable away again.
    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// Returns the folder that the program runs in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Returns the folder for temporary files.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Returns the names of the files that are left for temporary ones.
    pub(crate) fn temporary_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.tmp()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    /// Writes a file into the folder `work`, readable by its owner alone.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.file_with_mode(name, content, 0o600)
    }

    /// Writes a program into the folder `work`.
    pub(crate) fn script(&self, name: &str, lines: &str) -> PathBuf {
        self.file_with_mode(name, format!("#!/bin/sh\n{lines}\n"), 0o700)
    }

    fn file_with_mode(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).wait()
    }

    /// Runs the program to its end, and returns too which files it and its children opened.
    pub(crate) fn run_traced(&self, arguments: &[&str]) -> (Outcome, Vec<String>) {
        let (outcome, trace) = self.trace(&["-z", "-e", "trace=open,openat"], arguments);
        let opened = trace.lines().filter_map(|line| line.split('"').nth(1).map(str::to_owned));
        (outcome, opened.collect())
    }

    /// Runs the program to its end, and returns too whom it and its children connected to, other
    /// than by a file: what strace writes of the address.
    pub(crate) fn run_listing_peers(&self, arguments: &[&str]) -> (Outcome, BTreeSet<String>) {
        let (outcome, trace) = self.trace(&["-e", "trace=connect,sendto"], arguments);
        let peers = trace.lines().filter(|line| line.contains("sa_family=AF_INET"));
        let address = |line: &str| {
            let (_, address) = line.split_once("sin").expect("an address");
            address.split('}').next().unwrap_or_default().to_owned()
        };
        (outcome, peers.map(address).collect())
    }

    fn trace(&self, what: &[&str], arguments: &[&str]) -> (Outcome, String) {
        let trace = self.work().join("trace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq"]).args(what).arg("-o").arg(&trace);
        strace.arg(env!("CARGO_BIN_EXE_snowbird"));
        let outcome = self.start_by(strace, arguments).wait();
        (outcome, fs::read_to_string(trace).expect("these tests need `strace` on PATH"))
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_by(Command::new(env!("CARGO_BIN_EXE_snowbird")), arguments)
    }

    fn start_by(&self, mut program: Command, arguments: &[&str]) -> Running {
        let mut child = program
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let typed = arguments.join(" ");
        Running { child, stdout: Some(stdout), stderr: Some(stderr), begun: Instant::now(), typed }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads its own environment")]
fn path() -> OsString {
    std::env::var_os("PATH").expect("these tests need PATH")
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).expect("output is text")
    })
}

/// A run that goes on. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    begun: Instant,
    typed: String,
}

impl Running {
    /// Returns the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program alone, not to what it has started.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Returns whether the run has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until `condition` holds.
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        while !condition() {
            if self.has_ended() {
                let output = self.output();
                panic!("`snowbird {}` ended before {what}\n{output:?}", self.typed);
            }
            assert!(self.begun.elapsed() < TIME_LIMIT, "no sign that {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end of the run.
    pub(crate) fn wait(mut self) -> Outcome {
        while !self.has_ended() {
            if self.begun.elapsed() > TIME_LIMIT {
                let _gone = self.child.kill();
                let (stdout, stderr) = self.output();
                panic!("`snowbird {}` does not end\n{stdout}\n{stderr}", self.typed);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let elapsed = self.begun.elapsed();
        let code = self.child.wait().unwrap().code();
        let (stdout, stderr) = self.output();
        Outcome { stdout, stderr, code, elapsed, typed: self.typed.clone() }
    }

    fn output(&mut self) -> (String, String) {
        let text = |pipe: Option<JoinHandle<String>>| pipe.unwrap().join().unwrap();
        (text(self.stdout.take()), text(self.stderr.take()))
    }

    /// Returns the command lines of the program and of all that it has started.
    pub(crate) fn command_lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut family = vec![self.pid()];
        while let Some(pid) = family.pop() {
            let process = Path::new("/proc").join(pid.to_string());
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            lines.insert(String::from_utf8_lossy(&line).replace('\0', " "));
            for thread in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                family.extend(children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
            }
        }
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A run that has ended is none to be killed.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) elapsed: Duration,
    typed: String,
}

impl Outcome {
    /// Returns the outcome of a run that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Returns the one line that is on stdout.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        let line = self.stdout.strip_suffix('\n').expect("a line on stdout");
        assert!(!line.contains('\n') && !line.is_empty(), "{self}");
        line
    }

    /// Returns the digest of the image that was pushed.
    #[track_caller]
    pub(crate) fn digest(&self) -> &str {
        let (_, digest) = self.line().split_once('@').expect("an image by digest");
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{self}");
        digest
    }

    /// Returns the JSON objects on stderr.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stderr.lines().map(parse).collect()
    }

    /// Returns the code word and the text of the error that ended the program: message,
    /// causes and hint, as they are told to people.
    #[track_caller]
    pub(crate) fn error(&self) -> (String, String) {
        let error = self.events_named("error").remove(0);
        let account: Account = serde_json::from_value(error).unwrap();
        let Account { code, message, causes, hint } = account;
        let hint = hint.map(|hint| format!("hint: {hint}"));
        (code, [vec![message], causes, Vec::from_iter(hint)].concat().join("\n"))
    }

    /// Returns the events of one name.
    #[track_caller]
    pub(crate) fn events_named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }
}

#[derive(Deserialize)]
struct Account {
    code: String,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stdout, stderr, code, elapsed, typed } = self;
        write!(f, "`snowbird {typed}` ended with {code:?} after {elapsed:?}\n{stdout}\n{stderr}")
    }
}
