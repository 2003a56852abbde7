//! From what Nix said before it failed to an error with a name.
//!
//! Nix exits with 1 whatever went wrong, so its words are all there is to go by. They are
//! those of Nix 2.8 to 2.34; what is not known here still shows, as the message of
//! [`Error::Evaluation`] or [`Error::Failed`].

use std::process::ExitStatus;

use super::error::{Error, FailedBuild};
use super::messages::{Complaint, Messages};

/// How a run of Nix ended that did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: ExitStatus,
    pub(super) messages: Messages,
    pub(super) failed: Vec<FailedBuild>,
}

impl Failure {
    /// Names the failure of what was asked for.
    pub(super) fn diagnose(self, installable: &str) -> Error {
        let installable = installable.to_owned();
        let Self { status, messages, failed } = self;
        let errors = &messages.errors;
        if !failed.is_empty() {
            // What depends on a failed derivation is told to have failed too.
            let is_cause =
                |e: &&Complaint| failed.iter().any(|build| e.full.contains(&build.derivation));
            let message = join(errors.iter().filter(is_cause).map(|e| e.brief.as_str()));
            return Error::Build { installable, failed, message };
        }
        let brief = |e: &Complaint| e.brief.clone();
        if let Some(message) = find(errors, says_feature_disabled).map(brief) {
            return Error::FeatureDisabled { message };
        }
        if let Some(message) = find(errors, says_attribute_missing).map(brief) {
            return Error::NoSuchOutput { installable, message };
        }
        if let Some(message) = find(errors, says_disk_full).map(brief) {
            return Error::DiskFull { message };
        }
        if let Some(message) = find(errors, says_no_flake).map(brief) {
            return Error::NoFlake { installable, message };
        }
        if let Some(message) = find(errors, says_platform).map(brief) {
            return Error::Platform { installable, message };
        }
        if errors.is_empty() {
            let message = join(messages.stray.iter().map(String::as_str));
            let message = if message.is_empty() { "it gave no reason".to_owned() } else { message };
            return Error::Failed { installable, status, message };
        }
        let message = join(errors.iter().map(|e| e.brief.as_str()));
        if messages.is_building || find(errors, is_no_evaluation).is_some() {
            return Error::Failed { installable, status, message };
        }
        let is_untracked = find(errors, says_file_missing).is_some();
        let trace = join(errors.iter().map(trace).collect::<Vec<_>>().iter().map(String::as_str));
        Error::Evaluation { installable, message, trace, is_untracked }
    }
}

/// Returns what comes before and after the innermost text of an error.
fn trace(error: &Complaint) -> String {
    let Complaint { full, brief } = error;
    let rest = match full.strip_prefix(brief.as_str()) {
        Some(rest) => rest.to_owned(),
        None => full.replace(&format!("error: {brief}"), ""),
    };
    rest.trim().to_owned()
}

fn find(errors: &[Complaint], says: impl Fn(&str) -> bool) -> Option<&Complaint> {
    errors.iter().find(|error| says(&error.full))
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join("\n")
}

fn says_feature_disabled(text: &str) -> bool {
    text.contains("experimental Nix feature") && text.contains("is disabled")
}

/// Of a flake and of a file.
fn says_attribute_missing(text: &str) -> bool {
    text.contains("does not provide attribute")
        || (text.contains("in selection path") && text.contains("not found"))
}

/// Of files, and of Nix's own database.
fn says_disk_full(text: &str) -> bool {
    text.contains("No space left on device") || text.contains("database or disk is full")
}

fn says_no_flake(text: &str) -> bool {
    text.contains("could not find a flake.nix file")
        || text.contains("is not part of a flake")
        || (text.contains("cannot find flake") && text.contains("registries"))
}

fn says_platform(text: &str) -> bool {
    text.contains("platform mismatch")
        || text.contains("missing system features")
        || (text.contains("is required to build") && text.contains("but I am a"))
}

fn is_no_evaluation(text: &str) -> bool {
    ["unrecognised flag", "cannot connect to socket", "interrupted by the user"]
        .iter()
        .any(|words| text.contains(words))
}

/// A file of the flake that is not there. The flake's copy in the store holds only what Git
/// tracks; Nix 2.34 says so itself.
fn says_file_missing(text: &str) -> bool {
    text.contains("is not tracked by Git")
        || (text.contains("-source/")
            && (text.contains("No such file or directory") || text.contains("does not exist")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::error::{Account, Explain as _};

    fn failure(texts: &[&str]) -> Failure {
        let errors = texts
            .iter()
            .map(|text| Complaint { full: (*text).to_owned(), brief: (*text).to_owned() })
            .collect();
        Failure {
            status: ExitStatus::from_raw(256),
            messages: Messages { errors, ..Messages::default() },
            failed: vec![],
        }
    }

    #[test]
    fn the_words_of_all_versions_are_understood() {
        let store = "/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/flake.nix";
        for (text, code, hint) in [
            (
                "flake 'path:/x' does not provide attribute 'packages.x86_64-linux.nope'",
                "nix.no-such-output",
                Some("nix flake show ."),
            ),
            ("attribute 'nope' in selection path 'a.nope' not found", "nix.no-such-output", None),
            (
                "experimental Nix feature 'flakes' is disabled; use '--extra-...'",
                "nix.feature-disabled",
                Some("nix.conf"),
            ),
            (
                "experimental Nix feature 'flakes' is disabled; add '--extra-...'",
                "nix.feature-disabled",
                Some("nix.conf"),
            ),
            (
                "a 'x86_64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'aarch64-darwin' with features {}",
                "nix.platform-mismatch",
                Some("--builders"),
            ),
            (
                "Cannot build '/nix/store/x.drv'.\nReason: platform mismatch\nRequired system: 'x86_64-linux'",
                "nix.platform-mismatch",
                Some("--builders"),
            ),
            (
                &format!("getting status of '{store}': No such file or directory"),
                "nix.evaluation-failed",
                Some("git add"),
            ),
            (&format!("path '{store}' does not exist"), "nix.evaluation-failed", Some("git add")),
            (
                "Path 'flake.nix' in the repository \"/x\" is not tracked by Git.",
                "nix.evaluation-failed",
                Some("git add"),
            ),
            ("undefined variable 'x'", "nix.evaluation-failed", None),
            ("could not find a flake.nix file", "nix.no-flake", Some("--file")),
            (
                "path '/x' is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)",
                "nix.no-flake",
                Some("--file"),
            ),
            (
                "cannot find flake 'flake:nosuch' in the flake registries",
                "nix.no-flake",
                Some("write `./"),
            ),
            ("writing to file: No space left on device", "nix.disk-full", Some("garbage")),
            (
                "setting journal mode: database or disk is full, database or disk is full (in '/nix/var/nix/db/db.sqlite')",
                "nix.disk-full",
                Some("garbage"),
            ),
            ("unrecognised flag '--nope'", "nix.failed", None),
            (
                "cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
                "nix.failed",
                Some("nix-daemon"),
            ),
        ] {
            let error = failure(&[text]).diagnose(if text.contains("selection") {
                "--file x.nix"
            } else {
                ".#image"
            });
            assert_eq!(error.code(), code, "{text}");
            let has = error.hint();
            match hint {
                Some(words) => assert!(has.as_ref().is_some_and(|h| h.contains(words)), "{has:?}"),
                None => assert_eq!(has, None, "{text}"),
            }
        }
    }

    #[test]
    fn a_failed_build_shows_its_cause_and_its_log_but_not_its_dependents() {
        let mut failure = failure(&[
            "builder for '/nix/store/aaa-inner.drv' failed with exit code 7",
            "1 dependencies of derivation '/nix/store/bbb-outer.drv' failed to build",
        ]);
        failure.failed = vec![FailedBuild {
            name: "inner".into(),
            derivation: "/nix/store/aaa-inner.drv".into(),
            log_tail: vec!["checking for cc... no".into(), "no compiler".into()],
            skipped_lines: 7,
        }];
        insta::assert_snapshot!(Account::of(&failure.diagnose(".#outer")).to_string(), @r"
        error: cannot build `.#outer`: `inner` failed
          builder for '/nix/store/aaa-inner.drv' failed with exit code 7
        the end of the log of `inner`:
          checking for cc... no
          no compiler

        hint: `nix log /nix/store/aaa-inner.drv` shows the whole log
        ");
    }

    #[test]
    fn of_an_evaluation_the_message_comes_before_its_trace() {
        let mut failure = failure(&[]);
        failure.messages.errors = vec![Complaint {
            full: "… while calling 'throw'\n  at x.nix:1\n\nerror: set the port".into(),
            brief: "set the port".into(),
        }];
        insta::assert_snapshot!(Account::of(&failure.diagnose(".#x")).to_string(), @r"
        error: cannot evaluate `.#x`: set the port
          … while calling 'throw'
            at x.nix:1
        ");
    }

    #[test]
    fn a_failure_without_a_word_is_still_told() {
        let mut failure = failure(&[]);
        failure.status = ExitStatus::from_raw(9);
        let error = failure.diagnose(".#x");
        assert_eq!(
            error.to_string(),
            "`nix` failed on `.#x` (signal: 9 (SIGKILL)): it gave no reason"
        );
    }

    #[test]
    fn an_error_after_evaluation_is_not_blamed_on_the_flake() {
        let mut failure = failure(&["writing to file: Input/output error"]);
        failure.messages.is_building = true;
        assert_eq!(failure.diagnose(".#x").code(), "nix.failed");
    }
}
