//! Which release an app goes back to.

use std::borrow::Cow;

use crate::error::Explain;
use crate::fly::AppName;
use crate::fly::wire::{ImageRef, Machine, Release};

use super::Current;

/// What a release ends as when all went well; the second word is of older ones.
const COMPLETE: [&str; 2] = ["complete", "succeeded"];

/// Why there is no release to go back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRelease {
    /// No machine runs anything.
    #[error("app `{app}` has no machines that could go back")]
    NothingRuns {
        /// The app.
        app: AppName,
    },
    /// No release has the number.
    #[error("app `{app}` has no release v{version}{}", newest.map(newest_text).unwrap_or_default())]
    Unknown {
        /// The app.
        app: AppName,
        /// The number that was named.
        version: u64,
        /// The number of the newest release, if there is any.
        newest: Option<u64>,
    },
    /// All that came before is incomplete, or has the same image.
    #[error(
        "app `{app}` has no complete release with another image before {}",
        running.map_or_else(|| "now".to_owned(), |version| format!("v{version}"))
    )]
    NothingEarlier {
        /// The app.
        app: AppName,
        /// The number of the release that runs, if the machines tell.
        running: Option<u64>,
    },
    /// It is not recorded what the release brought.
    #[error("release v{version} of `{app}` has no image")]
    WithoutImage {
        /// The app.
        app: AppName,
        /// Its number.
        version: u64,
    },
    /// The image's name does not say where it is.
    #[error(
        "release v{version} of `{app}` has image `{image}`, which cannot be deployed: {reason}"
    )]
    Unreadable {
        /// The app.
        app: AppName,
        /// Its number.
        version: u64,
        /// As it is recorded.
        image: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has the image no more.
    #[error("the registry has the image of release v{version} of `{app}` no more: {image}")]
    ImageGone {
        /// The app.
        app: AppName,
        /// Its number.
        version: u64,
        /// The image.
        image: String,
    },
}

fn newest_text(version: u64) -> String {
    format!(", the newest is v{version}")
}

impl Explain for NoRelease {
    fn code(&self) -> &'static str {
        match self {
            Self::NothingRuns { .. } => "rollout.nothing-runs",
            Self::Unknown { .. } => "rollout.no-such-release",
            Self::NothingEarlier { .. } => "rollout.no-earlier-release",
            Self::WithoutImage { .. } | Self::Unreadable { .. } => "rollout.release-without-image",
            Self::ImageGone { .. } => "rollout.image-gone",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::NothingRuns { .. } => "use `snowbird deploy`".into(),
            Self::Unknown { .. } | Self::NothingEarlier { .. } => {
                "`snowbird releases` lists them; any of them can be named".into()
            }
            Self::WithoutImage { .. } => {
                "name another one, or deploy an image with `snowbird deploy --image`".into()
            }
            Self::Unreadable { .. } => {
                "deploy it with `snowbird deploy --image HOST/REPOSITORY:TAG`".into()
            }
            Self::ImageGone { .. } => {
                "name another release, or check out its sources and deploy them again".into()
            }
        })
    }
}

/// Returns the number of the newest release that any machine of an app runs, if they tell.
pub fn running_version(current: &Current) -> Option<u64> {
    current.machines.iter().filter_map(version).max()
}

/// Returns whether a release came to a good end.
pub fn is_complete(release: &Release) -> bool {
    COMPLETE.contains(&release.status.as_str())
}

/// Returns the releases that an app may go back to, the likeliest first: complete ones before
/// the one that runs now, with another image than it as far as their names tell.
pub fn earlier<'r>(
    current: &Current,
    releases: &'r [Release],
) -> impl Iterator<Item = &'r Release> {
    let running = running_version(current);
    let newest = |machine: &&Machine| version(machine) == running;
    let images: Vec<String> = current.machines.iter().filter(newest).flat_map(images).collect();
    let mut releases: Vec<_> = releases
        .iter()
        .filter(|release| running.is_none_or(|running| release.version < running))
        .filter(|release| is_complete(release) && !release.image_ref.is_empty())
        .filter(move |release| !images.iter().any(|image| is_same(image, &release.image_ref)))
        .collect();
    releases.sort_by_key(|release| std::cmp::Reverse(release.version));
    releases.into_iter()
}

fn version(machine: &Machine) -> Option<u64> {
    machine.known_config()?.metadata.get("fly_release_version")?.parse().ok()
}

/// Returns the names that a machine's image has: as it was asked for, and as it was found.
fn images(machine: &Machine) -> impl Iterator<Item = String> {
    let asked = machine.known_config().map(|config| config.image.clone());
    asked.into_iter().chain(machine.image_ref.as_ref().and_then(ImageRef::reference))
}

/// Whether two names are of one image: by their digests, or to the letter.
fn is_same(one: &str, other: &str) -> bool {
    let digest = |name: &'_ str| name.split_once('@').map(|(_, digest)| digest.to_owned());
    match (digest(one), digest(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Machines by release and image: what was asked for, and the digest that was found.
    fn running(machines: &[(Option<u64>, &str, &str)]) -> Current {
        let machines = machines.iter().map(|(version, image, digest)| {
            let metadata = match version {
                Some(version) => json!({"fly_release_version": version.to_string()}),
                None => json!({}),
            };
            let config = json!({"image": image, "metadata": metadata});
            let found = json!({"registry": "r", "repository": "web", "digest": digest});
            serde_json::from_value(json!({"id": "e1", "config": config, "image_ref": found}))
                .unwrap()
        });
        Current { machines: machines.collect(), ..Current::default() }
    }

    fn release(version: u64, status: &str, image: &str) -> Release {
        let (status, image_ref) = (status.to_owned(), image.to_owned());
        Release { version, status, image_ref, ..Release::default() }
    }

    fn versions(current: &Current, releases: &[Release]) -> Vec<u64> {
        earlier(current, releases).map(|release| release.version).collect()
    }

    #[test]
    fn the_newest_complete_release_with_another_image_comes_first() {
        let releases = [
            release(7, "complete", "r/web@sha256:7"),
            release(6, "complete", "r/web@sha256:5"),
            release(5, "complete", "r/web@sha256:5"),
            release(4, "failed", "r/web@sha256:4"),
            release(3, "complete", ""),
            release(2, "succeeded", "r/web:two"),
            release(1, "complete", "r/web@sha256:1"),
        ];
        let current = running(&[(Some(6), "r/web@sha256:5", "sha256:5")]);
        assert_eq!(versions(&current, &releases), [2, 1]);
        assert_eq!(running_version(&current), Some(6));
    }

    #[test]
    fn an_image_is_known_by_the_tag_that_was_asked_for_too() {
        let releases = [release(2, "complete", "r/web:two"), release(1, "complete", "r/web:one")];
        let current = running(&[(Some(3), "r/web:two", "sha256:2")]);
        assert_eq!(versions(&current, &releases), [1]);
    }

    #[test]
    fn after_a_deploy_that_broke_off_the_newest_release_counts_as_the_one_that_runs() {
        let releases = [
            release(3, "failed", "r/web@sha256:3"),
            release(2, "complete", "r/web@sha256:2"),
            release(1, "complete", "r/web@sha256:1"),
        ];
        let current = running(&[
            (Some(3), "r/web@sha256:3", "sha256:3"),
            (Some(2), "r/web@sha256:2", "sha256:2"),
        ]);
        assert_eq!(versions(&current, &releases), [2, 1]);
    }

    #[test]
    fn machines_that_tell_of_no_release_may_go_to_any_with_another_image() {
        let releases =
            [release(2, "complete", "r/web@sha256:2"), release(1, "complete", "r/web@sha256:1")];
        let current = running(&[(None, "r/web@sha256:2", "sha256:2")]);
        assert_eq!(versions(&current, &releases), [1]);
    }
}
