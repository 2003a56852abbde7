//! What an output is and what containers there are, in one evaluation and without building.

use std::collections::BTreeSet;
use std::env::consts;
use std::ffi::OsString;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::event::{Event, Reporter};

use super::StorePath;
use super::command::Nix;
use super::error::Error;
use super::installable::{Installable, Place};
use super::progress::Progress;
use super::text::clean_line;

/// The functions that are applied to what is evaluated.
const DESCRIBE: &str = include_str!("describe.nix");

/// The name that is meant by whoever names none, whatever else there is.
const USUAL: &str = "container";

/// Flags of `nix build` that `nix eval` does not know, and that mean nothing to it.
const BUILD_FLAGS: [&str; 4] = ["--rebuild", "--no-link", "--print-out-paths", "--dry-run"];

/// A container output.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Container {
    /// Its name among the packages, such as `container`; empty if it was named by the user.
    pub name: String,
    /// Where it will be once it is built; none if it cannot be evaluated.
    pub store_path: Option<String>,
    /// The image's name, as `dockerTools` and nix2container tell it.
    pub image_name: Option<String>,
    /// The image's tag, likewise.
    pub image_tag: Option<String>,
    /// The script that streams the image, so that no archive need be made.
    pub stream: Option<Part>,
    /// The plan that the script follows.
    pub plan: Option<Part>,
}

/// What an image can be made of instead of its archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Part {
    /// Where it will be once it is built.
    pub store_path: String,
    /// The system that it is built on and, if it is a program, for.
    pub system: Option<String>,
}

#[derive(Deserialize)]
struct Description {
    packages: Vec<String>,
    containers: Vec<Container>,
}

/// An output that was evaluated and not built.
#[derive(Debug, Clone)]
pub struct Evaluated {
    installable: Installable,
    container: Option<Container>,
}

impl Evaluated {
    /// Returns what it is called.
    pub fn installable(&self) -> &Installable {
        &self.installable
    }

    /// Returns the store paths that stand for the image: that of the output that was named,
    /// and that of the script that streams the same image. None is known before it is built
    /// of an output whose path depends on its content.
    pub fn store_paths(&self) -> Vec<StorePath> {
        let Some(container) = &self.container else { return Vec::new() };
        let stream = container.stream.as_ref().map(|stream| &stream.store_path);
        let mut paths: Vec<StorePath> = Vec::new();
        for path in container.store_path.iter().chain(stream) {
            match path.parse() {
                Ok(path) if !paths.contains(&path) => paths.push(path),
                _ => {}
            }
        }
        paths
    }

    /// Returns what can be built instead of the output to have the same image, the cheapest
    /// first: its plan, and the script if this machine can run it.
    pub fn parts(&self) -> Vec<Installable> {
        self.parts_on(&host_system())
    }

    fn parts_on(&self, host: &str) -> Vec<Installable> {
        let Some(Container { store_path, stream: Some(stream), plan, .. }) = &self.container else {
            return Vec::new();
        };
        // The script is what was named.
        if store_path.as_ref() == Some(&stream.store_path) {
            return plan.iter().filter_map(|_| self.installable.member("conf")).collect();
        }
        let runs = stream.system.as_deref() == Some(host);
        let plan = plan.iter().map(|_| "stream.conf");
        let members = plan.chain(runs.then_some("stream"));
        members.filter_map(|member| self.installable.member(member)).collect()
    }
}

/// Returns what this program runs on, in Nix's words.
fn host_system() -> String {
    let system = if consts::OS == "macos" { "darwin" } else { consts::OS };
    format!("{}-{system}", consts::ARCH)
}

impl Nix {
    /// Evaluates what the user named: where it will be, and what it can be made of.
    ///
    /// `extra` goes to `nix eval` as it is, but for flags of `nix build` alone. Of a
    /// derivation or a path in the store, nothing is asked.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchOutput`] and [`Error::Evaluation`] when the flake or its author is to
    /// blame; the others are about Nix itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts Nix and leaves nothing behind.
    pub async fn evaluate(
        &self,
        installable: &Installable,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<Evaluated, Error> {
        let mut evaluated = Evaluated { installable: installable.clone(), container: None };
        if let Some((_, output)) = installable.parts() {
            let whole = installable.without_output();
            // `^*` and `^a,b` are not one output: building tells what they are.
            let plain = output.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if plain {
                let function = format!("({DESCRIBE}).output \"{output}\"");
                evaluated.container = Some(
                    self.apply(&whole, &function, &installable.to_string(), extra, reporter)
                        .await?,
                );
            }
        }
        Ok(evaluated)
    }

    /// Lists the containers of `place`, the likeliest first.
    ///
    /// `extra` is as in [`Nix::evaluate`]. Progress is reported, for evaluation may fetch and
    /// even build.
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
        place: &Place,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Container>, Error> {
        let no_container = |packages| Error::NoContainer { place: place.to_string(), packages };
        let function = format!("({DESCRIBE}).containers");
        let described =
            self.apply(&place.packages(), &function, &place.to_string(), extra, reporter).await;
        let Description { packages, containers } = match described {
            Err(Error::NoSuchOutput { .. }) => return Err(no_container(vec![])),
            described => described?,
        };
        if containers.is_empty() { Err(no_container(packages)) } else { Ok(containers) }
    }

    /// Evaluates the container of `place`, for whoever named none.
    ///
    /// It is the one that is called `container`, or else the only one: two names of the same
    /// output are no choice.
    ///
    /// # Errors
    ///
    /// Those of [`Nix::describe`], and [`Error::SeveralContainers`] if there is a choice.
    ///
    /// # Cancel safety
    ///
    /// As [`Nix::describe`].
    pub async fn find_container(
        &self,
        place: &Place,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<Evaluated, Error> {
        let containers = self.describe(place, extra, reporter).await?;
        let container = chosen(place, containers)?;
        // One that cannot be evaluated is taken all the same: building it tells why.
        let installable = place.package(&container.name);
        Ok(Evaluated { installable, container: Some(container) })
    }

    /// Evaluates `function` of an installable.
    async fn apply<T: DeserializeOwned>(
        &self,
        installable: &Installable,
        function: &str,
        name: &str,
        extra: &[OsString],
        reporter: &dyn Reporter,
    ) -> Result<T, Error> {
        reporter.report(Event::Evaluating { installable: name.to_owned() });
        let mut arguments: Vec<OsString> = vec!["eval".into()];
        arguments.extend(installable.arguments());
        arguments.extend(
            ["--json", "--log-format", "internal-json", "--apply", function].map(OsString::from),
        );
        let is_for_both = |flag: &&OsString| BUILD_FLAGS.iter().all(|known| *flag != known);
        arguments.extend(extra.iter().filter(is_for_both).cloned());
        let answer = self.run(&arguments, Progress::new(reporter)).await?;
        let answer = answer.map_err(|failure| failure.diagnose(name))?;
        serde_json::from_slice(&answer).map_err(|source| Error::Answer {
            text: clean_line(&String::from_utf8_lossy(&answer)),
            source: Some(source),
        })
    }
}

/// Chooses among the containers of `place`, of which there is one at least.
fn chosen(place: &Place, containers: Vec<Container>) -> Result<Container, Error> {
    let outputs: BTreeSet<_> = containers
        .iter()
        .map(|container| container.store_path.as_ref().unwrap_or(&container.name))
        .collect();
    let is_clear = outputs.len() < 2 || containers.first().is_some_and(|first| first.name == USUAL);
    let names: Vec<_> = containers.iter().map(|container| container.name.clone()).collect();
    match containers.into_iter().next() {
        Some(first) if is_clear => Ok(first),
        _ => {
            let example = place.example(names.first().map_or("", String::as_str));
            Err(Error::SeveralContainers { place: place.to_string(), names, example })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Explain as _;

    fn path(digit: char, name: &str) -> String {
        format!("/nix/store/{}-{name}", digit.to_string().repeat(32))
    }

    fn container(name: &str, store_path: &str) -> Container {
        Container {
            name: name.to_owned(),
            store_path: Some(store_path.to_owned()),
            image_name: None,
            image_tag: None,
            stream: None,
            plan: None,
        }
    }

    /// What nixpkgs' `buildLayeredImage` makes on x86_64-linux.
    fn layered() -> Container {
        let part = |store_path| Part { store_path, system: Some("x86_64-linux".to_owned()) };
        Container {
            stream: Some(part(path('1', "stream-x"))),
            plan: Some(part(path('2', "x-conf.json"))),
            ..container("container", &path('0', "x.tar.gz"))
        }
    }

    fn parts(text: &str, container: Container, host: &str) -> Vec<String> {
        let installable = Installable::new(text);
        let evaluated = Evaluated { installable, container: Some(container) };
        evaluated.parts_on(host).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_plan_comes_before_the_script_and_both_before_the_archive() {
        let all = [".#a.stream.conf", ".#a.stream"];
        assert_eq!(parts(".#a", layered(), "x86_64-linux"), all);
        let foreign = [".#a.stream.conf"];
        assert_eq!(parts(".#a", layered(), "aarch64-darwin"), foreign, "it cannot be run");
        let without_plan = Container { plan: None, ..layered() };
        assert_eq!(parts(".#a", without_plan, "x86_64-linux"), [".#a.stream"]);
        let other = container("a", &path('0', "x"));
        assert_eq!(parts(".#a", other, "x86_64-linux"), Vec::<String>::new());
    }

    #[test]
    fn a_script_that_is_named_itself_has_its_plan_beside_it() {
        let stream = Container { store_path: Some(path('1', "stream-x")), ..layered() };
        assert_eq!(parts(".#s", stream.clone(), "x86_64-linux"), [".#s.conf"]);
        assert_eq!(parts(".#s", stream, "aarch64-darwin"), [".#s.conf"]);
    }

    #[test]
    fn an_image_is_known_by_the_output_and_by_its_script() {
        let of = |container| {
            let installable = Installable::new(".#a");
            let evaluated = Evaluated { installable, container };
            evaluated.store_paths().iter().map(|path| path.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(Some(layered())), ["x.tar.gz", "stream-x"]);
        let stream = Container { store_path: Some(path('1', "stream-x")), ..layered() };
        assert_eq!(of(Some(stream)), ["stream-x"]);
        // A placeholder: the path is known when the content is.
        let floating = container("a", "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
        assert_eq!(of(Some(floating)), Vec::<String>::new());
        assert_eq!(of(None), Vec::<String>::new());
    }

    #[test]
    fn a_choice_is_left_to_the_user_unless_one_has_the_usual_name() {
        let place = Place::Flake(".".to_owned());
        let choose = |names: &[(&str, char)]| {
            let containers = names.iter().map(|(name, hash)| container(name, &path(*hash, "x")));
            chosen(&place, containers.collect()).map(|container| container.name)
        };
        assert_eq!(choose(&[("container", '0'), ("web-image", '1')]).unwrap(), "container");
        assert_eq!(choose(&[("image", '0')]).unwrap(), "image");
        assert_eq!(choose(&[("image", '0'), ("default", '0')]).unwrap(), "image");
        let error = choose(&[("web-image", '0'), ("worker-image", '1')]).unwrap_err();
        assert_eq!(error.code(), "nix.several-containers");
        assert!(error.to_string().ends_with(": web-image, worker-image"), "{error}");
        assert_eq!(error.hint().unwrap(), "name the one that is meant: `.#web-image`");
    }
}
