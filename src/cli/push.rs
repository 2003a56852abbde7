//! `snowbird push`

use std::sync::Arc;

use serde_json::json;

use super::Context;
use super::args::{ImageArgs, PushArgs};
use super::credentials::{registry_login, secret_file};
use super::exit::Failure;
use super::fly_toml::app_named;
use super::platform::Fly;
use crate::deploy::{Destination, ImageRequest, Origin, Output, build_and_push};
use crate::fly::{REGISTRY_USER, Token};
use crate::image::{ManifestFormat, Reference, RegistryHost, Repository};
use crate::layer::{Encoding, Memo};
use crate::nix::{Nix, Target};
use crate::push::{Format, Platform};
use crate::registry::{Credentials, Registry, Transport};

/// Fly's registry, unless `FLY_REGISTRY_HOST` names another.
const FLY_REGISTRY: &str = "registry.fly.io";

/// Builds an image, pushes it, and prints it by digest.
pub(super) async fn run(context: &Context, args: PushArgs) -> Result<(), Failure> {
    let mut request = image_request(context, &args.image)?;
    let target = target(context, &args).await?;
    request.tags.extend(target.to.tag.clone());
    let transport = transport(&target.to.registry, args.plain_http);
    let registry = registry(context, &target.to, transport, target.credentials)?;
    let platform = target.platform;
    let to = Destination { registry: &registry, previous: Vec::new(), platform };
    let push = build_and_push(&request, to, &context.reporter, &context.cancel);
    let pushed = match &target.fly {
        Some(fly) => Box::pin(fly.during(push)).await,
        None => Box::pin(push).await,
    };
    let pushed = pushed.map_err(Failure::of)?;
    let reference = pushed.reference.to_string();
    context.output.result(&reference, &json!({ "image": reference }))
}

/// Where an image goes, as whom, and what it must be made for.
struct Aim {
    to: Reference,
    credentials: Option<Credentials>,
    platform: Platform,
    /// Keeps the token fresh.
    fly: Option<Fly>,
}

async fn target(context: &Context, args: &PushArgs) -> Result<Aim, Failure> {
    let fly_host = fly_registry(context)?;
    let platform = Platform::LinuxAmd64;
    let Some(to) = &args.to else {
        let app = app_named(context, &args.fly, &args.config)?;
        let fly = Fly::at(context, args.fly.token_file.as_deref(), None).await?;
        let to = Reference::new(fly_host, repository(app.as_str())?);
        let credentials = Some(fly_credentials(fly.token()));
        return Ok(Aim { to, credentials, platform, fly: Some(fly) });
    };
    if to.digest.is_some() {
        let message = format!("`--to {to}` names a digest, but that is what a push finds out");
        return Err(Failure::config(&message).hint("write HOST/REPOSITORY or HOST/REPOSITORY:TAG"));
    }
    let to = to.clone();
    if let (Some(username), Some(file)) = (&args.username, &args.password_file) {
        let password = secret_file(context, file)?.into();
        let credentials = Some(Credentials { username: username.clone(), password });
        let platform = if to.registry == fly_host { platform } else { Platform::Any };
        return Ok(Aim { to, credentials, platform, fly: None });
    }
    if to.registry == fly_host {
        let fly = Fly::at(context, args.fly.token_file.as_deref(), None).await?;
        let credentials = Some(fly_credentials(fly.token()));
        return Ok(Aim { to, credentials, platform, fly: Some(fly) });
    }
    let credentials = registry_login(context, &to.registry);
    Ok(Aim { to, credentials, platform: Platform::Any, fly: None })
}

/// Turns what was typed about the image into a request.
pub(super) fn image_request(context: &Context, args: &ImageArgs) -> Result<ImageRequest, Failure> {
    let manifest = args.manifest.format();
    let encoding = args.compression.unwrap_or(match manifest {
        ManifestFormat::Oci => Encoding::ZSTD,
        ManifestFormat::Docker => Encoding::GZIP,
    });
    let format = Format::new(manifest, encoding).map_err(|error| {
        Failure::config(&error.to_string()).hint("leave out `--manifest docker`, or use gzip")
    })?;
    let origin = match args.named().unwrap_or_else(|| Target::parse(None)) {
        Target::Path(path) => Origin::File { path, nix: Nix::find(context.env.os("PATH")).ok() },
        Target::Installable(installable) => by_nix(context, args, Output::Named(installable))?,
        Target::ContainerOf(place) => by_nix(context, args, Output::ContainerOf(place))?,
    };
    Ok(ImageRequest {
        origin,
        tags: args.tags.clone(),
        image_name: args.image_name.clone(),
        format,
        reuse: args.reuse(),
        memo: context.env.cache_folder().map(|folder| Arc::new(Memo::open(&folder))),
    })
}

fn by_nix(context: &Context, args: &ImageArgs, output: Output) -> Result<Origin, Failure> {
    let nix = Nix::find(context.env.os("PATH")).map_err(Failure::of)?;
    Ok(Origin::Nix { nix, output, arguments: args.nix_arguments() })
}

/// Returns the host of Fly's registry.
pub(super) fn fly_registry(context: &Context) -> Result<RegistryHost, Failure> {
    let host = context.env.text("FLY_REGISTRY_HOST").unwrap_or(FLY_REGISTRY);
    host.parse().map_err(|error| Failure::config(&format!("`FLY_REGISTRY_HOST`: {error}")))
}

/// Returns the repository of an app in Fly's registry.
pub(super) fn repository(app: &str) -> Result<Repository, Failure> {
    app.parse().map_err(|error| Failure::config(&format!("the app has no repository: {error}")))
}

/// Returns what Fly's registry wants to see of a token.
pub(super) fn fly_credentials(token: &Token) -> Credentials {
    Credentials { username: REGISTRY_USER.to_owned(), password: token.registry_password() }
}

/// Decides on TLS: without it only to this machine, or when the user asks for it.
pub(super) fn transport(host: &RegistryHost, plain_http: bool) -> Transport {
    if plain_http || host.is_loopback() { Transport::PlainHttp } else { Transport::Https }
}

/// Makes the client of a registry.
pub(super) fn registry(
    context: &Context,
    to: &Reference,
    transport: Transport,
    credentials: Option<Credentials>,
) -> Result<Registry, Failure> {
    let (clients, reporter) = (context.clients()?, Arc::clone(&context.reporter));
    let (host, repository) = (to.registry.clone(), to.repository.clone());
    Registry::new(host, transport, credentials, repository, clients, reporter).map_err(Failure::of)
}
