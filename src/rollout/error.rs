//! Why an app does not run what it should.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly;

use super::journal::Standing;
use super::plan::{Conflict, LeftAlone};

/// Why a rollout did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The platform did not do what was asked; no machine was changed.
    #[error(transparent)]
    Fly(#[from] fly::Error),
    /// What is wanted does not fit what there is; no machine was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The platform does not let the app be deployed so; no machine was changed.
    #[error("the organization of `{app}` may not make a bluegreen deploy now")]
    BluegreenForbidden {
        /// The app.
        app: String,
    },
    /// Another deploy holds a machine; no machine was changed.
    #[error("machine {machine} is leased by {owner} until {until}")]
    LeaseHeld {
        /// ID of the machine.
        machine: String,
        /// Who holds the lease, as far as the platform tells.
        owner: String,
        /// When it ends by itself, RFC 3339.
        until: String,
    },
    /// The release command failed; no machine was changed.
    #[error(
        "the release command `{command}` failed on machine {machine}: {reason}; no machine was changed"
    )]
    ReleaseCommand {
        /// ID of the machine that ran it.
        machine: String,
        /// The command.
        command: String,
        /// Why, in half a sentence.
        reason: String,
    },
    /// The deploy failed, and all machines run what they ran before.
    #[error("{failure}; {}", restored(restored_machines))]
    RolledBack {
        /// What failed.
        failure: Box<Failure>,
        /// IDs of the machines that were given back what they ran before.
        restored_machines: Vec<String>,
    },
    /// The deploy failed, and not all machines run what they ran before.
    #[error("{failure}; {}{}", standing_text(standing), left_text(left))]
    Unhealthy {
        /// What failed.
        failure: Box<Failure>,
        /// Which machines run what.
        standing: Standing,
        /// Machines that could not be given back what they ran before, and why.
        left: Vec<LeftAlone>,
    },
    /// All machines run the new image, but some that should be gone are not.
    #[error("the app runs the new image, but machines are left over: {}", list(left))]
    LeftOver {
        /// The machines, and why they are there.
        left: Vec<LeftAlone>,
    },
    /// The user stopped it.
    #[error("interrupted; {}", standing_text(standing))]
    Interrupted {
        /// Which machines run what.
        standing: Standing,
    },
}

/// What failed in the middle of a deploy.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A machine did not become healthy.
    #[error("machine {machine} of `{group}` is not healthy: {reason}")]
    Machine {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
        /// Why, in one sentence.
        reason: String,
    },
    /// The platform did not do what was asked.
    #[error(transparent)]
    Fly(#[from] fly::Error),
}

fn restored(machines: &[String]) -> String {
    match machines {
        [] => "all machines run what they ran before".to_owned(),
        machines => format!(
            "all machines run what they ran before, these after they were changed: {}",
            machines.join(", ")
        ),
    }
}

fn standing_text(standing: &Standing) -> String {
    let list = |machines: &[String]| match machines {
        [] => "none".to_owned(),
        machines => machines.join(", "),
    };
    let Standing { changed, unchanged } = standing;
    format!("with the new image: {}; with the old: {}", list(changed), list(unchanged))
}

fn left_text(left: &[LeftAlone]) -> String {
    if left.is_empty() { String::new() } else { format!("; not taken back: {}", list(left)) }
}

fn list(left: &[LeftAlone]) -> String {
    let each = left.iter().map(|left| format!("{} ({})", left.machine, left.reason));
    each.collect::<Vec<_>>().join(", ")
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Fly(error) => error.code(),
            Self::Conflict(conflict) => conflict.code(),
            Self::BluegreenForbidden { .. } => "rollout.bluegreen-forbidden",
            Self::LeaseHeld { .. } => "rollout.lease-held",
            Self::ReleaseCommand { .. } => "rollout.release-command-failed",
            Self::RolledBack { .. } => "rollout.rolled-back",
            Self::Unhealthy { .. } => "rollout.unhealthy",
            Self::LeftOver { .. } => "rollout.left-over",
            Self::Interrupted { .. } => "rollout.interrupted",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Fly(error) => error.hint(),
            Self::Conflict(conflict) => conflict.hint(),
            Self::BluegreenForbidden { .. } => {
                Some("use `--strategy rolling`, or ask for a higher limit of machines".into())
            }
            Self::LeaseHeld { .. } => Some(
                "another deploy is under way, or was cut off: `--wait-lease` waits for it; a lease \
                 that nobody refreshes ends by itself"
                    .into(),
            ),
            Self::ReleaseCommand { .. } => {
                Some("mend it and deploy again, or leave it out with `--skip-release-command`".into())
            }
            Self::RolledBack { failure, .. } => match &**failure {
                Failure::Fly(error) => error.hint(),
                Failure::Machine { .. } => Some("mend it and deploy again".into()),
            },
            Self::Unhealthy { .. } => Some(
                "mend it and deploy again, or go back to an earlier release with `snowbird rollback`"
                    .into(),
            ),
            Self::LeftOver { left } => {
                let machines: Vec<_> = left.iter().map(|left| left.machine.as_str()).collect();
                let command = format!("`fly machine destroy --force {}`", machines.join(" "));
                Some(format!("destroy them with {command}").into())
            }
            Self::Interrupted { .. } => Some("deploy again to bring all to one image".into()),
        }
    }
}
