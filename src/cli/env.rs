//! The only reader of the process's environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::exit::Failure;

/// The process's environment, read once.
pub(super) struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// Reads the environment.
    pub(super) fn read() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        Self(std::env::vars_os().collect())
    }

    /// Returns a variable that is set, not empty, and text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.os(name)?.to_str()
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns the folder for what may be lost, by the XDG base directory specification.
    ///
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub(super) fn cache_folder(&self) -> Option<PathBuf> {
        let absolute = |name| self.os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Some(cache?.join("snowbird"))
    }

    /// Returns the first of `names` that is present and its value, even an empty one.
    ///
    /// flyctl looks so for its token: an empty `FLY_ACCESS_TOKEN` hides `FLY_API_TOKEN`.
    pub(super) fn first_present<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| Some((*name, self.0.get(OsStr::new(name))?.to_str()?)))
    }

    /// Returns whether somebody looks at stderr: it is a terminal, and no CI's.
    pub(super) fn is_interactive(&self) -> bool {
        std::io::stderr().is_terminal()
            && self.os("CI").is_none()
            && self.text("TERM") != Some("dumb")
    }

    /// Returns the folder of flyctl's own files.
    pub(super) fn fly_folder(&self) -> Option<PathBuf> {
        match self.os("FLY_CONFIG_DIR") {
            Some(folder) => Some(folder.into()),
            None => Some(PathBuf::from(self.os("HOME")?).join(".fly")),
        }
    }

    /// Returns the files that hold docker's and podman's logins, the likeliest first.
    pub(super) fn registry_logins(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        files.extend(self.os("REGISTRY_AUTH_FILE").map(PathBuf::from));
        let runtime = self.os("XDG_RUNTIME_DIR").map(PathBuf::from);
        files.extend(runtime.map(|folder| folder.join("containers/auth.json")));
        let docker = self.os("DOCKER_CONFIG").map(PathBuf::from);
        let docker = docker.or_else(|| Some(PathBuf::from(self.os("HOME")?).join(".docker")));
        files.extend(docker.map(|folder| folder.join("config.json")));
        files
    }

    /// Reads the certificate authorities that Nix names. `SSL_CERT_FILE` is read by the TLS
    /// library itself.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub(super) fn certificates(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = self.os("NIX_SSL_CERT_FILE").map(PathBuf::from) else { return Ok(None) };
        // Nix names this one when there is none.
        if path.as_os_str() == "/no-cert-file.crt" {
            return Ok(None);
        }
        match fs::read(&path) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) => Err(Failure::config(&format!(
                "cannot read `{}`, which `NIX_SSL_CERT_FILE` names: {error}",
                path.display()
            ))),
        }
    }
}

#[cfg(test)]
impl FromIterator<(&'static str, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
