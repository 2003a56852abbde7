//! `snowbird deploy`

use std::path::Path;

use serde_json::json;

use super::Context;
use super::args::{DeployArgs, FlyArgs};
use super::config::{ConfigFile, tell};
use super::exit::Failure;
use super::platform::Fly;
use super::push::{fly_credentials, image_request, registry, repository, transport};
use crate::deploy::{Deployed, Image, Request, deploy};
use crate::fly::AppName;
use crate::fly::config::{AppConfig, Strategy};
use crate::image::Reference;
use crate::rollout::Settings;

/// Builds, pushes and rolls out, and prints the image by digest.
pub(super) async fn run(context: &Context, args: DeployArgs) -> Result<(), Failure> {
    let mut config = read_config(context, &args.fly)?;
    for (name, value) in &args.variables {
        config.set_env(name, value);
    }
    if let Some(strategy) = &args.strategy {
        let strategy: Strategy =
            strategy.parse().map_err(|error| Failure::config(&format!("`--strategy`: {error}")))?;
        config.set_strategy(strategy);
    }
    config.check_groups(&[]).map_err(Failure::of)?;
    let app = app_of(&config, &args.fly)?;
    let fly = Fly::of(context, &args.fly, args.sandbox.as_deref(), &app).await?;
    let image = image(context, &args, &config, &fly, &app)?;
    let client = fly.client(context)?;
    let mut settings = Settings::DEFAULT;
    if let Some(timeout) = args.wait_timeout.or(config.wait_timeout()) {
        settings.wait_timeout = timeout;
    }
    let request = Request { image, app, config, settings };
    let deployed = deploy(&client, request, &context.reporter, &context.cancel).await;
    let Deployed { image, outcome } = deployed.map_err(Failure::of)?;
    let image = image.to_string();
    let value = json!({
        "image": image,
        "version": outcome.version,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "url": outcome.url,
    });
    context.output.result(&image, &value)
}

/// Decides what the machines shall run.
fn image(
    context: &Context,
    args: &DeployArgs,
    config: &AppConfig,
    fly: &Fly,
    app: &AppName,
) -> Result<Image, Failure> {
    if let Some(reference) = &args.reference {
        return Ok(Image::Ready(reference.clone()));
    }
    // An image that fly.toml names is for those who have no flake to build.
    let flake = Path::new("flake.nix").exists();
    if let (Some(image), None, false) = (config.image(), &args.image.installable, flake) {
        let reference = image.parse().map_err(|error| {
            Failure::config(&format!("`image` in `[build]` cannot be deployed: {error}"))
        })?;
        return Ok(Image::Ready(reference));
    }
    let host = fly.registry_host(context)?;
    let to = Reference::new(host.clone(), repository(app.as_str())?);
    let credentials = Some(fly_credentials(fly.token()));
    let registry = registry(context, &to, transport(&host, false), credentials)?;
    Ok(Image::Build { request: image_request(context, &args.image)?, registry })
}

/// Returns the app: the flag, or what the fly.toml names that is read for it.
pub(super) fn app_named(context: &Context, args: &FlyArgs) -> Result<AppName, Failure> {
    match &args.app {
        Some(app) => Ok(app.clone()),
        None => app_of(&read_config(context, args)?, args),
    }
}

/// Returns the app: the flag, or what fly.toml names.
fn app_of(config: &AppConfig, args: &FlyArgs) -> Result<AppName, Failure> {
    args.app.as_ref().or(config.app()).cloned().ok_or_else(|| {
        Failure::config("there is no app to deploy to")
            .hint("add `app = \"NAME\"` to fly.toml, or name it with `--app`")
    })
}

/// Reads the app's configuration, and tells its warnings.
pub(super) fn read_config(context: &Context, args: &FlyArgs) -> Result<AppConfig, Failure> {
    let file = ConfigFile::find(args.config.as_deref())?;
    let (config, warnings) = file.inspect();
    tell(context, &warnings);
    config.map_err(Failure::of)
}
