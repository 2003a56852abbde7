//! One registry, as one user sees it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, WARNING};
use reqwest::{Method, Request, Response, StatusCode, Url};

use super::Error;
use super::auth::{Auth, Credentials};
use super::error::Asked;
use super::location::Location;
use crate::event::{Event, Reporter};
use crate::http::{Clients, Patience, Retry, Verdict, clean, read_capped, send, status_verdict};
use crate::image::{RegistryHost, Repository};

/// How long the first answer may take: a wrong address should be told within seconds.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// How long any other short answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a registry may take to store what it was sent: it may hash it again, or copy
/// it to another store.
pub(super) const STORED: Duration = Duration::from_secs(600);

/// The most bytes that are read of an error.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The most redirects that a GET or HEAD follows.
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
    answered: AtomicBool,
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
        let scheme = match transport {
            Transport::Https => "https",
            Transport::PlainHttp => "http",
        };
        let base = Url::parse(&format!("{scheme}://{host}/v2/")).map_err(|error| {
            Error::Protocol { what: format!("reach `{host}`"), problem: error.to_string() }
        })?;
        Ok(Self(Arc::new(Inner {
            auth: Auth::new(credentials, &repository),
            host,
            base,
            repository,
            clients,
            retry: Retry::new(Arc::clone(&reporter)),
            answered: AtomicBool::new(false),
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
        if self.has_answered() { Patience::STEADY } else { Patience::FIRST_CONTACT }
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

    /// Sends one request, with the credentials that the registry asks for, and follows the
    /// redirects of a GET or HEAD. Any status but 401 is an answer.
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
            let may_follow = matches!(ask.method, Method::GET | Method::HEAD);
            if status.is_redirection() && may_follow && redirects < MAX_REDIRECTS {
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
            Some(body) => *request.body_mut() = Some(body.clone().into()),
            // Some registries refuse a POST that does not say that it has no body.
            None if ask.method == Method::POST => {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            None => {}
        }
        let within = match ask.within {
            Some(within) => within,
            None if self.has_answered() => ANSWER,
            None => FIRST_ANSWER,
        };
        let response = send(self.0.clients.requests(), request, within)
            .await
            .map_err(|source| Error::Http { what: ask.what.to_owned(), source })?;
        self.0.answered.store(true, Ordering::Relaxed);
        self.tell_warnings(response.headers());
        Ok(response)
    }

    /// Tells what the registry warns of.
    ///
    /// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings>
    fn tell_warnings(&self, headers: &HeaderMap) {
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
        let body = match ask.method {
            Method::HEAD => Vec::new(),
            _ => read_capped(response, MAX_ERROR_BYTES).await.unwrap_or_default(),
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
    /// How long the answer may take, if not the usual time.
    pub(super) within: Option<Duration>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: Url, repository: &'a Repository, what: &'a str) -> Self {
        Self { method, url, repository, what, headers: HeaderMap::new(), body: None, within: None }
    }
}
