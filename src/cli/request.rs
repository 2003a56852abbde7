//! What was typed about a deploy, as a request of the library.

use std::collections::BTreeSet;
use std::path::Path;

use super::Context;
use super::args::RequestArgs;
use super::exit::Failure;
use super::fly_toml;
use super::platform::Fly;
use super::push::{fly_credentials, image_request, registry, repository, transport};
use crate::deploy::{AppRequest, Image, Request};
use crate::fly::AppName;
use crate::fly::config::AppConfig;
use crate::image::Reference;
use crate::rollout::Target;

/// A request, and who takes it.
pub(super) struct Prepared {
    pub(super) request: Request,
    /// A sandbox that was started for the run ends with this.
    pub(super) fly: Fly,
}

/// Reads the configurations, and decides what the machines shall run.
pub(super) async fn prepare(context: &Context, args: &RequestArgs) -> Result<Prepared, Failure> {
    let apps = apps(context, args)?;
    let Some((app, config)) = apps.first() else {
        return Err(Failure::unforeseen("there is no app"));
    };
    let fly = Fly::of(context, &args.fly, args.sandbox.as_deref(), app).await?;
    let image = image(context, args, Some(config), &fly, app)?;
    let apps = apps.into_iter().map(|(app, mut config)| {
        let settings = args.settings(&config);
        args.overrides.apply(&mut config);
        AppRequest { app, target: Target::Config(Box::new(config)), settings }
    });
    Ok(Prepared { request: Request { image, apps: apps.collect() }, fly })
}

/// Returns the apps and their configurations, at least one.
fn apps(context: &Context, args: &RequestArgs) -> Result<Vec<(AppName, AppConfig)>, Failure> {
    let typed = args.fly.app.as_ref();
    let files = match args.configs.as_slice() {
        [] => vec![fly_toml::find(None)?],
        typed => {
            typed.iter().map(|path| fly_toml::find(Some(path))).collect::<Result<Vec<_>, _>>()?
        }
    };
    if files.len() > 1 {
        several_allowed(args)?;
    }
    let mut apps = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let config = fly_toml::read(context, &file)?;
        let app = fly_toml::app_of(&config, typed)?;
        if !names.insert(app.to_string()) {
            return Err(Failure::config(&format!("two configurations name the app `{app}`")));
        }
        apps.push((app, config));
    }
    Ok(apps)
}

/// Fails when several configurations do not go with what else was typed.
pub(super) fn several_allowed(args: &RequestArgs) -> Result<(), Failure> {
    if let Some(app) = &args.fly.app {
        let message = format!("several configurations cannot all be of the app `{app}`");
        return Err(Failure::arguments(&message)
            .hint("leave out `--app`, and the variable `FLY_APP`: each file names its own"));
    }
    if args.sandbox.as_deref() == Some("") {
        return Err(Failure::arguments("a sandbox of its own has one app")
            .hint("start `snowbird sandbox`, and name it with `--sandbox=URL`"));
    }
    Ok(())
}

/// Decides what the machines shall run. An image that is built is pushed to the repository of
/// `app`.
pub(super) fn image(
    context: &Context,
    args: &RequestArgs,
    config: Option<&AppConfig>,
    fly: &Fly,
    app: &AppName,
) -> Result<Image, Failure> {
    if let Some(reference) = &args.reference {
        return Ok(Image::Ready(reference.clone()));
    }
    // An image that fly.toml names is for those who have no flake to build.
    let flake = Path::new("flake.nix").exists();
    if let (Some(image), None, false) =
        (config.and_then(AppConfig::image), &args.image.installable, flake)
    {
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
