//! `snowbird push`

use std::sync::Arc;

use serde_json::json;

use super::Context;
use super::args::{ImageArgs, PushArgs};
use super::credentials::{fly_token, registry_login, secret_file};
use super::exit::Failure;
use super::fly_toml::app_named;
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
    let (to, credentials, platform) = target(context, &args)?;
    request.tags.extend(to.tag.clone());
    let transport = transport(&to.registry, args.plain_http);
    let registry = registry(context, &to, transport, credentials)?;
    let to = Destination { registry: &registry, previous: Vec::new(), platform };
    let pushed = build_and_push(&request, to, &context.reporter, &context.cancel).await;
    let pushed = pushed.map_err(Failure::of)?;
    let reference = pushed.reference.to_string();
    context.output.result(&reference, &json!({ "image": reference }))
}

/// Where the image goes, as whom, and what it must be made for.
fn target(
    context: &Context,
    args: &PushArgs,
) -> Result<(Reference, Option<Credentials>, Platform), Failure> {
    let fly_host = fly_registry(context)?;
    let Some(to) = &args.to else {
        let app = app_named(context, &args.fly, &args.config)?;
        let token = fly_token(context, args.fly.token_file.as_deref())?;
        let to = Reference::new(fly_host, repository(app.as_str())?);
        return Ok((to, Some(fly_credentials(&token)), Platform::LinuxAmd64));
    };
    if to.digest.is_some() {
        let message = format!("`--to {to}` names a digest, but that is what a push finds out");
        return Err(Failure::config(&message).hint("write HOST/REPOSITORY or HOST/REPOSITORY:TAG"));
    }
    let given = match (&args.username, &args.password_file) {
        (Some(username), Some(file)) => {
            let password = secret_file(context, file)?;
            Some(Credentials { username: username.clone(), password })
        }
        _ => None,
    };
    let (credentials, platform) = if to.registry == fly_host {
        let token = fly_token(context, args.fly.token_file.as_deref())?;
        (given.or_else(|| Some(fly_credentials(&token))), Platform::LinuxAmd64)
    } else {
        (given.or_else(|| registry_login(context, &to.registry)), Platform::Any)
    };
    Ok((to.clone(), credentials, platform))
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
    let origin = match Target::parse(args.installable.as_deref()) {
        Target::Path(path) => Origin::File { path, nix: Nix::find(context.env.os("PATH")).ok() },
        Target::Installable(installable) => by_nix(context, args, Output::Named(installable))?,
        Target::Flake(flake) => by_nix(context, args, Output::ContainerOf(flake))?,
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
    Ok(Origin::Nix { nix, output, arguments: args.nix_arguments.clone() })
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
    Credentials { username: REGISTRY_USER.to_owned(), password: token.registry_password().clone() }
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
