//! One registry, as one user sees it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, WARNING};
use reqwest::{Method, Request, Response, StatusCode, Url};
use tokio::time::Instant;

use super::Error;
use super::auth::{Auth, Credentials};
use super::error::Asked;
use super::location::Location;
use super::timing::Timing;
use crate::event::{Event, Reporter};
use crate::http::{Clients, Patience, Retry, Verdict, clean, read_capped, send, status_verdict};
use crate::image::{RegistryHost, Repository};

/// The most bytes that are read of an error.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The most redirects that a request follows.
const MAX_REDIRECTS: usize = 5;

/// How the registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP over TLS.
    Https,
    /// HTTP without TLS: for loopback, or when the user asks for it.
    PlainHttp,
}

/// One registry, as one user sees it. Clones share connections, credentials and pauses.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({}/{})", self.0.host, self.0.repository)
    }
}

struct Inner {
    host: RegistryHost,
    base: Url,
    repository: Repository,
    clients: Clients,
    auth: Auth,
    retry: Retry,
    timing: Timing,
    answered: AtomicBool,
    /// Bodies were sent to other places, so it is asked where they go.
    redirects_bodies: AtomicBool,
    reporter: Arc<dyn Reporter>,
    /// What the registry has warned of, so that it is told once.
    warnings: Mutex<BTreeSet<String>>,
}

impl Registry {
    /// Makes a client for `host` that pushes to `repository`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails when the host cannot be part of a URL.
    pub fn new(
        host: RegistryHost,
        transport: Transport,
        credentials: Option<Credentials>,
        repository: Repository,
        clients: Clients,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, Error> {
        let timing = Timing::default();
        Self::with_timing(host, transport, credentials, repository, clients, reporter, timing)
    }

    /// As [`Registry::new`], with other times than the usual ones.
    ///
    /// # Errors
    ///
    /// Fails when the host cannot be part of a URL.
    pub fn with_timing(
        host: RegistryHost,
        transport: Transport,
        credentials: Option<Credentials>,
        repository: Repository,
        clients: Clients,
        reporter: Arc<dyn Reporter>,
        timing: Timing,
    ) -> Result<Self, Error> {
        let scheme = match transport {
            Transport::Https => "https",
            Transport::PlainHttp => "http",
        };
        let base = Url::parse(&format!("{scheme}://{host}/v2/"))
            .map_err(|error| Error::protocol(&format!("reach `{host}`"), &error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            auth: Auth::new(credentials, &repository),
            host,
            base,
            repository,
            clients,
            retry: Retry::new(Arc::clone(&reporter)),
            timing,
            answered: AtomicBool::new(false),
            redirects_bodies: AtomicBool::new(false),
            reporter,
            warnings: Mutex::default(),
        })))
    }

    /// Returns the registry's host.
    pub fn host(&self) -> &RegistryHost {
        &self.0.host
    }

    /// Returns the repository that is pushed to.
    pub fn repository(&self) -> &Repository {
        &self.0.repository
    }

    pub(super) fn base(&self) -> &Url {
        &self.0.base
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.0.clients
    }

    /// Returns the loop for requests that may be sent again.
    pub fn retry(&self) -> &Retry {
        &self.0.retry
    }

    /// Returns how patient to be: less with a registry that never answered.
    pub fn patience(&self) -> Patience {
        if self.has_answered() { self.0.timing.patience } else { Patience::FIRST_CONTACT }
    }

    pub(super) fn timing(&self) -> Timing {
        self.0.timing
    }

    /// Returns whether it must be asked where a body goes, before it is sent.
    pub(super) fn redirects_bodies(&self) -> bool {
        self.0.redirects_bodies.load(Ordering::Relaxed)
    }

    /// Notes that a body came to the wrong place.
    pub(super) fn note_redirects(&self) {
        self.0.redirects_bodies.store(true, Ordering::Relaxed);
    }

    fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// Asks whether there is a registry, and whether it takes the credentials.
    ///
    /// # Errors
    ///
    /// Fails without an answer within seconds, and when the credentials are refused.
    pub async fn contact(&self) -> Result<(), Error> {
        let what = format!("reach `{}`", self.0.host);
        self.retry()
            .run(self.patience(), &what, async |_| {
                let ask = Ask::new(Method::GET, self.0.base.clone(), &self.0.repository, &what);
                let response = self.ask(ask.clone()).await?;
                // Whatever else it answers, it is there.
                if status_verdict(response.status(), response.headers(), SystemTime::now())
                    == Verdict::Final
                {
                    return Ok(());
                }
                Err(self.refusal(response, &ask).await)
            })
            .await
    }

    /// Returns the URL of `path` in `repository`.
    pub(super) fn url(&self, repository: &Repository, path: &str) -> Url {
        let mut url = self.0.base.clone();
        // Both parts hold nothing that would need to be escaped.
        url.set_path(&format!("/v2/{repository}/{path}"));
        url
    }

    /// Sees to it that the token is good for reading `other` too.
    pub(super) async fn will_read(&self, other: &Repository) {
        if *other != self.0.repository {
            self.0.auth.will_read(other).await;
        }
    }

    /// Returns the header to send along, renewed when it is about to run out.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        self.0.auth.header(self.0.clients.requests()).await
    }

    /// Takes in a 401; returns whether it is worth asking again.
    pub(super) async fn challenged(
        &self,
        answer: &HeaderMap,
        rejected: Option<&HeaderValue>,
    ) -> Result<bool, Error> {
        let client = self.0.clients.requests();
        self.0.auth.challenged(client, &self.0.base, answer, rejected).await
    }

    /// Notes that an upload was accepted.
    pub(super) async fn body_accepted(&self) {
        self.0.auth.body_accepted().await;
    }

    /// Notes that an upload was refused for its credentials; returns whether it is worth
    /// sending another.
    pub(super) async fn body_refused(&self, begun: Instant) -> bool {
        self.0.auth.body_refused(begun).await
    }

    /// Sends one request, with the credentials that the registry asks for, and follows
    /// redirects: all of a GET or HEAD, and of others those that keep the method. Any
    /// status but 401 is an answer.
    ///
    /// # Errors
    ///
    /// Fails without an answer, and when the credentials are refused for good.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Response, Error> {
        self.will_read(ask.repository).await;
        let mut to = Location { url: ask.url.clone(), at_registry: true };
        to.at_registry = to.url.origin() == self.0.base.origin();
        let mut redirects = 0;
        let mut refreshed = 0;
        loop {
            let header = if to.at_registry { self.authorization().await? } else { None };
            let response = self.ask_once(&ask, &to, header.clone()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && to.at_registry {
                if refreshed < 2 && self.challenged(response.headers(), header.as_ref()).await? {
                    refreshed += 1;
                    continue;
                }
                return Err(self.refusal(response, &ask).await);
            }
            if header.is_some() {
                self.0.auth.accepted().await;
            }
            let may_follow = match ask.method {
                Method::GET | Method::HEAD => status.is_redirection(),
                _ => is_kept_redirect(status),
            };
            if may_follow && redirects < MAX_REDIRECTS {
                redirects += 1;
                to = Location::of(response.headers(), &to.url, &self.0.base, ask.what)?;
                continue;
            }
            return Ok(response);
        }
    }

    async fn ask_once(
        &self,
        ask: &Ask<'_>,
        to: &Location,
        header: Option<HeaderValue>,
    ) -> Result<Response, Error> {
        let mut request = Request::new(ask.method.clone(), to.url.clone());
        *request.headers_mut() = ask.headers.clone();
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        match &ask.body {
            Some(body) if !body.is_empty() => *request.body_mut() = Some(body.clone().into()),
            // Some registries and proxies want to be told that there is no body.
            _ if matches!(ask.method, Method::POST | Method::PATCH | Method::PUT) => {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            _ => {}
        }
        let Timing { first_answer, answer, stored, .. } = self.0.timing;
        let requests = self.0.clients.requests();
        let (client, within) = match ask.within {
            // The other client takes a minute's silence for the end.
            Within::Stored => (self.0.clients.blobs(), stored),
            Within::Time(within) => (requests, within),
            Within::Usual if self.has_answered() => (requests, answer),
            Within::Usual => (requests, first_answer),
        };
        let response = send(client, request, within)
            .await
            .map_err(|source| Error::Http { what: ask.what.to_owned(), source })?;
        self.0.answered.store(true, Ordering::Relaxed);
        self.tell_warnings(response.headers());
        Ok(response)
    }

    /// Tells what the registry warns of.
    ///
    /// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings>
    pub(super) fn tell_warnings(&self, headers: &HeaderMap) {
        for value in headers.get_all(WARNING) {
            let text = value.to_str().ok().and_then(|text| text.strip_prefix("299 - "));
            let Some(text) = text.map(|text| clean(text.trim_matches('"'))) else { continue };
            let mut told = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            if told.insert(text.clone()) {
                let message = format!("`{}` says: {text}", self.0.host);
                self.0.reporter.report(Event::Warning { code: "registry.warning", message });
            }
        }
    }

    /// Makes the error of an answer that is no success.
    pub(super) async fn refusal(&self, response: Response, ask: &Ask<'_>) -> Error {
        let (status, headers) = (response.status(), response.headers().clone());
        // A HEAD's answer, and one that breaks off, still have their status.
        let body = if ask.method == Method::HEAD {
            Vec::new()
        } else {
            let body = read_capped(response, MAX_ERROR_BYTES);
            let body = tokio::time::timeout(self.0.timing.first_answer, body).await;
            body.unwrap_or(Ok(Vec::new())).unwrap_or_default()
        };
        let asked = Asked {
            registry: self.0.host.as_str(),
            repository: ask.repository.as_str(),
            what: ask.what,
            credentials_given: self.0.auth.has_credentials(),
        };
        Error::of_status(asked, status, &headers, &body)
    }
}

/// A short request that can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) repository: &'a Repository,
    /// What it is for, as the rest of "cannot …".
    pub(super) what: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// How long the answer may take.
    pub(super) within: Within,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Within {
    /// As long as short answers do.
    Usual,
    /// As long as it takes to store what is sent.
    Stored,
    /// This long.
    Time(Duration),
}

/// Returns whether a redirect wants the same request again, with its method and its body.
pub(super) fn is_kept_redirect(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: Url, repository: &'a Repository, what: &'a str) -> Self {
        let (headers, body, within) = (HeaderMap::new(), None, Within::Usual);
        Self { method, url, repository, what, headers, body, within }
    }
}
