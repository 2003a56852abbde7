//! From an installable to a store path.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use serde::Deserialize;
use tempfile::TempDir;

use crate::event::{Event, Reporter};

use super::command::Nix;
use super::error::Error;
use super::installable::Installable;
use super::progress::Progress;
use super::store::StorePath;
use super::text::clean_line;

/// An output that was built, and will not be collected while this value lives.
#[derive(Debug)]
pub struct BuildOutput {
    path: StorePath,
    /// Holds the link that Nix has registered as a GC root.
    _gc_root: TempDir,
}

impl BuildOutput {
    /// Returns where the output is.
    pub fn path(&self) -> &Path {
        self.path.as_path()
    }

    /// Returns the same as a store path.
    pub fn store_path(&self) -> &StorePath {
        &self.path
    }
}

impl Nix {
    /// Builds `installable`, or fetches it from a binary cache, and keeps it.
    ///
    /// Of several outputs of one derivation, `out` is taken. `extra` goes to `nix build` as
    /// it is, after all else.
    ///
    /// # Errors
    ///
    /// [`Error::Build`], [`Error::Evaluation`], [`Error::NoSuchOutput`] and
    /// [`Error::Platform`] when the flake or its author is to blame; the others are about
    /// Nix itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix, which stops its builders. What was built by then
    /// stays in the store.
    pub async fn build(
        &self,
        installable: &Installable,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<BuildOutput, Error> {
        let started = Instant::now();
        reporter.report(Event::BuildStarted { installable: installable.to_string() });
        let gc_root = TempDir::with_prefix("snowbird-").map_err(Error::GcRoot)?;
        let link = gc_root.path().join("image");
        let mut path = self.build_to(&link, installable, extra, reporter).await?;
        if path.is_derivation() {
            // Since Nix 2.15, its path alone means the recipe and no longer what it makes.
            path = self.build_to(&link, &installable.all_outputs(), extra, reporter).await?;
        }
        if !path.as_path().exists() {
            self.fetch(&link, &path, extra, reporter).await?;
        }
        reporter.report(Event::Built {
            store_path: path.to_string(),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        Ok(BuildOutput { path, _gc_root: gc_root })
    }

    /// Copies what was built in another store to this machine's, and keeps it.
    async fn fetch(
        &self,
        link: &Path,
        path: &StorePath,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<(), Error> {
        let elsewhere = |message| Error::Elsewhere { path: path.to_string(), message };
        let named = extra.iter().skip_while(|argument| *argument != "--store").nth(1);
        let store = named.ok_or_else(|| elsewhere("no `--store` was named".to_owned()))?;
        // Whoever may build there is believed; this machine's Nix decides whether to.
        let arguments =
            ["copy", "--no-check-sigs", "--log-format", "internal-json", path.as_str(), "--from"];
        let arguments = arguments.map(OsString::from).into_iter().chain([store.clone()]);
        let copied = self.run(&arguments.collect::<Vec<_>>(), Progress::new(reporter)).await?;
        copied.map_err(|failure| elsewhere(failure.diagnose(path.as_str()).to_string()))?;
        self.build_to(link, &Installable::new(path.as_str()), &[], reporter).await?;
        Ok(())
    }

    async fn build_to(
        &self,
        link: &Path,
        installable: &Installable,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<StorePath, Error> {
        let mut arguments: Vec<OsString> = vec!["build".into()];
        arguments.extend(installable.arguments());
        arguments
            .extend(["--json", "--log-format", "internal-json", "--out-link"].map(OsString::from));
        arguments.push(link.into());
        arguments.extend_from_slice(extra);
        let answer = self.run(&arguments, Progress::new(reporter)).await?;
        let answer = answer.map_err(|failure| failure.diagnose(&installable.to_string()))?;
        Ok(out_path(&answer, installable)?.parse()?)
    }
}

/// One entry of what `nix build --json` prints.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Built {
    /// A derivation was built; versions add times, which are ignored.
    Derivation { outputs: BTreeMap<String, Option<String>> },
    /// The installable was a store path; Nix before 2.18.
    Opaque { path: String },
    /// The installable was a store path.
    Path(String),
}

/// Returns the one path that an answer names.
fn out_path(answer: &[u8], installable: &Installable) -> Result<String, Error> {
    let unreadable = |source| Error::Answer {
        text: clean_line(String::from_utf8_lossy(answer).lines().next().unwrap_or_default()),
        source,
    };
    let several = |outputs| Error::SeveralOutputs { installable: installable.to_string(), outputs };
    let built: Vec<Built> =
        serde_json::from_slice(answer).map_err(|source| unreadable(Some(source)))?;
    let paths: Vec<String> = match <[Built; 1]>::try_from(built) {
        Ok([Built::Path(path) | Built::Opaque { path }]) => vec![path],
        Ok([Built::Derivation { mut outputs }]) => match outputs.remove("out") {
            Some(Some(path)) => vec![path],
            _ => outputs.into_values().flatten().collect(),
        },
        Err(built) => built.into_iter().filter_map(Built::into_path).collect(),
    };
    match <[String; 1]>::try_from(paths) {
        Ok([path]) => Ok(path),
        Err(none) if none.is_empty() => Err(unreadable(None)),
        Err(paths) => Err(several(paths)),
    }
}

impl Built {
    fn into_path(self) -> Option<String> {
        match self {
            Self::Path(path) | Self::Opaque { path } => Some(path),
            Self::Derivation { outputs } => outputs.into_values().flatten().next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Explain as _;

    fn read(answer: &str) -> Result<String, Error> {
        out_path(answer.as_bytes(), &Installable::new(".#x"))
    }

    #[test]
    fn the_answers_of_all_versions_are_read() {
        for version in ["2.8", "2.26", "2.34"] {
            let file = format!("tests/fixtures/nix-logs/{version}-build.json");
            let path = read(&fs::read_to_string(file).unwrap()).unwrap();
            assert!(path.parse::<StorePath>().unwrap().name() == "greeter.tar.gz", "{path}");
        }
        for answer in [
            r#"["/nix/store/x"]"#,
            r#"[{"path":"/nix/store/x"}]"#,
            r#"[{"outputs":{"doc":"/nix/store/x"}}]"#,
        ] {
            assert_eq!(read(answer).unwrap(), "/nix/store/x", "{answer}");
        }
    }

    #[test]
    fn of_several_outputs_out_is_taken() {
        let answer = r#"[{"drvPath":"d","outputs":{"dev":"/d","out":"/o"},"startTime":1}]"#;
        assert_eq!(read(answer).unwrap(), "/o");
    }

    #[test]
    fn several_results_are_refused_by_name() {
        for answer in [r#"["/a","/b"]"#, r#"[{"outputs":{"dev":"/a","doc":"/b"}}]"#] {
            let error = read(answer).unwrap_err();
            assert_eq!(error.code(), "nix.several-outputs");
            assert_eq!(error.to_string(), "`.#x` names more than one output: /a, /b");
        }
    }

    #[test]
    fn what_is_no_answer_is_shown() {
        for answer in ["", "[]", "{}", "null", "[7]", r#"[{"outputs":{"out":null}}]"#] {
            assert_eq!(read(answer).unwrap_err().code(), "nix.unreadable-answer", "{answer}");
        }
    }
}
