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
    token: Token,
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
        let Some(url) = sandbox else {
            let token = fly_token(context, args.token_file.as_deref())?;
            return Ok(Self { token, sandbox: None, _own: None });
        };
        let own =
            if url.is_empty() { Some(sandbox::start_for_run(app.as_str()).await?) } else { None };
        let url = own.as_ref().map_or_else(|| url.trim_end_matches('/').to_owned(), Sandbox::url);
        let token = match &args.token_file {
            Some(file) if own.is_none() => fly_token(context, Some(file))?,
            _ => Token::parse(TOKEN).map_err(Failure::of)?,
        };
        Ok(Self { token, sandbox: Some(url), _own: own })
    }

    /// Returns the token.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// Makes the client of the platform's APIs.
    pub(super) fn client(&self, context: &Context) -> Result<Client, Failure> {
        let env = &context.env;
        let address = |variable, usual| match &self.sandbox {
            Some(url) => url.as_str(),
            None => env.text(variable).unwrap_or(usual),
        };
        let machines = address("FLY_FLAPS_BASE_URL", Endpoints::MACHINES);
        let web = address("FLY_UIEX_BASE_URL", Endpoints::WEB);
        let api = address("FLY_API_BASE_URL", Endpoints::API);
        let endpoints = Endpoints::new(machines, web, api).map_err(Failure::of)?;
        let retry = Retry::new(Arc::clone(&context.reporter));
        Ok(Client::new(context.clients()?, endpoints, self.token.clone(), retry))
    }

    /// Returns the host of the registry that belongs to it.
    pub(super) fn registry_host(&self, context: &Context) -> Result<RegistryHost, Failure> {
        let Some(url) = &self.sandbox else { return fly_registry(context) };
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        host.parse().map_err(|error| Failure::config(&format!("`--sandbox`: {error}")))
    }
}
