//! What a Nix is, and whether it can build for Fly.

use std::ffi::OsString;
use std::fs;

use serde::Deserialize;
use serde_json::Value;

use crate::event::Silent;

use super::command::Nix;
use super::diagnosis::Failure;
use super::error::Error;
use super::progress::Progress;
use super::text::clean_line;

/// What Fly's machines are.
const SYSTEM: &str = "x86_64-linux";

/// The oldest version whose answers are understood.
const OLDEST: (u32, u32) = (2, 8);

/// What a Nix says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// Its version, such as `2.31.2`, or all that it says if that holds none.
    pub version: String,
    /// Whether that is new enough for snowbird.
    pub is_new_enough: bool,
    /// The system that it builds for by default.
    pub system: String,
    /// Who builds for x86_64-linux.
    pub builds: Builds,
}

/// Who builds for x86_64-linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builds {
    /// This machine.
    Here,
    /// Another machine, that Nix knows as a builder.
    Elsewhere,
    /// Nobody: only what a cache has can be had.
    Nobody,
}

/// The settings that decide on it. Versions differ in what else they tell of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    system: Setting,
    #[serde(rename = "extra-platforms")]
    extra_platforms: Setting,
    builders: Setting,
    #[serde(rename = "max-jobs")]
    max_jobs: Setting,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Setting {
    value: Value,
}

impl Nix {
    /// Asks Nix what it is and for what it can build. Builds and evaluates nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] or [`Error::Answer`] when Nix fails or gives an answer of a form
    /// that is not known; the others are about running it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix and leaves nothing behind.
    pub async fn about(&self) -> Result<About, Error> {
        let version = self.tell(&["--version"]).await?;
        let version = version.map_err(|failure| failure.diagnose("--version"))?;
        // The newer name, and that of before 2.20.
        let mut settings = self.tell(&["config", "show", "--json"]).await?;
        if settings.is_err() {
            settings = self.tell(&["show-config", "--json"]).await?;
        }
        let settings = settings.map_err(|failure| failure.diagnose("show-config"))?;
        let settings = serde_json::from_slice(&settings).map_err(|source| Error::Answer {
            text: clean_line(String::from_utf8_lossy(&settings).lines().next().unwrap_or_default()),
            source: Some(source),
        })?;
        Ok(about(&String::from_utf8_lossy(&version), &settings))
    }

    async fn tell(&self, arguments: &[&str]) -> Result<Result<Vec<u8>, Failure>, Error> {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        self.run(&arguments, Progress::new(&Silent)).await
    }
}

fn about(version: &str, settings: &Settings) -> About {
    let said = clean_line(version.lines().next().unwrap_or_default());
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let number = said.split_whitespace().rev().find(is_number);
    let mut parts = number.unwrap_or_default().split('.').map(str::parse);
    let is_new_enough = match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        // Who does not tell is believed.
        _ => true,
    };
    let system = settings.system.value.as_str().unwrap_or_default();
    let extra = settings.extra_platforms.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let fits = system == SYSTEM || extra.iter().any(|platform| platform == SYSTEM);
    let idle = settings.max_jobs.value == 0;
    About {
        version: number.map_or_else(|| said.clone(), str::to_owned),
        is_new_enough,
        system: system.to_owned(),
        builds: match fits && !idle {
            true => Builds::Here,
            false if has_builders(settings.builders.value.as_str().unwrap_or_default()) => {
                Builds::Elsewhere
            }
            false => Builds::Nobody,
        },
    }
}

/// Whether there is a builder for x86_64-linux in a list of them, or in the file that `@`
/// names: usually `/etc/nix/machines`, which usually does not exist.
fn has_builders(setting: &str) -> bool {
    setting.split([';', '\n']).map(str::trim).any(|builder| match builder.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).is_ok_and(|text| text.lines().any(is_builder)),
        None => is_builder(builder),
    })
}

/// A builder is a URI and its systems; without systems it builds for what Nix runs on.
fn is_builder(line: &str) -> bool {
    let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
    words.next().is_some()
        && words.next().is_some_and(|systems| systems.split(',').any(|system| system == SYSTEM))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(version: &str, system: &str, builders: &str, max_jobs: u32) -> About {
        let settings = json!({
            "system": {"value": system, "description": "…"},
            "extra-platforms": {"value": ["i686-linux"]},
            "builders": {"value": builders},
            "max-jobs": {"value": max_jobs},
            "experimental-features": {"value": [2, 3]},
        });
        about(version, &serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn who_builds_is_seen_by_system_and_builders() {
        let machines = tempfile::NamedTempFile::new().unwrap();
        let text = "# none yet\nssh://mac aarch64-darwin\nssh://b x86_64-linux,i686-linux - 4\n";
        fs::write(&machines, text).unwrap();
        let file = format!("@{}", machines.path().display());
        for (system, builders, max_jobs, builds) in [
            ("x86_64-linux", "@/nowhere/machines", 1, Builds::Here),
            ("x86_64-linux", "", 0, Builds::Nobody),
            ("aarch64-darwin", "@/nowhere/machines", 8, Builds::Nobody),
            ("aarch64-darwin", "ssh://b", 8, Builds::Nobody),
            (
                "aarch64-darwin",
                "ssh://a aarch64-linux ; ssh://b x86_64-linux",
                8,
                Builds::Elsewhere,
            ),
            ("aarch64-darwin", &file, 8, Builds::Elsewhere),
        ] {
            let about = told("nix (Nix) 2.31.2\n", system, builders, max_jobs);
            assert_eq!((about.system.as_str(), about.builds), (system, builds), "{builders}");
        }
    }

    #[test]
    fn the_version_is_read_from_all_that_is_said() {
        for (said, version, is_new_enough) in [
            ("nix (Nix) 2.8.0\n", "2.8.0", true),
            ("nix (Nix) 2.7.0", "2.7.0", false),
            ("nix (Lix, like Nix) 2.93.3", "2.93.3", true),
            (
                "nix (Lix, like Nix) 2.96.0-dev-pre20260821-5f3a1c2",
                "2.96.0-dev-pre20260821-5f3a1c2",
                true,
            ),
            ("nix (Determinate Nix 3.11.2) 2.31.1", "2.31.1", true),
            ("nix (Determinate Nix 3.22.2) 2.35.2\n", "2.35.2", true),
            ("nix (Nix) 3.0pre20261124_abc", "3.0pre20261124_abc", true),
            ("something else", "something else", true),
        ] {
            let about = told(said, "x86_64-linux", "", 1);
            assert_eq!((about.version.as_str(), about.is_new_enough), (version, is_new_enough));
        }
    }
}
