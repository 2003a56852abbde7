//! The `nix` command: finding it, running it, stopping it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::diagnosis::Failure;
use super::error::Error;
use super::progress::Progress;

/// How long Nix may take to clean up after it has been interrupted.
const GRACE: Duration = Duration::from_secs(5);

/// How long the last output may take to arrive after Nix has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// How much of an answer is read, in bytes. Descriptions of large flakes are some 100 kB.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// How much of one line of standard error is kept, in bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The `nix` command of this machine.
#[derive(Debug, Clone)]
pub struct Nix {
    program: PathBuf,
}

impl Nix {
    /// Looks for `nix` in the folders of `path_var`, the value of PATH.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if no folder holds it, or there are no folders.
    pub fn find(path_var: Option<&OsStr>) -> Result<Self, Error> {
        let folders = path_var.unwrap_or_default();
        let program =
            which::which_in("nix", Some(folders), Path::new(".")).map_err(Error::NotFound)?;
        Ok(Self { program })
    }

    /// Returns the file that was found.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs `nix` with the features that all of snowbird's questions need and returns its
    /// standard output; standard error goes to `progress`, line by line.
    ///
    /// The inner result is Nix's, the outer one is about running it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix, which then stops its builders and cleans up; one
    /// that goes on is killed five seconds later, or when this process ends.
    pub(super) async fn run(
        &self,
        arguments: &[OsString],
        mut progress: Progress<'_>,
    ) -> Result<Result<Vec<u8>, Failure>, Error> {
        let failed = |source| Error::Run { program: self.program.clone(), source };
        tracing::debug!(program = %self.program.display(), ?arguments, "running nix");
        let mut command = Command::new(&self.program);
        command
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Else Ctrl-C would reach Nix from the terminal and from us.
            .process_group(0)
            // Outside of the terminal's own group, git and ssh would be stopped for ever when
            // they asked for a password there: let them fail, or ask in a window.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let mut running = Running(Some(child));
        let (stdout, stderr) = pipes.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;

        let mut answer = Vec::new();
        let status = {
            let reading = async {
                tokio::try_join!(
                    read_answer(stdout, &mut answer),
                    read_lines(stderr, |line| progress.line(line)),
                )
            };
            let mut reading = pin!(reading);
            tokio::select! {
                read = &mut reading => {
                    read.map_err(failed)?;
                    running.wait().await.map_err(failed)?
                }
                status = running.wait() => {
                    // A process that Nix has left behind may hold its pipes open.
                    if let Ok(read) = timeout(DRAIN, reading).await {
                        read.map_err(failed)?;
                    }
                    status.map_err(failed)?
                }
            }
        };

        if status.success() {
            return Ok(Ok(answer));
        }
        let (messages, failed) = progress.finish();
        Ok(Err(Failure { status, messages, failed }))
    }
}

async fn read_answer(stdout: impl AsyncRead + Unpin, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stdout = stdout.take(MAX_ANSWER_BYTES);
    stdout.read_to_end(answer).await?;
    // What is beyond must be read all the same, or Nix would wait for ever.
    tokio::io::copy(&mut stdout.into_inner(), &mut tokio::io::sink()).await?;
    Ok(())
}

async fn read_lines(stderr: impl AsyncRead + Unpin, mut take: impl FnMut(&str)) -> io::Result<()> {
    let mut stderr = BufReader::new(stderr);
    while let Some(line) = next_line(&mut stderr).await? {
        take(&line);
    }
    Ok(())
}

/// Reads a line, keeping no more of it than [`MAX_LINE_BYTES`].
async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() && line.is_empty() {
            return Ok(None);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let room = MAX_LINE_BYTES - line.len();
        line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        let is_over = end.is_some() || available.is_empty();
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        if is_over {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

/// A process that is interrupted when nobody waits for it any more.
struct Running(Option<Child>);

impl Running {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => {
                let status = child.wait().await?;
                self.0 = None;
                Ok(status)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        // SIGKILL at once would leave the builders of a Nix without a daemon running, and
        // SIGINT is ignored by whatever a script has started in the background.
        if let Err(error) = kill_process_group(pid, Signal::TERM) {
            tracing::debug!(%error, "cannot interrupt nix");
        }
        // The thread owns the child: when it ends, kill_on_drop makes sure.
        let wait = move || {
            const STEP: Duration = Duration::from_millis(50);
            for _ in 0..GRACE.as_millis() / STEP.as_millis() {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(STEP);
            }
            drop(child);
        };
        if let Err(error) = thread::Builder::new().name("nix-grace".into()).spawn(wait) {
            tracing::debug!(%error, "cannot wait for nix to end");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Explain as _;
    use crate::event::Silent;

    /// A folder with a `nix` that is this shell script.
    fn stand_in(script: &str) -> (TempDir, Nix) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nix");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let nix = Nix::find(Some(folder.path().as_os_str())).unwrap();
        (folder, nix)
    }

    async fn run(nix: &Nix) -> Result<Result<Vec<u8>, Failure>, Error> {
        // On a busy machine another test may have forked while the script was being written.
        for _ in 0..20 {
            match nix.run(&["build".into(), ".#x".into()], Progress::new(&Silent)).await {
                Err(Error::Run { source, .. })
                    if source.kind() == io::ErrorKind::ExecutableFileBusy =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                result => return result,
            }
        }
        panic!("the stand-in stays busy");
    }

    #[test]
    fn without_nix_the_error_says_how_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        for path_var in [None, Some(empty.path().as_os_str())] {
            let error = Nix::find(path_var).unwrap_err();
            assert_eq!(error.code(), "nix.not-found");
            assert!(error.hint().unwrap().contains("nixos.org"));
        }
    }

    #[tokio::test]
    async fn arguments_and_features_reach_nix() {
        let (_folder, nix) = stand_in(r#"for a in "$@"; do echo "[$a]"; done"#);
        let answer = run(&nix).await.unwrap().unwrap();
        let wanted = "[--extra-experimental-features]\n[nix-command flakes]\n[build]\n[.#x]\n";
        assert_eq!(String::from_utf8(answer).unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_failure_carries_what_was_said_on_standard_error() {
        let (_folder, nix) = stand_in("echo 'error: no' >&2; printf 'cut off' >&2; exit 3");
        let failure = run(&nix).await.unwrap().unwrap_err();
        assert_eq!(failure.status.code(), Some(3));
        assert_eq!(failure.messages.errors.first().unwrap().brief, "no");
        assert_eq!(failure.messages.stray, ["cut off"]);
    }

    #[tokio::test]
    async fn nobody_is_asked_for_a_password_on_the_terminal() {
        let (_folder, nix) = stand_in("echo $GIT_TERMINAL_PROMPT $SSH_ASKPASS_REQUIRE");
        assert_eq!(run(&nix).await.unwrap().unwrap(), b"0 force\n");
    }

    #[tokio::test]
    async fn a_process_left_behind_holds_nobody_up() {
        let (_folder, nix) = stand_in("sleep 20 & echo the answer; echo 'error: x' >&2");
        let started = Instant::now();
        assert_eq!(run(&nix).await.unwrap().unwrap(), b"the answer\n");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_bounded_memory() {
        let long = vec![b'x'; 3 * MAX_LINE_BYTES];
        let mut reader = BufReader::new(long.as_slice());
        assert_eq!(next_line(&mut reader).await.unwrap().unwrap().len(), MAX_LINE_BYTES);
        assert_eq!(next_line(&mut reader).await.unwrap(), None);
    }

    #[tokio::test]
    async fn lines_are_parted_at_their_ends() {
        let mut reader = BufReader::with_capacity(3, b"one\n\ntwo\xff".as_slice());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "", "two\u{fffd}"]);
    }

    /// Starts `script`, drops the future when the script has written its file `started`, and
    /// returns how long it then took until `ended` was there or the process gone.
    async fn drop_while_running(script: &str) -> (TempDir, Duration) {
        let (folder, nix) = stand_in(&format!("cd \"$(dirname \"$0\")\"; {script}"));
        let started = folder.path().join("started");
        tokio::select! {
            result = run(&nix) => panic!("{result:?}"),
            () = async {
                while !fs::read_to_string(&started).is_ok_and(|pid| pid.ends_with('\n')) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            } => {}
        }
        let pid: i32 = fs::read_to_string(&started).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        let dropped = Instant::now();
        while rustix::process::test_kill_process(pid).is_ok() {
            assert!(dropped.elapsed() < 3 * GRACE, "the process goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (folder, dropped.elapsed())
    }

    #[tokio::test]
    async fn a_run_that_is_dropped_is_interrupted_and_may_clean_up() {
        // The shell tells of `sleep`'s end, and would die of the pipe that nobody reads.
        let script = "exec 2>/dev/null; trap 'echo > ended; exit 1' TERM; echo $$ > started; \
                      while :; do sleep 0.05; done";
        let (folder, took) = drop_while_running(script).await;
        assert!(folder.path().join("ended").exists());
        assert!(took < GRACE, "{took:?}");
    }

    #[tokio::test]
    async fn a_run_that_ignores_the_interrupt_is_killed() {
        let script = "trap '' TERM; echo $$ > started; while :; do sleep 0.05; done";
        let (_folder, took) = drop_while_running(script).await;
        assert!(took >= GRACE, "{took:?}");
    }
}
