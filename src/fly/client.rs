//! The one door to the platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard};

use crate::http::{
    Clients, Judge, Patience, Retry, Verdict, clean, read_capped, send, status_verdict,
};

use super::call::{Again, Call};
use super::endpoints::Service;
use super::rate::Rates;
use super::wire::ErrorBody;
use super::{Endpoints, Error, Refusal, Token};

const NONCE: HeaderName = HeaderName::from_static("fly-machine-lease-nonce");
const REQUEST_ID: &str = "fly-request-id";
/// Where the next page of a list begins; the last one has none.
const NEXT_CURSOR: &str = "fly-next-cursor";

/// How long the first answer may take: a wrong address should be told within seconds.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A list of a thousand machines with their events stays below this.
const LARGEST_ANSWER: usize = 32 << 20;
const LARGEST_REFUSAL: usize = 64 << 10;

/// Speaks to the platform with one token.
///
/// Clones share connections, rates and pauses. No request goes to a host other than those of
/// the endpoints, and redirects are not followed.
#[derive(Debug, Clone)]
pub struct Client {
    http: Clients,
    endpoints: Endpoints,
    token: Token,
    retry: Retry,
    patience: Patience,
    rates: Rates,
    /// The Machines API says by a cookie which of its servers knows an app's machines best.
    cookies: Arc<Jar>,
    answered: Arc<AtomicBool>,
    /// Held by whoever creates a thing that is known by being new.
    alone: Arc<Mutex<()>>,
}

/// An answer that says yes.
struct Answer {
    body: Vec<u8>,
    next_cursor: Option<String>,
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
        self.endpoints.is_public()
    }

    /// Makes a client. `retry` tells its reporter when a request is sent again.
    pub fn new(http: Clients, endpoints: Endpoints, token: Token, retry: Retry) -> Self {
        Self {
            http,
            endpoints,
            token,
            retry,
            patience: Patience::STEADY,
            rates: Rates::default(),
            cookies: Arc::default(),
            answered: Arc::default(),
            alone: Arc::default(),
        }
    }

    /// Returns the token, which is the same for all clones.
    pub fn token(&self) -> &Token {
        &self.token
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(super) fn requests(&self) -> &reqwest::Client {
        self.http.requests()
    }

    /// Returns a loop of attempts with a pause of its own.
    pub(super) fn retry(&self) -> Retry {
        self.retry.apart()
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Shortens all pauses between attempts, and leaves their number.
    #[cfg(test)]
    pub(super) fn hasty(mut self) -> Self {
        self.patience.first_pause = Duration::from_millis(1);
        self.patience.longest_pause = Duration::from_millis(1);
        self
    }

    /// Waits before a thing is looked for that may have been made: lists show it only after
    /// a while. The pause after each further attempt is twice as long.
    pub(super) async fn pause_before_look_up(&self, attempt: usize) {
        let doubled = u32::try_from(attempt).unwrap_or(u32::MAX).saturating_sub(1).min(16);
        let pause = self.patience.first_pause * (1 << doubled);
        tokio::time::sleep(pause.min(self.patience.longest_pause)).await;
    }

    /// Returns whether there is another attempt after `attempt`, which counts from 1.
    pub(super) fn has_patience(&self, attempt: usize) -> bool {
        attempt < self.patience.attempts
    }

    /// Keeps all others waiting until the guard is dropped.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().await
    }

    /// Sends a request and reads the JSON of its answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        parse(call, &self.call_bytes(call).await?)
    }

    /// Sends a request for a list and reads all its pages.
    pub(super) async fn call_list<T: DeserializeOwned>(
        &self,
        mut call: Call<'_>,
    ) -> Result<Vec<T>, Error> {
        let mut list = Vec::new();
        loop {
            let answer = self.answer(&call).await?;
            let page: Option<Vec<T>> = parse(&call, &answer.body)?;
            let more = page.as_ref().is_some_and(|page| !page.is_empty());
            list.extend(page.unwrap_or_default());
            call.query.retain(|(name, _)| *name != "cursor");
            match answer.next_cursor {
                Some(cursor) if more => call.query.push(("cursor", cursor)),
                _ => return Ok(list),
            }
        }
    }

    /// Sends a request and reads its answer, whatever it holds.
    pub(super) async fn call_bytes(&self, call: &Call<'_>) -> Result<Vec<u8>, Error> {
        Ok(self.answer(call).await?.body)
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let known = self.answered.load(Ordering::Relaxed);
        let patience = match (call.again, known) {
            (Again::Never, _) => Patience { attempts: 1, ..self.patience },
            (_, false) => Patience::FIRST_CONTACT,
            (_, true) => self.patience,
        };
        let turn = self.rates.turn(call.service, &call.method, call.path);
        let attempt = async |_number| {
            turn.take().await;
            self.attempt(call, known).await.map_err(|error| {
                match (error.status(), error.verdict()) {
                    (Some(429), Verdict::Transient(pause)) => turn.keep_quiet(pause),
                    (_, Verdict::Transient(pause)) if !pause.is_zero() => turn.keep_quiet(pause),
                    _ => {}
                }
                let verdict = match call.again {
                    Again::NothingDone if !error.nothing_done() => Verdict::Final,
                    _ => error.verdict(),
                };
                Attempt { error, verdict }
            })
        };
        self.retry().run(patience, &call.what, attempt).await.map_err(|attempt| attempt.error)
    }

    async fn attempt(&self, call: &Call<'_>, known: bool) -> Result<Answer, Error> {
        self.renew_token().await?;
        let no_answer = |source| Error::NoAnswer { what: call.what.clone(), source };
        let within = if known { call.within } else { call.within.min(FIRST_ANSWER) };
        let response =
            send(self.http.requests(), self.request(call), within).await.map_err(no_answer)?;
        self.answered.store(true, Ordering::Relaxed);
        if call.service == Service::Machines {
            let mut cookies = response.headers().get_all(SET_COOKIE).iter();
            self.cookies.set_cookies(&mut cookies, response.url());
        }
        if response.status().is_success() {
            let next_cursor = text_header(response.headers(), NEXT_CURSOR);
            let body = read_capped(response, LARGEST_ANSWER).await.map_err(no_answer)?;
            return Ok(Answer { body, next_cursor });
        }
        Err(refused(call, response).await)
    }

    fn request(&self, call: &Call<'_>) -> reqwest::Request {
        let credentials = match call.service {
            Service::Machines | Service::Logs => self.token.machines_authorization(),
            Service::Web => self.token.web_authorization(),
            Service::GraphQl => self.token.graphql_authorization(),
        };
        let mut url = self.endpoints.url(call.service, call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let cookies = match call.service {
            Service::Machines => self.cookies.cookies(&url),
            _ => None,
        };
        let mut request = reqwest::Request::new(call.method.clone(), url);
        let headers = request.headers_mut();
        if let Some(cookies) = cookies {
            headers.insert(COOKIE, cookies);
        }
        headers.insert(AUTHORIZATION, credentials);
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
    let mut refusal = Box::new(Refusal {
        what: call.what.clone(),
        request,
        status: status.as_u16(),
        text,
        word: parsed.status.map(|word| clean(&word)),
        request_id: text_header(&headers, REQUEST_ID).map(|id| clean(&id)),
        verdict: verdict(status, &headers),
        access: None,
    });
    if refusal.is_no_capacity() {
        // Room does not come by itself within seconds; the caller may know another place.
        refusal.verdict = Verdict::Final;
    }
    match status {
        StatusCode::UNAUTHORIZED => Error::Unauthorized(refusal),
        _ => Error::Refused(refusal),
    }
}

fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    status_verdict(status, headers, SystemTime::now())
}

/// Returns a header of the platform's, unless it is empty or no text.
fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn parse<T: DeserializeOwned>(call: &Call<'_>, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|e| Error::Unreadable { what: call.what.clone(), reason: clean(&e.to_string()) })
}
