//! Which Python runs a script, for that decides how it writes tars.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::stream::SECRETS;
use crate::layer::PythonTar;

/// How long an interpreter may take to say its version.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Returns how `interpreter`, an absolute path or a name on PATH, writes tars; or the reason
/// why that is not known.
pub(super) fn format_of(interpreter: &str) -> Result<PythonTar, String> {
    let (major, minor) = match version_in_store_path(interpreter) {
        Some(version) => version,
        None => ask(interpreter)?,
    };
    PythonTar::of_version(major, minor)
        .ok_or_else(|| format!("it is not known how Python {major}.{minor} writes tars"))
}

/// Reads the version from a store path: `/nix/store/…-python3-3.12.8/bin/python3.12`.
fn version_in_store_path(path: &str) -> Option<(u32, u32)> {
    let (_, version) = path.split_once("-python3-")?;
    version_numbers(version)
}

/// Runs the interpreter for its version.
fn ask(interpreter: &str) -> Result<(u32, u32), String> {
    let cannot = |error: std::io::Error| format!("`{interpreter}` does not run: {error}");
    let mut command = Command::new(interpreter);
    for name in SECRETS {
        command.env_remove(name);
    }
    let mut child = command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot)?;
    let stdout = child.stdout.take();
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < ANSWER_TIME => thread::sleep(Duration::from_millis(2)),
            // It hangs, or writes more than a pipe holds.
            _ => {
                let killed = child.kill().and_then(|()| child.wait());
                tracing::debug!(interpreter, ?killed, "interpreter ended");
                return Err(format!("`{interpreter}` does not say its version"));
            }
        }
    };
    let mut answer = [0; 64];
    let length = stdout.and_then(|mut pipe| pipe.read(&mut answer).ok()).unwrap_or_default();
    let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default());
    answer
        .strip_prefix("Python ")
        .and_then(version_numbers)
        .filter(|_| status.success())
        .ok_or_else(|| format!("`{interpreter}` does not say its version"))
}

/// Reads `3.12` at the beginning of a version.
fn version_numbers(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..digits)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_store_path_says_its_version() {
        let store = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r";
        for (path, format) in [
            ("python3-3.12.8/bin/python3.12", PythonTar::Pax),
            ("python3-3.13.0rc1-env/bin/python", PythonTar::Pax),
            ("python3-3.8.18/bin/python3", PythonTar::Pax38),
            ("python3-3.7/bin/python3", PythonTar::Gnu),
        ] {
            assert_eq!(format_of(&format!("{store}-{path}")), Ok(format), "{path}");
        }
        let future = format_of(&format!("{store}-python3-3.99.1/bin/python3")).unwrap_err();
        assert_eq!(future, "it is not known how Python 3.99 writes tars");
    }

    #[test]
    fn others_are_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("python");
        for (script, expected) in [
            ("echo Python 3.8.1", "Ok(Pax38)"),
            ("echo 'Python 3.10.14 (x, y)'", "Ok(Pax)"),
            ("echo Python 2.7.18 >&2", "does not say"),
            ("echo Python 3.8.1; exit 1", "does not say"),
            ("echo Perl 3.8.1", "does not say"),
        ] {
            let text = folder.path().join("text");
            fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
            // A file that this process writes cannot be run while another test forks.
            assert!(Command::new("cp").args([&text, &path]).status().unwrap().success());
            let found = format!("{:?}", format_of(path.to_str().unwrap()));
            assert!(found.contains(expected), "{script}: {found}");
        }
        let found = format_of("no-such-python-anywhere").unwrap_err();
        assert!(found.contains("does not run"), "{found}");
    }
}
