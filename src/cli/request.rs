//! What was typed about a deploy, as a request of the library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Context;
use super::args::RequestArgs;
use super::exit::Failure;
use super::fly_toml;
use super::image::{Known, look_up};
use super::platform::Fly;
use super::push::{fly_credentials, image_request, registry, repository, transport};
use crate::deploy::{AppRequest, Image, Request};
use crate::event::Event;
use crate::fly::config::AppConfig;
use crate::fly::{AppName, Client};
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
    let found = apps(context, args)?;
    let Some((first, _)) = found.first() else {
        return Err(Failure::unforeseen("there is no app"));
    };
    let names: Vec<_> = found.iter().map(|(app, _)| app).collect();
    let fly = open(context, args, &names).await?;
    let first = first.clone();
    let mut apps = Vec::new();
    for (app, config) in found {
        let config = match config {
            Some(config) => config,
            None => of_last_release(context, fly.client(), &app).await?,
        };
        apps.push((app, config));
    }
    let image = image(context, args, apps.first().map(|(_, config)| config), &fly, &first)?;
    let image = match image {
        Image::Ready(reference) => Image::Ready(by_digest(context, &fly, &first, reference).await?),
        built @ Image::Build { .. } => built,
    };
    let apps = apps.into_iter().map(|(app, mut config)| {
        args.configure(&mut config).map_err(Failure::of)?;
        let settings = args.settings(&config);
        Ok(AppRequest { app, target: Target::Config(Box::new(config)), settings })
    });
    Ok(Prepared { request: Request { image, apps: apps.collect::<Result<_, _>>()? }, fly })
}

/// Decides which Fly is meant. One that is made for the run has all the apps.
pub(super) async fn open(
    context: &Context,
    args: &RequestArgs,
    apps: &[&AppName],
) -> Result<Fly, Failure> {
    let [first, others @ ..] = apps else {
        return Err(Failure::unforeseen("there is no app"));
    };
    let fly = Fly::of(context, &args.fly, args.sandbox.as_deref(), first).await?;
    if args.sandbox.as_deref() == Some("") {
        for app in others {
            let created = fly.client().create_app(app, "personal");
            context.unless_cancelled(created).await?;
        }
    }
    Ok(fly)
}

/// Returns the apps, at least one, and what their configurations say: nothing of an app that was
/// named where there is no file.
fn apps(
    context: &Context,
    args: &RequestArgs,
) -> Result<Vec<(AppName, Option<AppConfig>)>, Failure> {
    let typed = args.fly.app.as_ref();
    let mut apps = Vec::new();
    let mut names = BTreeSet::new();
    for file in files(args)? {
        let Some(file) = file else {
            apps.extend(typed.map(|app| (app.clone(), None)));
            continue;
        };
        let config = fly_toml::read(context, &file)?;
        let app = fly_toml::app_of(&config, typed)?;
        if !names.insert(app.to_string()) {
            return Err(Failure::config(&format!("two configurations name the app `{app}`")));
        }
        apps.push((app, Some(config)));
    }
    Ok(apps)
}

/// Returns the configuration files, at least one; nothing stands for the one that is not there
/// though an app was named.
pub(super) fn files(args: &RequestArgs) -> Result<Vec<Option<PathBuf>>, Failure> {
    let typed = args.configs.as_slice();
    match (typed, &args.fly.app) {
        ([], None) => Ok(vec![Some(fly_toml::find(None)?)]),
        ([], Some(_)) => Ok(vec![fly_toml::find(None).ok()]),
        ([_, _, ..], Some(app)) => {
            let message = format!("several configurations cannot all be of the app `{app}`");
            Err(Failure::arguments(&message)
                .hint("leave out `--app`, and the variable `FLY_APP`: each file names its own"))
        }
        _ => typed.iter().map(|path| fly_toml::find(Some(path)).map(Some)).collect(),
    }
}

/// Takes the configuration that the last release of an app was recorded with.
async fn of_last_release(
    context: &Context,
    client: &Client,
    app: &AppName,
) -> Result<AppConfig, Failure> {
    let definition = context.unless_cancelled(client.current_definition(app)).await?;
    let is_one = |definition: &Value| definition.as_object().is_some_and(|keys| !keys.is_empty());
    let Some(definition) = definition.filter(is_one) else {
        let message =
            format!("there is no fly.toml here, and no release of `{app}` to take one from");
        return Err(Failure::config(&message).hint("name the file or its folder with `--config`"));
    };
    let config = AppConfig::from_definition(&definition).map_err(Failure::of)?;
    context.reporter.report(Event::Warning {
        code: "config.of-last-release",
        message: format!(
            "there is no fly.toml here: the configuration of the last release of `{app}` is taken"
        ),
    });
    Ok(config)
}

/// Names an image by its digest, as far as the registry tells: a tag may come to mean another.
async fn by_digest(
    context: &Context,
    fly: &Fly,
    app: &AppName,
    reference: Reference,
) -> Result<Reference, Failure> {
    match look_up(context, fly, app, &reference).await? {
        Known::There(digest) => Ok(reference.with_digest(digest)),
        Known::Untold => Ok(reference),
        Known::Gone => Err(Failure::no_image(&format!("there is no image `{reference}`"))
            .hint("look for a mistake in its name, or push it with `snowbird push`")),
    }
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
        (config.and_then(AppConfig::image), args.image.named(), flake)
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
