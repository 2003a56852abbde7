//! Which Fly is meant: the platform, or a sandbox.

use std::path::Path;
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
        let token_file = args.token_file.as_deref();
        if sandbox != Some("") {
            return Self::at(context, token_file, sandbox).await;
        }
        let own = sandbox::start_for_run(app.as_str()).await?;
        let token = Token::parse(TOKEN).map_err(Failure::of)?;
        Self::in_sandbox(context, token, own.url(), Some(own)).await
    }

    /// Takes the sandbox at a URL, or else the platform itself, or what the environment puts
    /// in its place.
    pub(super) async fn at(
        context: &Context,
        token_file: Option<&Path>,
        sandbox: Option<&str>,
    ) -> Result<Self, Failure> {
        if let Some(url) = sandbox {
            let token = match token_file {
                Some(file) => fly_token(context, Some(file))?,
                None => Token::parse(TOKEN).map_err(Failure::of)?,
            };
            let url = url.trim_end_matches('/').to_owned();
            return Self::in_sandbox(context, token, url, None).await;
        }
        let token = fly_token(context, token_file)?;
        let address = |variable, usual| context.env.text(variable).unwrap_or(usual);
        let endpoints = Endpoints::new(
            address("FLY_FLAPS_BASE_URL", Endpoints::MACHINES),
            address("FLY_UIEX_BASE_URL", Endpoints::WEB),
            address("FLY_API_BASE_URL", Endpoints::API),
        );
        Self::open(context, token, endpoints.map_err(Failure::of)?, None, None).await
    }

    async fn in_sandbox(
        context: &Context,
        token: Token,
        url: String,
        own: Option<Sandbox>,
    ) -> Result<Self, Failure> {
        let endpoints = Endpoints::new(&url, &url, &url).map_err(Failure::of)?;
        Self::open(context, token, endpoints, Some(url), own).await
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
