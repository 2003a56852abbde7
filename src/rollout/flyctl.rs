//! Handing a deploy over to the platform's own client.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::error::Explain;
use crate::fly::{AppName, Client, Token};

use super::current::{group, image};
use super::{Error, Scope, inspect};

/// What the program is called, the full name first.
const NAMES: [&str; 2] = ["flyctl", "fly"];

/// Why a deploy by flyctl did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlyctlError {
    /// There is no flyctl.
    #[error("neither `flyctl` nor `fly` is on PATH")]
    NotFound,
    /// It cannot be run.
    #[error("cannot run `{}`", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed, and has said why.
    #[error("flyctl did not deploy to `{app}`: it ended with {}", ending(*status))]
    Failed {
        /// The app.
        app: AppName,
        /// How it ended.
        status: ExitStatus,
    },
    /// It succeeded, but the app runs another image.
    #[error("flyctl has deployed to `{app}`, but not {wanted} everywhere: {}", others.join(", "))]
    OtherImage {
        /// The app.
        app: AppName,
        /// The digest that the machines should have.
        wanted: String,
        /// The machines that run another image, each with that.
        others: Vec<String>,
    },
    /// Afterwards the machines could not be looked at.
    #[error(transparent)]
    Inspect(Box<Error>),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

impl FlyctlError {
    /// Returns what flyctl ended with, if it failed: its exit code, or 128 and the signal, as a
    /// shell has it.
    pub fn exit_code(&self) -> Option<u8> {
        let Self::Failed { status, .. } = self else { return None };
        let code = status.code().or_else(|| Some(128 + status.signal()?))?;
        u8::try_from(code).ok()
    }
}

impl Explain for FlyctlError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "rollout.flyctl-not-found",
            Self::Run { .. } | Self::Failed { .. } => "rollout.flyctl-failed",
            Self::OtherImage { .. } => "rollout.other-image",
            Self::Inspect(error) => error.code(),
            Self::Interrupted => "rollout.interrupted",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NotFound => Some(
                "install it, <https://fly.io/docs/flyctl/install/>, or leave out `--via`".into(),
            ),
            Self::OtherImage { .. } => Some(
                "the tag was moved meanwhile, or another deploy was under way: deploy again".into(),
            ),
            Self::Inspect(error) => error.hint(),
            Self::Run { .. } | Self::Failed { .. } | Self::Interrupted => None,
        }
    }
}

/// The platform's own client.
#[derive(Debug, Clone)]
pub struct Flyctl {
    program: PathBuf,
}

/// A deploy that flyctl makes.
#[derive(Debug, Clone, Copy)]
pub struct HandOver<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The app's configuration; without it, flyctl takes that of the last release.
    pub config: Option<&'a Path>,
    /// The image, by a tag that no other image gets: flyctl asks the platform what it is.
    pub image: &'a str,
    /// Further flags of `flyctl deploy`.
    pub flags: &'a [OsString],
    /// Further variables for it.
    pub variables: &'a [(&'static str, String)],
    /// As whom.
    pub token: &'a Token,
}

impl Flyctl {
    /// Looks for it in the folders of `path_var`, the value of PATH.
    ///
    /// # Errors
    ///
    /// [`FlyctlError::NotFound`] if no folder holds it, or there are no folders.
    pub fn find(path_var: Option<&OsStr>) -> Result<Self, FlyctlError> {
        let folders = path_var.unwrap_or_default();
        let find = |name| which::which_in(name, Some(folders), Path::new(".")).ok();
        let program = NAMES.into_iter().find_map(find).ok_or(FlyctlError::NotFound)?;
        Ok(Self { program })
    }

    /// Returns the file that was found.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs `flyctl deploy`. It inherits standard input and error, and the environment but for
    /// the token, which no command line shows; it writes its results to `stdout`.
    ///
    /// # Errors
    ///
    /// Fails as it does.
    ///
    /// # Cancel safety
    ///
    /// To stop it, cancel `cancel`: it is interrupted, and tidies up by itself. When the future
    /// is dropped, it goes on.
    pub async fn deploy(
        &self,
        hand_over: &HandOver<'_>,
        stdout: Stdio,
        cancel: &CancellationToken,
    ) -> Result<(), FlyctlError> {
        let HandOver { app, config, image, flags, variables, token } = *hand_over;
        let mut command = Command::new(&self.program);
        command.args(["deploy", "--image", image, "--app", app.as_str()]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        // Else it would look for the image in a docker that may run here.
        command.arg("--remote-only").args(flags);
        tracing::debug!(program = %self.program.display(), ?flags, "handing over");
        let whole_token = token.graphql_authorization();
        let words = String::from_utf8_lossy(whole_token.as_bytes());
        let bare = words.split_once(' ').map_or(&*words, |(_scheme, token)| token);
        command
            // It would win.
            .env_remove("FLY_ACCESS_TOKEN")
            .env("FLY_API_TOKEN", bare)
            .env("FLY_NO_UPDATE_CHECK", "1")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(stdout);
        let failed = |source| FlyctlError::Run { program: self.program.clone(), source };
        let mut child = command.spawn().map_err(failed)?;
        let status = tokio::select! {
            status = child.wait() => status.map_err(failed)?,
            () = cancel.cancelled() => {
                interrupt(&child);
                let status = child.wait().await.map_err(failed)?;
                if !status.success() {
                    return Err(FlyctlError::Interrupted);
                }
                status
            }
        };
        if status.success() {
            return Ok(());
        }
        Err(FlyctlError::Failed { app: app.clone(), status })
    }
}

/// A terminal's Ctrl-C reaches it without us; the second is nothing new to it.
fn interrupt(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::INT)) {
        tracing::debug!(%error, "flyctl has ended already");
    }
}

/// Fails when a machine that a deploy was about runs another image than the one with `digest`.
///
/// # Errors
///
/// [`FlyctlError::OtherImage`] names the machines; the platform may also fail to tell.
pub async fn check_digest(
    client: &Client,
    app: &AppName,
    digest: &str,
    scope: &Scope,
) -> Result<(), FlyctlError> {
    let current = inspect(client, app).await;
    let current = current.map_err(|error| FlyctlError::Inspect(Box::new(error)))?;
    let within = current
        .machines
        .iter()
        .filter(|machine| scope.has(machine, group(machine).unwrap_or("app")));
    let others: Vec<_> = within
        .filter_map(|machine| {
            let image = image(machine)?;
            // Without a digest it is not known what it is.
            let (_, runs) = image.split_once('@')?;
            (runs != digest).then(|| format!("{} runs {image}", machine.id))
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(FlyctlError::OtherImage { app: app.clone(), wanted: digest.to_owned(), others })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A folder with a program of that name, which is this shell script.
    fn stand_in(name: &str, script: &str) -> (TempDir, Flyctl) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let flyctl = Flyctl::find(Some(folder.path().as_os_str())).unwrap();
        (folder, flyctl)
    }

    async fn deploy(flyctl: &Flyctl, cancel: &CancellationToken) -> Result<(), FlyctlError> {
        let (app, token) = ("web".parse().unwrap(), Token::parse("FlyV1 fm2_a,fo1_b").unwrap());
        let hand_over = HandOver {
            app: &app,
            config: Some(Path::new("fly.toml")),
            image: "registry.fly.io/web:nix-x",
            flags: &["--yes".into()],
            variables: &[("FLY_REGISTRY_HOST", "localhost".to_owned())],
            token: &token,
        };
        // On a busy machine another test may have forked while the script was being written.
        for _ in 0..20 {
            match flyctl.deploy(&hand_over, Stdio::null(), cancel).await {
                Err(FlyctlError::Run { source, .. })
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
    fn without_flyctl_the_error_says_how_to_get_it() {
        let empty = tempfile::tempdir().unwrap();
        for path_var in [None, Some(empty.path().as_os_str())] {
            let error = Flyctl::find(path_var).unwrap_err();
            assert_eq!(error.code(), "rollout.flyctl-not-found");
            assert!(error.hint().unwrap().contains("fly.io/docs/flyctl"));
        }
    }

    #[tokio::test]
    async fn it_is_told_all_and_the_token_in_its_environment_alone() {
        for name in NAMES {
            let script = r#"printf '%s\n' "$@" >argv; env >environment"#;
            let (folder, flyctl) = stand_in(name, script);
            deploy(&flyctl, &CancellationToken::new()).await.unwrap();
            let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
            let argv = "deploy\n--image\nregistry.fly.io/web:nix-x\n--app\nweb\n--config\nfly.toml\n\
                        --remote-only\n--yes\n";
            assert_eq!(read("argv"), argv);
            for line in [
                "FLY_API_TOKEN=fm2_a,fo1_b\n",
                "FLY_NO_UPDATE_CHECK=1\n",
                "FLY_REGISTRY_HOST=localhost\n",
            ] {
                assert!(read("environment").contains(line), "{line}");
            }
            assert!(!read("environment").contains("FLY_ACCESS_TOKEN"));
        }
    }

    #[tokio::test]
    async fn how_it_ends_is_what_its_caller_ends_with() {
        for (script, code) in [("exit 127", 127), ("kill -9 $$", 137)] {
            let (_folder, flyctl) = stand_in("flyctl", script);
            let error = deploy(&flyctl, &CancellationToken::new()).await.unwrap_err();
            assert_eq!(error.code(), "rollout.flyctl-failed");
            assert_eq!(error.exit_code(), Some(code), "{error}");
        }
    }

    #[tokio::test]
    async fn an_interrupt_is_handed_on_and_waited_for() {
        let script = "trap 'echo >tidied; exit 127' INT\necho >begun\nwhile :; do sleep 0.05; done";
        let (folder, flyctl) = stand_in("flyctl", script);
        let cancel = CancellationToken::new();
        let interrupt = async {
            while !folder.path().join("begun").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            cancel.cancel();
        };
        let (ended, ()) = tokio::join!(deploy(&flyctl, &cancel), interrupt);
        assert!(matches!(ended, Err(FlyctlError::Interrupted)), "{ended:?}");
        assert!(folder.path().join("tidied").exists());
    }
}
