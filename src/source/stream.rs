//! Stream scripts: programs that write a docker archive to stdout.
//!
//! nixpkgs' script can hang for ever when its reader goes away, and it starts helpers, so
//! it runs in a process group of its own, and that is killed whatever happens.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::interrupt::Guard;
use super::{Error, Interrupt};

/// How many lines of stderr are kept for the error.
const KEPT_LINES: usize = 20;

/// Variables that hold secrets, which are no business of a script that writes an archive.
pub(super) const SECRETS: [&str; 3] = ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN"];

/// How long a script may go on after it has closed stdout.
const EXIT_TIME: Duration = Duration::from_secs(10);

/// A script that runs. It is killed when this is dropped.
pub(super) struct Running<'a> {
    child: Child,
    stderr: Option<JoinHandle<Vec<String>>>,
    group: Option<Guard<'a>>,
}

/// Starts `script`, and gives its stdout.
///
/// # Errors
///
/// Fails when the script cannot be run.
pub(super) fn start<'a>(
    script: &Path,
    interrupt: &'a Interrupt,
) -> Result<(Running<'a>, ChildStdout), Error> {
    let cannot = |source| Error::Script { path: script.to_owned(), source };
    let mut command = Command::new(script);
    for name in SECRETS {
        command.env_remove(name);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let group = group.map(|group| interrupt.guard(group));
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(cannot(std::io::Error::other("no pipe to the script")));
    };
    let stderr = thread::spawn(move || last_lines(stderr));
    Ok((Running { child, stderr: Some(stderr), group }, stdout))
}

impl Running<'_> {
    /// Waits for the script's end, after its stdout was read to the end.
    ///
    /// # Errors
    ///
    /// Fails when the script failed, or does not end.
    pub(super) fn finish(mut self, script: &Path) -> Result<(), Error> {
        let cannot = |source| Error::Script { path: script.to_owned(), source };
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().map_err(cannot)? {
                Some(status) => break status.to_string(),
                None if start.elapsed() > EXIT_TIME => {
                    break "it closed its output, but does not end".to_owned();
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        if status == "exit status: 0" {
            return Ok(());
        }
        // The group must be gone before its stderr can be read to the end.
        self.group = None;
        let stderr = self.stderr.take().and_then(|lines| lines.join().ok()).unwrap_or_default();
        Err(Error::ScriptFailed { path: script.to_owned(), status, stderr })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.group = None;
        if let Err(error) = self.child.wait() {
            tracing::debug!(%error, "script not waited for");
        }
    }
}

fn last_lines(stderr: ChildStderr) -> Vec<String> {
    let mut lines = VecDeque::new();
    let mut reader = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        // A line without an end must not fill the memory.
        match reader.by_ref().take(4096).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                lines.push_back(text.chars().filter(|c| !c.is_control()).collect());
                if lines.len() > KEPT_LINES {
                    lines.pop_front();
                }
            }
        }
    }
    lines.into()
}
