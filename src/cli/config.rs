//! `snowbird config`: what fly.toml comes to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Context;
use super::args::{ConfigCommand, ConfigShowArgs, ConfigValidateArgs};
use super::exit::Failure;
use crate::event::Event;
use crate::fly::config::{AppConfig, Error, Warning};

/// The names of the file, in the order in which they are looked for.
const NAMES: [&str; 4] = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"];

/// Shows what machines would get, or tells what is wrong.
pub(super) fn run(context: &Context, command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(args) => show(context, &args),
        ConfigCommand::Validate(args) => validate(context, &args),
    }
}

fn show(context: &Context, args: &ConfigShowArgs) -> Result<(), Failure> {
    let (config, warnings) = ConfigFile::find(args.file.config.as_deref())?.inspect();
    tell(context, &warnings);
    let config = config.map_err(Failure::of)?;
    config.check_groups(&args.groups).map_err(Failure::of)?;
    let image = image(&config, args);
    let groups = if args.groups.is_empty() { config.groups() } else { args.groups.clone() };
    let mut machines = BTreeMap::new();
    for group in groups {
        let machine = config.machine_config(&group, &image, None).map_err(Failure::of)?;
        let machine = serde_json::to_value(machine).map_err(unforeseen)?;
        machines.insert(group, machine);
    }
    let text = serde_json::to_string_pretty(&machines).map_err(unforeseen)?;
    context.output.result(&text, &machines)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unforeseen(error: serde_json::Error) -> Failure {
    Failure::unforeseen(&error.to_string())
}

/// Returns what stands for the image that is not there yet.
fn image(config: &AppConfig, args: &ConfigShowArgs) -> String {
    let app = args.app.as_ref().or(config.app());
    args.image
        .clone()
        .or(config.image().map(str::to_owned))
        .or(app.map(|app| format!("registry.fly.io/{app}")))
        .unwrap_or_default()
}

fn validate(context: &Context, args: &ConfigValidateArgs) -> Result<(), Failure> {
    let file = ConfigFile::find(args.file.config.as_deref())?;
    let (config, warnings) = file.inspect();
    let error = match &config {
        Ok(config) => config.check_groups(&[]).err(),
        Err(error) => Some(error.clone()),
    };
    let error = if args.strict { Error::strict(error, &warnings) } else { error };
    let told: Vec<_> = warnings
        .into_iter()
        .filter(|warning| !args.strict || warning.code != Warning::UNKNOWN_KEY)
        .collect();
    tell(context, &told);
    if let Some(error) = error {
        return Err(Failure::of(error));
    }
    let path = file.path.display().to_string();
    let value = json!({"config": path, "valid": true, "warnings": told.len()});
    context.output.result(&format!("`{path}` is valid"), &value)
}

/// A configuration file that is there.
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    /// Reads the file that is named, or the one in the folder that is named, or here.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) if !path.is_dir() => path.to_owned(),
            folder => {
                let folder = folder.filter(|path| *path != Path::new(".")).unwrap_or(Path::new(""));
                let mut paths = NAMES.iter().map(|name| folder.join(name));
                paths.find(|path| path.exists()).ok_or_else(|| {
                    let place = if folder == Path::new("") { "here" } else { "in the folder" };
                    Failure::config(&format!("there is no fly.toml {place}"))
                        .hint("name the file or its folder with `--config`")
                })?
            }
        };
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::config(&format!("cannot read `{}`: {error}", path.display()))
        })?;
        Ok(Self { path, text })
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
