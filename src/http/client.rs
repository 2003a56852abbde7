//! The clients that every request goes through.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::tls::Certificate;

use super::Error;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side may be silent in the middle of an answer's body.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("snowbird/", env!("CARGO_PKG_VERSION"));

/// The two clients: one for short requests, one for blobs.
///
/// Registries commonly grant an HTTP/2 connection 1 MiB of unacknowledged data for all its
/// streams, so blobs go over several HTTP/1.1 connections instead.
#[derive(Debug, Clone)]
pub struct Clients {
    requests: reqwest::Client,
    blobs: reqwest::Client,
}

impl Clients {
    /// Makes the clients. `roots` are further certificate authorities to trust, in PEM:
    /// the content of the file that `NIX_SSL_CERT_FILE` names, in a Nix shell.
    ///
    /// # Errors
    ///
    /// Fails when `roots` holds no certificate, or the platform has no usable TLS.
    pub fn new(roots: Option<&[u8]>) -> Result<Self, Error> {
        let roots = match roots {
            Some(pem) => Certificate::from_pem_bundle(pem).map_err(|e| Error::setup(&e))?,
            None => Vec::new(),
        };
        let builder = || {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .tls_certs_merge(roots.clone())
        };
        Ok(Self {
            requests: builder().read_timeout(READ_TIMEOUT).build().map_err(|e| Error::setup(&e))?,
            blobs: builder().http1_only().build().map_err(|e| Error::setup(&e))?,
        })
    }

    /// Returns the client for short requests and answers.
    pub fn requests(&self) -> &reqwest::Client {
        &self.requests
    }

    /// Returns the client for bodies that take long.
    pub fn blobs(&self) -> &reqwest::Client {
        &self.blobs
    }
}

/// Sends `request` and waits for the head of the answer, at most `within`.
///
/// # Errors
///
/// Fails when no answer came: unreachable, broken off or silent. Every status is an answer.
pub async fn send(
    client: &reqwest::Client,
    request: reqwest::Request,
    within: Duration,
) -> Result<reqwest::Response, Error> {
    let (method, url) = (request.method().clone(), request.url().clone());
    tracing::debug!(%method, path = url.path(), "request");
    match tokio::time::timeout(within, client.execute(request)).await {
        Ok(Ok(response)) => {
            tracing::debug!(%method, path = url.path(), status = response.status().as_u16(), "answer");
            Ok(response)
        }
        Ok(Err(error)) => Err(Error::transport(&method, &url, &error)),
        Err(_elapsed) => Err(Error::silent(&method, &url, within)),
    }
}
