//! What containers a flake has, in one evaluation and without building.

use std::ffi::OsString;

use serde::Deserialize;

use crate::event::Reporter;

use super::command::Nix;
use super::error::Error;
use super::installable::{Installable, SYSTEM};
use super::progress::Progress;
use super::text::clean_line;

/// The function that is applied to the flake's packages.
const DESCRIBE: &str = include_str!("describe.nix");

/// A container output of a flake.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Container {
    /// Its name among the packages, such as `container`.
    pub name: String,
    /// Where it will be once it is built; none if it cannot be evaluated.
    pub store_path: Option<String>,
    /// The image's name, as `dockerTools` and nix2container tell it.
    pub image_name: Option<String>,
    /// The image's tag, likewise.
    pub image_tag: Option<String>,
    /// Whether there is a script that streams the image, so that no archive need be made.
    pub has_stream: bool,
}

#[derive(Deserialize)]
struct Description {
    packages: Vec<String>,
    containers: Vec<Container>,
}

impl Nix {
    /// Lists the containers among the x86_64-linux packages of `flake`, the likeliest first.
    ///
    /// `extra` goes to `nix eval` as it is. Progress is reported, for evaluation may fetch
    /// and even build.
    ///
    /// # Errors
    ///
    /// [`Error::NoContainer`] if there is none, with the packages that there are;
    /// [`Error::Evaluation`] if the flake cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix and leaves nothing behind.
    pub async fn describe(
        &self,
        flake: &str,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Container>, Error> {
        let packages = format!("{flake}#packages.{SYSTEM}");
        let mut arguments: Vec<OsString> =
            ["eval", &packages, "--json", "--log-format", "internal-json", "--apply", DESCRIBE]
                .map(OsString::from)
                .to_vec();
        arguments.extend_from_slice(extra);
        let no_container = |packages| Error::NoContainer { flake: flake.to_owned(), packages };

        let answer = match self.run(&arguments, Progress::new(reporter)).await? {
            Ok(answer) => answer,
            Err(failure) => {
                return Err(match failure.diagnose(flake) {
                    Error::NoSuchOutput { .. } => no_container(vec![]),
                    error => error,
                });
            }
        };
        let Description { packages, containers } =
            serde_json::from_slice(&answer).map_err(|source| Error::Answer {
                text: clean_line(&String::from_utf8_lossy(&answer)),
                source: Some(source),
            })?;
        if containers.is_empty() { Err(no_container(packages)) } else { Ok(containers) }
    }

    /// Names the likeliest container of `flake`, for whoever named none.
    ///
    /// # Errors
    ///
    /// Those of [`Nix::describe`].
    ///
    /// # Cancel safety
    ///
    /// As [`Nix::describe`].
    pub async fn default_installable(
        &self,
        flake: &str,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<Installable, Error> {
        let containers = self.describe(flake, extra, reporter).await?;
        let first = containers.first().map(|container| container.name.as_str());
        // One that cannot be evaluated is taken all the same: building it tells why.
        Ok(Installable::package(flake, first.unwrap_or_default()))
    }
}
