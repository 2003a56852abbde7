//! Why an app does not run what it should.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly;
use crate::fly::config::{self, Strategy};

/// Why a rollout did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The platform did not do what was asked; no machine was changed.
    #[error(transparent)]
    Fly(#[from] fly::Error),
    /// The configuration does not fit the machines; no machine was changed.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The strategy is not one of those that are done here.
    #[error("strategy `{0}` is not supported, only `rolling`")]
    StrategyUnsupported(Strategy),
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
    /// A machine did not become healthy, and nothing was taken back.
    #[error(
        "machine {machine} of `{group}` is not healthy: {reason}; {}",
        standing(changed, unchanged)
    )]
    Unhealthy {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
        /// Why, in one sentence.
        reason: String,
        /// Machines that have the new image now, healthy or not.
        changed: Vec<String>,
        /// Machines that have the old one still.
        unchanged: Vec<String>,
    },
    /// The user stopped it.
    #[error("interrupted; {}", standing(changed, unchanged))]
    Interrupted {
        /// Machines that have the new image now, watched to the end or not.
        changed: Vec<String>,
        /// Machines that have the old one still.
        unchanged: Vec<String>,
    },
}

/// Says which machines run what.
fn standing(changed: &[String], unchanged: &[String]) -> String {
    let list = |machines: &[String]| match machines {
        [] => "none".to_owned(),
        machines => machines.join(", "),
    };
    format!("with the new image: {}; with the old: {}", list(changed), list(unchanged))
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Fly(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::StrategyUnsupported(_) => "rollout.strategy-unsupported",
            Self::LeaseHeld { .. } => "rollout.lease-held",
            Self::Unhealthy { .. } => "rollout.unhealthy",
            Self::Interrupted { .. } => "rollout.interrupted",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Fly(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::StrategyUnsupported(_) => Some(
                "set `strategy = \"rolling\"`, or deploy the pushed image with `fly deploy --image`"
                    .into(),
            ),
            Self::LeaseHeld { .. } => Some(
                "another deploy is under way, or was cut off: wait for it, or until the lease ends"
                    .into(),
            ),
            Self::Unhealthy { .. } => Some(
                "mend it and deploy again; deploying the previous image takes the changed \
                 machines back"
                    .into(),
            ),
            Self::Interrupted { .. } => Some("deploy again to bring all to one image".into()),
        }
    }
}
