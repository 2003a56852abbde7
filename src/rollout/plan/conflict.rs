//! Why what is wanted does not fit what there is.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly::config;

/// Why what is wanted does not fit what there is. Nothing has been done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// fly.toml does not convert.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No machine or process group has the name that a filter gives.
    #[error("there is no process group `{group}`, only: {}", groups.join(", "))]
    NoSuchGroup {
        /// The name.
        group: String,
        /// Those that there are.
        groups: Vec<String>,
    },
    /// A filter names a machine that is not there.
    #[error("the app has no machine `{machine}` that deploys manage")]
    NoSuchMachine {
        /// The ID.
        machine: String,
    },
    /// The filters leave nothing.
    #[error("the filters leave none of the app's {machines} machines to deploy to")]
    NothingInScope {
        /// Machines that deploys manage.
        machines: usize,
    },
    /// A machine would lose its volume.
    #[error("machine {machine} [{group}] has volume `{volume}`, and no `[[mounts]]` wants it")]
    VolumeWouldGo {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
        /// Name of the volume.
        volume: String,
    },
    /// A machine has another volume than its mount names.
    #[error("machine {machine} [{group}] has volume `{has}`, and `[[mounts]]` wants `{wants}`")]
    OtherVolume {
        /// ID of the machine.
        machine: String,
        /// Its process group.
        group: String,
        /// Name of the volume that it has.
        has: String,
        /// Name of the volume that it should have.
        wants: String,
    },
    /// Volumes are wanted that are not there.
    #[error("{missing}")]
    VolumesMissing {
        /// Which, and for whom.
        missing: String,
        /// What makes them.
        commands: String,
    },
    /// A machine shall move to another host, where its volume is not.
    #[error(
        "machine {machine} cannot move to dedicated host `{dedication}`: its volume `{volume}` \
         stays where it is"
    )]
    VolumeBound {
        /// ID of the machine.
        machine: String,
        /// Name of the volume.
        volume: String,
        /// The dedication that is wanted.
        dedication: String,
    },
    /// A canary would need a volume of its own.
    #[error("process group `{group}` has volumes, and a canary would need one of its own")]
    CanaryWithVolume {
        /// The process group.
        group: String,
    },
    /// The new machines of a bluegreen deploy would need volumes of their own.
    #[error("machine {machine} has a volume, and its double would need one of its own")]
    BluegreenWithVolume {
        /// ID of the machine.
        machine: String,
    },
    /// Nobody would know when to switch.
    #[error("a bluegreen deploy needs a health check, and no process group has one")]
    BluegreenWithoutChecks,
    /// An earlier bluegreen deploy was left half-way.
    #[error("the machines run several images: {}", images.join(", "))]
    MixedImages {
        /// The images.
        images: Vec<String>,
    },
}

impl Explain for Conflict {
    fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::NoSuchGroup { .. } => "rollout.no-such-group",
            Self::NoSuchMachine { .. } => "rollout.no-such-machine",
            Self::NothingInScope { .. } => "rollout.nothing-in-scope",
            Self::VolumeWouldGo { .. } => "rollout.volume-would-go",
            Self::OtherVolume { .. } => "rollout.other-volume",
            Self::VolumesMissing { .. } => "rollout.volumes-missing",
            Self::VolumeBound { .. } => "rollout.volume-bound",
            Self::CanaryWithVolume { .. } | Self::BluegreenWithVolume { .. } => {
                "rollout.strategy-with-volumes"
            }
            Self::BluegreenWithoutChecks => "rollout.no-checks",
            Self::MixedImages { .. } => "rollout.mixed-images",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Config(error) => return error.hint(),
            Self::NoSuchGroup { .. } => return None,
            Self::NoSuchMachine { .. } | Self::NothingInScope { .. } => {
                "`snowbird status` lists the machines".into()
            }
            Self::VolumeWouldGo { .. } => {
                "add it to `[[mounts]]`, or let the machine be replaced by one without it with \
                 `--yes`; the volume stays"
                    .into()
            }
            Self::OtherVolume { .. } => {
                "a machine cannot change its volume: keep the name, or destroy the machine with \
                 `fly machine destroy` and deploy again"
                    .into()
            }
            Self::VolumesMissing { commands, .. } => format!("make them with {commands}").into(),
            Self::VolumeBound { .. } => {
                "fork the volume to that host first, with `fly volume fork --host-dedication-id`"
                    .into()
            }
            Self::CanaryWithVolume { .. } | Self::BluegreenWithVolume { .. } => {
                "use `--strategy rolling`".into()
            }
            Self::BluegreenWithoutChecks => {
                "add one to `[http_service]`, `[[services]]` or `[checks]`, or use `--strategy \
                 rolling`"
                    .into()
            }
            Self::MixedImages { .. } => {
                "bring them to one image with `--strategy rolling`, or destroy those that are left \
                 over with `fly machine destroy --force`"
                    .into()
            }
        })
    }
}
