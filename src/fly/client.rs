//! The one door to the platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::{
    Clients, Judge, Patience, Retry, Verdict, clean, read_capped, send, status_verdict,
};

use super::wire::{ErrorBody, LeaseNonce};
use super::{Error, Refusal, Token};

const NONCE: HeaderName = HeaderName::from_static("fly-machine-lease-nonce");
const REQUEST_ID: &str = "fly-request-id";

/// How long the first answer may take: a wrong address should be told within seconds.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// How long an answer may take. Updates are answered when the host has taken them, which
/// includes the pull of a large image.
const ANSWER: Duration = Duration::from_secs(180);

/// A list of a thousand machines with their events stays below this.
const LARGEST_ANSWER: usize = 32 << 20;
const LARGEST_REFUSAL: usize = 64 << 10;

/// Where the platform's APIs are. Of each address only scheme, host and port count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    machines: Url,
    web: Url,
}

impl Endpoints {
    /// The Machines API of the platform.
    pub const MACHINES: &str = "https://api.machines.dev";
    /// Releases and logs of the platform.
    pub const WEB: &str = "https://api.fly.io";

    /// Takes the addresses of the Machines API, and of releases and logs.
    ///
    /// # Errors
    ///
    /// Fails when one is not the address of an HTTP server.
    pub fn new(machines: &str, web: &str) -> Result<Self, Error> {
        Ok(Self { machines: base(machines)?, web: base(web)? })
    }
}

fn base(address: &str) -> Result<Url, Error> {
    let wrong = |reason: String| Error::Address { address: clean(address), reason };
    let url = Url::parse(address.trim()).map_err(|e| wrong(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it must begin with `https://` or `http://`".to_owned()));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Error::Address {
            address: url.host_str().unwrap_or_default().to_owned(),
            reason: "credentials do not belong there".to_owned(),
        });
    }
    Ok(url)
}

/// Speaks to the platform with one token.
///
/// Clones share connections and pauses.
#[derive(Debug, Clone)]
pub struct Client {
    http: Clients,
    endpoints: Endpoints,
    token: Token,
    retry: Retry,
    answered: Arc<AtomicBool>,
}

/// Which API a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Machines,
    Releases,
    Logs,
}

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// All that may pass: doing it twice is doing it once.
    Transient,
    /// Only those after which surely nothing was done.
    NothingDone,
    /// None: the caller goes on by itself.
    Never,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) what: String,
    pub(super) service: Service,
    pub(super) method: Method,
    /// Segments of the path behind the service's prefix.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) nonce: Option<&'a LeaseNonce>,
    pub(super) body: Option<Bytes>,
    pub(super) again: Again,
    pub(super) within: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a [&'a str], what: String) -> Self {
        Self {
            what,
            service: Service::Machines,
            method,
            path,
            query: Vec::new(),
            nonce: None,
            body: None,
            again: Again::Transient,
            within: ANSWER,
        }
    }

    /// Sets the body.
    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body).map_err(|e| Error::Unreadable {
            what: self.what.clone(),
            reason: format!("the request is not JSON: {e}"),
        })?;
        self.body = Some(bytes.into());
        Ok(self)
    }
}

/// A failure with what the call's [`Again`] makes of it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Attempt {
    #[source]
    error: Error,
    verdict: Verdict,
}

impl Judge for Attempt {
    fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Client {
    /// Returns whether it speaks to the platform itself, whose apps are on the Internet.
    pub fn is_public(&self) -> bool {
        Url::parse(Endpoints::MACHINES).is_ok_and(|public| self.endpoints.machines == public)
    }

    /// Makes a client. `retry` tells its reporter when a request is sent again.
    pub fn new(http: Clients, endpoints: Endpoints, token: Token, retry: Retry) -> Self {
        Self { http, endpoints, token, retry, answered: Arc::default() }
    }

    /// Sends a request and reads the JSON of its answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        let body = self.call_bytes(call).await?;
        serde_json::from_slice(&body).map_err(|e| Error::Unreadable {
            what: call.what.clone(),
            reason: clean(&e.to_string()),
        })
    }

    /// Sends a request and reads its answer, whatever it holds.
    pub(super) async fn call_bytes(&self, call: &Call<'_>) -> Result<Vec<u8>, Error> {
        let known = self.answered.load(Ordering::Relaxed);
        let patience = match (call.again, known) {
            (Again::Never, _) => Patience { attempts: 1, ..Patience::STEADY },
            (_, false) => Patience::FIRST_CONTACT,
            (_, true) => Patience::STEADY,
        };
        let attempt = async |_number| {
            self.attempt(call, known).await.map_err(|error| {
                let verdict = match call.again {
                    Again::NothingDone if !error.nothing_done() => Verdict::Final,
                    _ => error.verdict(),
                };
                Attempt { error, verdict }
            })
        };
        self.retry.run(patience, &call.what, attempt).await.map_err(|attempt| attempt.error)
    }

    async fn attempt(&self, call: &Call<'_>, known: bool) -> Result<Vec<u8>, Error> {
        let no_answer = |source| Error::NoAnswer { what: call.what.clone(), source };
        let within = if known { call.within } else { call.within.min(FIRST_ANSWER) };
        let response =
            send(self.http.requests(), self.request(call), within).await.map_err(no_answer)?;
        self.answered.store(true, Ordering::Relaxed);
        if response.status().is_success() {
            return read_capped(response, LARGEST_ANSWER).await.map_err(no_answer);
        }
        Err(refused(call, response).await)
    }

    fn request(&self, call: &Call<'_>) -> reqwest::Request {
        let (base, prefix, credentials) = match call.service {
            Service::Machines => {
                (&self.endpoints.machines, &["v1"][..], self.token.machines_authorization())
            }
            Service::Releases => {
                (&self.endpoints.web, &["api", "v1"][..], self.token.web_authorization())
            }
            Service::Logs => {
                (&self.endpoints.web, &["api", "v1"][..], self.token.machines_authorization())
            }
        };
        let mut url = base.clone();
        url.set_path("");
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(prefix).extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = reqwest::Request::new(call.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, credentials.clone());
        if let Some(nonce) = call.nonce.and_then(|nonce| HeaderValue::from_str(&nonce.0).ok()) {
            headers.insert(NONCE, nonce);
        }
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        request
    }
}

/// Makes an error of an answer that says no.
async fn refused(call: &Call<'_>, response: Response) -> Error {
    let (status, headers) = (response.status(), response.headers().clone());
    let request = format!("{} {}", call.method, response.url().path());
    // A refusal whose text breaks off is a refusal still.
    let body = read_capped(response, LARGEST_REFUSAL).await.unwrap_or_default();
    let parsed: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
    let text = match parsed.text() {
        Some(text) => clean(text),
        None => clean(&String::from_utf8_lossy(&body)),
    };
    let refusal = Box::new(Refusal {
        what: call.what.clone(),
        request,
        status: status.as_u16(),
        text,
        word: parsed.status.map(|word| clean(&word)),
        request_id: request_id(&headers),
        verdict: verdict(status, &headers),
    });
    match status {
        StatusCode::UNAUTHORIZED => Error::Unauthorized(refusal),
        _ => Error::Refused(refusal),
    }
}

fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    status_verdict(status, headers, SystemTime::now())
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(clean)
}
