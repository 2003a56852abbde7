//! `snowbird config`: what fly.toml comes to.

use std::collections::BTreeMap;

use serde_json::json;

use super::Context;
use super::args::{ConfigCommand, ConfigShowArgs, ConfigValidateArgs};
use super::exit::Failure;
use super::fly_toml::{ConfigFile, find, tell};
use crate::fly::config::{AppConfig, Error, Warning};

/// Shows what machines would get, or tells what is wrong.
pub(super) fn run(context: &Context, command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(args) => show(context, &args),
        ConfigCommand::Validate(args) => validate(context, &args),
    }
}

fn show(context: &Context, args: &ConfigShowArgs) -> Result<(), Failure> {
    let (config, warnings) = ConfigFile::open(&find(args.file.config.as_deref())?)?.inspect();
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
    let file = ConfigFile::open(&find(args.file.config.as_deref())?)?;
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
    let path = file.path().display().to_string();
    let value = json!({"config": path, "valid": true, "warnings": told.len()});
    context.output.result(&format!("`{path}` is valid"), &value)
}
