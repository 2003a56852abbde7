//! Which Fly is meant: the platform, or a sandbox.

use std::sync::Arc;

use super::Context;
use super::args::FlyArgs;
use super::credentials::fly_token;
use super::exit::Failure;
use super::push::fly_registry;
use super::sandbox::{self, TOKEN};
use crate::fly::{AppName, Client, Endpoints, Token};
use crate::http::Retry;
use crate::image::RegistryHost;
use crate::sandbox::Sandbox;

/// A Fly, and as whom it is spoken to.
pub(super) struct Fly {
    client: Client,
    /// The base URL of a sandbox.
    sandbox: Option<String>,
    /// The sandbox that lives as long as this.
    _own: Option<Sandbox>,
}

impl Fly {
    /// Decides which Fly is meant. `sandbox` is the URL of one, or nothing for a new one
    /// that has `app`.
    pub(super) async fn of(
        context: &Context,
        args: &FlyArgs,
        sandbox: Option<&str>,
        app: &AppName,
    ) -> Result<Self, Failure> {
        let Some(url) = sandbox else { return Self::platform(context, args).await };
        let own =
            if url.is_empty() { Some(sandbox::start_for_run(app.as_str()).await?) } else { None };
        let url = own.as_ref().map_or_else(|| url.trim_end_matches('/').to_owned(), Sandbox::url);
        let token = match &args.token_file {
            Some(file) if own.is_none() => fly_token(context, Some(file))?,
            _ => Token::parse(TOKEN).map_err(Failure::of)?,
        };
        let endpoints = Endpoints::new(&url, &url, &url).map_err(Failure::of)?;
        Self::open(context, token, endpoints, Some(url), own).await
    }

    /// Takes the platform itself, or what the environment puts in its place.
    pub(super) async fn platform(context: &Context, args: &FlyArgs) -> Result<Self, Failure> {
        let token = fly_token(context, args.token_file.as_deref())?;
        let address = |variable, usual| context.env.text(variable).unwrap_or(usual);
        let endpoints = Endpoints::new(
            address("FLY_FLAPS_BASE_URL", Endpoints::MACHINES),
            address("FLY_UIEX_BASE_URL", Endpoints::WEB),
            address("FLY_API_BASE_URL", Endpoints::API),
        );
        Self::open(context, token, endpoints.map_err(Failure::of)?, None, None).await
    }

    async fn open(
        context: &Context,
        token: Token,
        endpoints: Endpoints,
        sandbox: Option<String>,
        own: Option<Sandbox>,
    ) -> Result<Self, Failure> {
        let retry = Retry::new(Arc::clone(&context.reporter));
        let client = Client::new(context.clients()?, endpoints, token, retry);
        tokio::select! {
            renewed = client.renew_token() => renewed.map_err(Failure::of)?,
            () = context.cancel.cancelled() => return Err(Failure::interrupted()),
        }
        Ok(Self { client, sandbox, _own: own })
    }

    /// Runs `work`, and keeps the token fresh meanwhile.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            result = work => result,
            never = self.client.keep_token_fresh() => match never {},
        }
    }

    /// Returns the client of the platform's APIs.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the token.
    pub(super) fn token(&self) -> &Token {
        self.client.token()
    }

    /// Returns the host of the registry that belongs to it.
    pub(super) fn registry_host(&self, context: &Context) -> Result<RegistryHost, Failure> {
        let Some(url) = &self.sandbox else { return fly_registry(context) };
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        host.parse().map_err(|error| Failure::config(&format!("`--sandbox`: {error}")))
    }
}
