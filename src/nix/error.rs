//! What can go wrong between a user's words and a store path.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::error::Explain;

use super::store::ParseStorePathError;

/// Why Nix gave no store path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no `nix` in any folder of PATH.
    #[error("there is no `nix` on PATH")]
    NotFound(#[source] which::Error),
    /// The command could not be started, or its output not be read.
    #[error("cannot run `{}`", program.display())]
    Run {
        /// The file that was found on PATH.
        program: PathBuf,
        /// Why it could not be run.
        source: io::Error,
    },
    /// There is no place for the link that keeps the output from being collected.
    #[error("cannot make a temporary folder for a GC root")]
    GcRoot(#[source] io::Error),
    /// A derivation did not build.
    #[error("cannot build `{installable}`: {}", BuildReport { failed, message })]
    Build {
        /// What was asked for.
        installable: String,
        /// The derivations that failed: one, but for `--keep-going`. Never empty.
        failed: Vec<FailedBuild>,
        /// Nix's own message.
        message: String,
    },
    /// This machine cannot build for the system that was asked for.
    #[error("cannot build `{installable}` on this machine: {}", Hanging(message))]
    Platform {
        /// What was asked for.
        installable: String,
        /// Nix's own message.
        message: String,
    },
    /// The flake was read, but evaluating what was asked for failed.
    #[error("cannot evaluate `{installable}`: {}{}", Hanging(message), Trace(trace))]
    Evaluation {
        /// What was asked for.
        installable: String,
        /// Nix's own message.
        message: String,
        /// How the evaluation came there, with lines of code; empty where Nix gives none.
        trace: String,
        /// Whether a file is missing that may only be unknown to Git.
        is_untracked: bool,
    },
    /// The flake has no such output.
    #[error("`{installable}` does not exist: {message}")]
    NoSuchOutput {
        /// What was asked for.
        installable: String,
        /// Nix's own message, which names the places that it looked at.
        message: String,
    },
    /// The flake or the file has no output that is named like a container.
    #[error("`{place}` has no container output for x86_64-linux{}", Packages(packages))]
    NoContainer {
        /// The flake or the file.
        place: String,
        /// The names of the packages that it has.
        packages: Vec<String>,
    },
    /// The flake or the file has several, and none with the name that is meant by default.
    #[error("`{place}` has several container outputs: {}", names.join(", "))]
    SeveralContainers {
        /// The flake or the file.
        place: String,
        /// Their names.
        names: Vec<String>,
        /// How one of them is named.
        example: String,
    },
    /// There is no flake where one was named.
    #[error("there is no flake `{installable}`: {message}")]
    NoFlake {
        /// What was asked for.
        installable: String,
        /// Nix's own message.
        message: String,
    },
    /// The disk that the store is on is full.
    #[error("the disk is full: {}", Hanging(message))]
    DiskFull {
        /// Nix's own message.
        message: String,
    },
    /// A feature of Nix that is needed is off.
    #[error("a feature of Nix is off: {message}")]
    FeatureDisabled {
        /// Nix's own message.
        message: String,
    },
    /// One thing was asked for and Nix built several, or one with several outputs of which
    /// none is `out`.
    #[error("`{installable}` names more than one output: {}", outputs.join(", "))]
    SeveralOutputs {
        /// What was asked for.
        installable: String,
        /// The store paths or the names of the outputs.
        outputs: Vec<String>,
    },
    /// The output was built in a store that is not on this machine, and cannot be copied.
    #[error("`{path}` was built, but it is not on this machine: {}", Hanging(message))]
    Elsewhere {
        /// The store path.
        path: String,
        /// Why it cannot be copied.
        message: String,
    },
    /// Nix failed in a way that has no name here.
    #[error("`nix` failed on `{installable}` ({status}): {}", Hanging(message))]
    Failed {
        /// What was asked for.
        installable: String,
        /// How the process ended.
        status: ExitStatus,
        /// Its own message, or the last lines that it wrote.
        message: String,
    },
    /// Nix succeeded, and what it printed cannot be read.
    #[error("`nix` gave an answer that cannot be read: `{text}`")]
    Answer {
        /// The answer's beginning.
        text: String,
        /// What is wrong with its JSON.
        source: Option<serde_json::Error>,
    },
    /// Nix succeeded, and what it printed is no store path.
    #[error("`nix` gave an answer that cannot be read")]
    StorePath(#[from] ParseStorePathError),
}

/// A derivation that did not build.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedBuild {
    /// Its name, such as `greeter-1.0`.
    pub name: String,
    /// The store path of the derivation.
    pub derivation: String,
    /// The last lines that its builder wrote, cleaned of control characters.
    pub log_tail: Vec<String>,
    /// How many lines it had written before those.
    pub skipped_lines: u64,
}

impl FailedBuild {
    fn had_no_space(&self) -> bool {
        self.log_tail.iter().any(|line| line.contains("No space left on device"))
    }
}

/// What to do about a full disk.
const FREE: &str = "`nix-collect-garbage` deletes what nobody uses from the store";

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "nix.not-found",
            Self::Run { .. } => "nix.not-run",
            Self::GcRoot(_) => "nix.no-gc-root",
            Self::Build { .. } => "nix.build-failed",
            Self::Platform { .. } => "nix.platform-mismatch",
            Self::Evaluation { .. } => "nix.evaluation-failed",
            Self::NoSuchOutput { .. } => "nix.no-such-output",
            Self::NoContainer { .. } => "nix.no-container",
            Self::SeveralContainers { .. } => "nix.several-containers",
            Self::NoFlake { .. } => "nix.no-flake",
            Self::DiskFull { .. } => "nix.disk-full",
            Self::FeatureDisabled { .. } => "nix.feature-disabled",
            Self::SeveralOutputs { .. } => "nix.several-outputs",
            Self::Elsewhere { .. } => "nix.output-elsewhere",
            Self::Failed { .. } => "nix.failed",
            Self::Answer { .. } | Self::StorePath(_) => "nix.unreadable-answer",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::NotFound(_) => "install Nix from https://nixos.org/download, or give the path \
                                  of an image that is built already: that takes no Nix"
                .into(),
            Self::Build { failed, .. } if failed.iter().any(FailedBuild::had_no_space) => {
                FREE.into()
            }
            Self::Build { failed, .. } => {
                let derivation = &failed.iter().find(|b| b.skipped_lines > 0)?.derivation;
                format!("`nix log {derivation}` shows the whole log").into()
            }
            Self::Platform { .. } => "give Nix a builder that can: a remote one (`--builders \
                                      'ssh://HOST x86_64-linux'`), or a linux-builder on macOS; \
                                      Fly's machines are x86_64-linux"
                .into(),
            Self::Evaluation { is_untracked: true, .. } => {
                "Nix sees only the files that Git knows: `git add` those that are new".into()
            }
            Self::NoSuchOutput { installable, .. } => {
                let (flake, _) = installable.split_once('#')?;
                format!("`nix flake show {flake}` lists what the flake has").into()
            }
            Self::SeveralContainers { example, .. } => {
                format!("name the one that is meant: `{example}`").into()
            }
            Self::NoContainer { .. } => "name the output, such as `.#my-image`, or call it \
                                         `packages.x86_64-linux.container`"
                .into(),
            Self::NoFlake { installable, message } if message.contains("registries") => {
                format!("for a file or a folder, write `./{installable}`").into()
            }
            Self::NoFlake { .. } => {
                "name the flake, or a Nix file with `--file`; `nix flake init` \
                                     writes the beginning of one"
                    .into()
            }
            Self::DiskFull { .. } => FREE.into(),
            Self::FeatureDisabled { .. } => "snowbird asks for `nix-command` and `flakes` itself; \
                                             write others into `experimental-features` in nix.conf"
                .into(),
            Self::SeveralOutputs { .. } => "name one output, such as `.#image^out`".into(),
            Self::Elsewhere { path, .. } => {
                format!("fetch it with `nix copy --from STORE {path}` and deploy that path").into()
            }
            Self::Failed { message, .. } if message.contains("cannot connect to socket") => {
                "see whether the Nix daemon runs: `systemctl status nix-daemon`".into()
            }
            _ => return None,
        })
    }
}

/// The part of the message that follows the colon: what failed, Nix's words, the log.
struct BuildReport<'a> {
    failed: &'a [FailedBuild],
    message: &'a str,
}

impl fmt::Display for BuildReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.failed.iter().map(|build| format!("`{}`", build.name)).collect();
        write!(f, "{} failed", names.join(", "))?;
        write!(f, "\n{}", indented(self.message))?;
        for build in self.failed {
            if build.log_tail.is_empty() {
                write!(f, "\n`{}` wrote no log", build.name)?;
            } else {
                write!(f, "\nthe end of the log of `{}`:", build.name)?;
                write!(f, "\n{}", indented(&build.log_tail.join("\n")))?;
            }
        }
        Ok(())
    }
}

/// A text whose further lines are set off from the left.
struct Hanging<'a>(&'a str);

impl fmt::Display for Hanging<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(indented(self.0).trim_start())
    }
}

/// A text below another, or nothing.
struct Trace<'a>(&'a str);

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "\n{}", indented(self.0)) }
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

struct Packages<'a>(&'a [String]);

impl fmt::Display for Packages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str(", and no packages at all")
        } else {
            write!(f, "; its packages are: {}", self.0.join(", "))
        }
    }
}
