//! Discharges: the consent of third parties that macaroons of a login need, asked for again
//! before it runs out.
//!
//! <https://github.com/superfly/macaroon/blob/main/tp/README.md>

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::http::{Patience, Verdict, authorization, clean, read_capped, send, status_verdict};

use super::token::ThirdParty;
use super::{Client, Error, Refusal};

/// Where people prove who they are. Users' tokens go there and nowhere else.
const AUTHENTICATION: [&str; 2] = ["https://api.fly.io/aaa/v1", "https://auth.fly.io"];

/// The path of that on another API base than the platform's own.
const AUTHENTICATION_PATH: &str = "/aaa/v1";

/// How long asking for discharges may take in all.
const WITHIN: Duration = Duration::from_secs(30);

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long after a failure it is not tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// How long a token is left alone for which nothing is ever due.
const NOTHING_DUE: Duration = Duration::from_secs(60);

/// How often one request is sent.
const ATTEMPTS: usize = 4;

const LARGEST_ANSWER: usize = 64 << 10;

/// What a third party answers.
#[derive(Default, Deserialize)]
struct Answer {
    discharge: Option<String>,
    poll_url: Option<String>,
    user_interactive: Option<serde_json::Value>,
    error: Option<String>,
}

impl Client {
    /// Fetches the discharges that the token lacks, or that run out within a minute. Most
    /// tokens need none: then nothing is asked. All clones of the token get them, and the
    /// registry's password with it.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Discharge`] when the token is good for nothing without one that
    /// could not be had. Others are tried again later.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses at most discharges that were on their way.
    pub async fn renew_token(&self) -> Result<(), Error> {
        let token = self.token();
        if token.due().is_empty() {
            return Ok(());
        }
        let mut failed = token.renewal().lock().await;
        let due = token.due();
        let lately = |at: &Instant| at.elapsed() < AFTER_FAILURE;
        if due.is_empty() || (token.is_open() && failed.as_ref().is_some_and(|(at, _)| lately(at)))
        {
            return Ok(());
        }
        *failed = None;
        for (third, given) in join_all(due.iter().map(async |third| {
            let given = timeout(WITHIN, self.discharge(third)).await;
            (third, given.unwrap_or_else(|_elapsed| Err(refused(third, "it took too long"))))
        }))
        .await
        {
            let result = match given {
                Ok(discharge) if token.add_discharge(third, &discharge) => Ok(()),
                Ok(_) => Err(refused(third, "what it gave is for something else")),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                tracing::debug!(%error, "no discharge");
                *failed = Some((Instant::now(), error));
            }
        }
        match failed.as_ref() {
            Some((_, error)) if !token.is_open() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Renews the token whenever it must be, for as long as it is awaited: a build or a push
    /// may take longer than the discharges live that it began with.
    pub async fn keep_token_fresh(&self) -> Infallible {
        loop {
            if let Err(error) = self.renew_token().await {
                tracing::debug!(%error, "the token is not renewed");
            }
            let pause = match self.token().due_in() {
                _ if !self.token().due().is_empty() => AFTER_FAILURE,
                Some(pause) => pause.max(Duration::from_secs(1)),
                None => NOTHING_DUE,
            };
            sleep(pause).await;
        }
    }

    /// Asks one third party, and again while it takes its time.
    async fn discharge(&self, third: &ThirdParty) -> Result<String, Error> {
        let location = self.allowed(third, &third.location)?;
        let mut url = location.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([".well-known", "macfly", "3p"]);
        }
        let ticket = json!({ "ticket": STANDARD.encode(&third.ticket) });
        let credentials = if self.is_authentication(&location) {
            let users = self.token().users();
            users.and_then(|users| authorization("Bearer", users.expose()).ok())
        } else {
            None
        };
        let request = || {
            let mut request = reqwest::Request::new(Method::POST, url.clone());
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(credentials) = &credentials {
                headers.insert(AUTHORIZATION, credentials.clone());
            }
            *request.body_mut() = Some(ticket.to_string().into());
            request
        };
        match self.ask(third, request).await?.1 {
            Answer { error: Some(error), .. } => Err(refused(third, &error)),
            Answer { discharge: Some(discharge), .. } => Ok(discharge),
            Answer { poll_url: Some(url), .. } => {
                let url = self.allowed(third, &url)?;
                let same = url.origin() == location.origin();
                self.poll(third, &url, credentials.filter(|_| same)).await
            }
            Answer { user_interactive: Some(_), .. } => {
                Err(Error::LoginNeeded { host: host_of(&location) })
            }
            _ => Err(refused(third, "it gave no discharge")),
        }
    }

    async fn poll(
        &self,
        third: &ThirdParty,
        url: &Url,
        credentials: Option<HeaderValue>,
    ) -> Result<String, Error> {
        let mut pause = self.patience().first_pause * 2;
        loop {
            let request = || {
                let mut request = reqwest::Request::new(Method::GET, url.clone());
                if let Some(credentials) = &credentials {
                    request.headers_mut().insert(AUTHORIZATION, credentials.clone());
                }
                request
            };
            match self.ask(third, request).await? {
                (StatusCode::ACCEPTED, _) => {}
                (_, Answer { error: Some(error), .. }) => return Err(refused(third, &error)),
                (_, Answer { discharge: Some(discharge), .. }) => return Ok(discharge),
                _ => return Err(refused(third, "it gave no discharge")),
            }
            sleep(pause).await;
            // A discharge that is ready is not to be slept over at the end.
            pause = (pause * 2).min(WITHIN / 6);
        }
    }

    /// Sends a request and reads the answer. The text of an answer is a secret.
    async fn ask(
        &self,
        third: &ThirdParty,
        request: impl Fn() -> reqwest::Request,
    ) -> Result<(StatusCode, Answer), Error> {
        let what = format!("get a discharge from `{}`", shown(&third.location));
        let attempt = async |_number| {
            let no_answer = |source| Error::NoAnswer { what: what.clone(), source };
            let (request, now) = (request(), SystemTime::now());
            let asked = format!("{} {}", request.method(), request.url().path());
            let response = send(self.requests(), request, ANSWER).await.map_err(no_answer)?;
            let status = response.status();
            let verdict = status_verdict(status, response.headers(), now);
            if verdict != Verdict::Final {
                return Err(Error::Refused(Box::new(Refusal {
                    what: what.clone(),
                    request: asked,
                    status: status.as_u16(),
                    text: String::new(),
                    word: None,
                    request_id: None,
                    verdict,
                    access: None,
                })));
            }
            Ok((status, read_capped(response, LARGEST_ANSWER).await.map_err(no_answer)?))
        };
        let patience = Patience { attempts: ATTEMPTS, ..self.patience() };
        let (status, body) = self.retry().run(patience, &what, attempt).await?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok((status, answer)),
            Err(_) if status == StatusCode::ACCEPTED => Ok((status, Answer::default())),
            Err(_) => Err(refused(third, &format!("it answered {}", status.as_u16()))),
        }
    }

    /// Reads an address that a token or a third party names. Only the platform's own hosts
    /// are asked, over TLS, and the API that the user has configured.
    fn allowed(&self, third: &ThirdParty, address: &str) -> Result<Url, Error> {
        let url = Url::parse(address).map_err(|_shows_it| refused(third, "its address is none"))?;
        let host = url.host_str().unwrap_or_default();
        let of_fly = host == "fly.io" || host.ends_with(".fly.io");
        let default_port = url.port().is_none();
        let clean_url = url.username().is_empty() && url.password().is_none();
        if clean_url
            && ((url.scheme() == "https" && of_fly && default_port)
                || url.origin() == self.endpoints().api().origin())
        {
            return Ok(url);
        }
        Err(refused(third, "it is neither Fly's nor the API that is configured"))
    }

    /// Whether users' tokens may go there.
    fn is_authentication(&self, location: &Url) -> bool {
        let text = location.as_str().trim_end_matches('/');
        let api = self.endpoints().api();
        AUTHENTICATION.contains(&text)
            || (location.origin() == api.origin()
                && location.path().trim_end_matches('/') == AUTHENTICATION_PATH)
    }
}

fn refused(third: &ThirdParty, reason: &str) -> Error {
    Error::Discharge { host: shown(&third.location), reason: clean(reason) }
}

/// A location is part of a token, but no secret: its host is shown.
fn shown(location: &str) -> String {
    Url::parse(location).map_or_else(|_| "an unknown place".to_owned(), |url| host_of(&url))
}

fn host_of(url: &Url) -> String {
    clean(url.host_str().unwrap_or_default())
}
