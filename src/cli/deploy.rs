//! `snowbird deploy`

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Context;
use super::args::{DeployArgs, FlyArgs};
use super::exit::Failure;
use super::platform::Fly;
use super::push::{fly_credentials, image_request, registry, repository, transport};
use crate::deploy::{AppRequest, Deployed, Image, Request, deploy};
use crate::event::Event;
use crate::fly::AppName;
use crate::fly::config::{AppConfig, Strategy, Warning};
use crate::image::Reference;
use crate::rollout::{Settings, Target};

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
    let app = app_of(&config, &args.fly)?;
    let fly = Fly::of(context, &args.fly, args.sandbox.as_deref(), &app).await?;
    let image = image(context, &args, &config, &fly, &app)?;
    let mut settings = Settings::of(&config);
    if let Some(timeout) = args.wait_timeout {
        settings.patience.wait_timeout = timeout;
    }
    let target = Target::Config(Box::new(config));
    let request = Request { image, apps: vec![AppRequest { app, target, settings }] };
    let deploy = deploy(fly.client(), request, &context.reporter, &context.cancel);
    let deployed = Box::pin(fly.during(deploy)).await.map_err(Failure::of)?;
    let Some(Deployed { image, outcome, .. }) = deployed.into_iter().next() else { return Ok(()) };
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
    let path = config_path(args)?;
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::config(&format!("cannot read `{}`: {error}", path.display())))?;
    let (config, warnings) = AppConfig::parse(&text, &path).map_err(Failure::of)?;
    for Warning { code, message } in warnings {
        context.reporter.report(Event::Warning { code, message });
    }
    Ok(config)
}

fn config_path(args: &FlyArgs) -> Result<PathBuf, Failure> {
    let path = args.config.clone().unwrap_or_else(|| PathBuf::from("."));
    if !path.is_dir() {
        return Ok(path);
    }
    let path = if path == Path::new(".") { PathBuf::new() } else { path };
    ["fly.toml", "fly.json", "fly.yaml"]
        .iter()
        .map(|name| path.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| {
            let place = if path.as_os_str().is_empty() { "here" } else { "in the folder" };
            Failure::config(&format!("there is no fly.toml {place}"))
                .hint("name the file or its folder with `--config`")
        })
}
