//! Finding and reading apps' configurations.

use std::fs;
use std::path::{Path, PathBuf};

use super::Context;
use super::args::{ConfigArgs, FlyArgs};
use super::exit::Failure;
use crate::event::Event;
use crate::fly::AppName;
use crate::fly::config::{AppConfig, Error, Warning};

/// The names of the file, in the order in which they are looked for.
const NAMES: [&str; 4] = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"];

/// Returns the app that a command is about: the flag, or what fly.toml names.
///
/// # Errors
///
/// Fails when neither names one, or fly.toml cannot be read.
pub(super) fn app_named(
    context: &Context,
    fly: &FlyArgs,
    config: &ConfigArgs,
) -> Result<AppName, Failure> {
    match &fly.app {
        Some(app) => Ok(app.clone()),
        None => app_of(&read(context, &find(config.config.as_deref())?)?, None),
    }
}

/// Returns the app: the one that was typed, or the one that the configuration names.
///
/// # Errors
///
/// Fails when neither is there.
pub(super) fn app_of(config: &AppConfig, typed: Option<&AppName>) -> Result<AppName, Failure> {
    typed.or(config.app()).cloned().ok_or_else(|| {
        Failure::config("there is no app to deploy to")
            .hint("add `app = \"NAME\"` to fly.toml, or name it with `--app`")
    })
}

/// Reads an app's configuration, and tells its warnings.
///
/// # Errors
///
/// Fails when it cannot be read, or is not acceptable.
pub(super) fn read(context: &Context, path: &Path) -> Result<AppConfig, Failure> {
    let (config, warnings) = ConfigFile::open(path)?.inspect();
    tell(context, &warnings);
    config.map_err(Failure::of)
}

/// Returns the file that `typed` names: itself, or the one in that folder; without it, the one
/// in the working directory.
///
/// # Errors
///
/// Fails when the folder has none.
pub(super) fn find(typed: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match typed {
        Some(path) if !path.is_dir() => return Ok(path.to_owned()),
        folder => folder.filter(|path| *path != Path::new(".")).unwrap_or(Path::new("")),
    };
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.exists()).ok_or_else(|| {
        let place = if folder == Path::new("") { "here" } else { "in the folder" };
        Failure::config(&format!("there is no fly.toml {place}"))
            .hint("name the file or its folder with `--config`")
    })
}

/// A configuration file that is there.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::config(&format!("cannot read `{}`: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what it says, and what is probably not meant.
    pub(super) fn inspect(&self) -> (Result<AppConfig, Error>, Vec<Warning>) {
        AppConfig::inspect(&self.text, &self.path)
    }
}

/// Tells warnings.
pub(super) fn tell(context: &Context, warnings: &[Warning]) {
    for Warning { code, message, .. } in warnings {
        context.reporter.report(Event::Warning { code, message: message.clone() });
    }
}
