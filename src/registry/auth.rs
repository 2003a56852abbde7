//! Credentials, and what a registry wants to see of them.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Error;
use crate::http::{self, SharedSecret, authorization, basic_authorization, read_capped, send};
use crate::image::Repository;

/// The most bytes of a token answer.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// How long a token server may take.
const TOKEN_TIME: Duration = Duration::from_secs(20);

/// How long a token lives that does not say so.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The most scopes that a registry may add to those that are asked for by themselves.
const MAX_SCOPES: usize = 32;

/// How many uploads in turn may be refused for their credentials.
const MAX_REFUSED_BODIES: usize = 2;

/// A user name and its password or token.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name; `x` on Fly.
    pub username: String,
    /// The password, as it is at the time: it may be replaced during a push.
    pub password: SharedSecret,
}

/// Keeps the header that the registry accepts, and makes a new one when it must.
#[derive(Debug)]
pub(super) struct Auth {
    credentials: Option<Credentials>,
    /// Held while a token is fetched, so that all who need one wait for the same.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What tokens are asked for.
    scopes: Vec<String>,
    header: Option<HeaderValue>,
    /// The header is the password itself, which may be replaced.
    basic: bool,
    bearer: Option<Bearer>,
    renew_at: Option<Instant>,
    /// The registry has accepted the credentials before.
    accepted: bool,
    /// How many uploads in turn were refused, and when the last one was.
    refused_bodies: usize,
    refused_at: Option<Instant>,
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bearer {
    realm: Url,
    service: Option<String>,
    scope: Option<String>,
}

/// A way of proving who one is, as `WWW-Authenticate` offers it.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer(Bearer),
}

impl Auth {
    /// Keeps `credentials` for a push to `repository`.
    pub(super) fn new(credentials: Option<Credentials>, repository: &Repository) -> Self {
        let scopes = vec![format!("repository:{repository}:pull,push")];
        let state = State { scopes, ..State::default() };
        Self { credentials, state: Mutex::new(state) }
    }

    /// Asks for tokens that can read `repository` too, from the next request on.
    pub(super) async fn will_read(&self, repository: &Repository) {
        let scope = format!("repository:{repository}:pull");
        let mut state = self.state.lock().await;
        if !state.scopes.contains(&scope) {
            state.scopes.push(scope);
            state.renew_at = Some(Instant::now());
        }
    }

    pub(super) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    fn basic(&self) -> Option<HeaderValue> {
        let Credentials { username, password } = self.credentials.as_ref()?;
        basic_authorization(username, &password.get()).ok()
    }

    /// Returns the header to send, renewed when it is about to run out.
    pub(super) async fn header(&self, client: &Client) -> Result<Option<HeaderValue>, Error> {
        let mut state = self.state.lock().await;
        if let (Some(at), Some(bearer)) = (state.renew_at, state.bearer.clone())
            && Instant::now() >= at
        {
            self.fetch(&mut state, &bearer, client).await?;
        }
        if state.basic {
            state.header = self.basic();
        }
        Ok(state.header.clone())
    }

    /// Notes that the registry has accepted what [`Auth::header`] gave.
    pub(super) async fn accepted(&self) {
        self.state.lock().await.accepted = true;
    }

    /// Notes that an upload was accepted.
    pub(super) async fn body_accepted(&self) {
        self.state.lock().await.refused_bodies = 0;
    }

    /// Notes that an upload that began at `begun` was refused. Returns whether another one
    /// may do better: not if several were refused in turn, each with what the refusal
    /// before had led to.
    pub(super) async fn body_refused(&self, begun: Instant) -> bool {
        let mut state = self.state.lock().await;
        // Uploads that were on their way at the same time are refused together.
        if state.refused_at.is_none_or(|at| begun > at) {
            state.refused_bodies += 1;
            state.refused_at = Some(Instant::now());
        }
        state.refused_bodies <= MAX_REFUSED_BODIES
    }

    /// Takes in a 401. Returns whether it is worth trying again: with another header than
    /// `rejected`, or with one that was good before, as a registry's own troubles can have
    /// it that it knows nobody for a moment.
    pub(super) async fn challenged(
        &self,
        client: &Client,
        registry: &Url,
        answer: &HeaderMap,
        rejected: Option<&HeaderValue>,
    ) -> Result<bool, Error> {
        let mut state = self.state.lock().await;
        if state.header.as_ref() != rejected {
            // Another request has got one meanwhile.
            return Ok(true);
        }
        match choose(answer, registry)? {
            Some(Challenge::Basic) => {
                let Some(header) = self.basic() else {
                    return Ok(false);
                };
                let new = Some(&header) != rejected;
                state.header = Some(header);
                state.basic = true;
                Ok(new || state.accepted)
            }
            Some(Challenge::Bearer(bearer)) => {
                state.add_scopes(bearer.scope.as_deref().unwrap_or_default());
                self.fetch(&mut state, &bearer, client).await?;
                state.bearer = Some(bearer);
                state.basic = false;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Fetches a token into `state`.
    async fn fetch(
        &self,
        state: &mut State,
        bearer: &Bearer,
        client: &Client,
    ) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<serde_json::Value>,
        }
        let what = format!("get a token from `{}`", bearer.realm.host_str().unwrap_or_default());
        let http_error = |source: http::Error| Error::Http { what: what.clone(), source };
        let no_token = |problem: &str| Error::passing(&what, problem);

        let mut url = bearer.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &bearer.service {
                query.append_pair("service", service);
            }
            for scope in &state.scopes {
                query.append_pair("scope", scope);
            }
        }
        let mut request = reqwest::Request::new(reqwest::Method::GET, url);
        if let Some(header) = self.basic() {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        let response = send(client, request, TOKEN_TIME).await.map_err(http_error)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_capped(response, MAX_TOKEN_BYTES).await.map_err(http_error)?;
        if !status.is_success() {
            let asked = super::error::Asked {
                registry: bearer.realm.host_str().unwrap_or_default(),
                repository: state.scopes.first().map_or("", |scope| scope.as_str()),
                what: &what,
                credentials_given: self.has_credentials(),
            };
            return Err(Error::of_status(asked, status, &headers, &body));
        }
        // The answer is a secret: its text is never part of an error.
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            return Err(no_token("the answer is no token"));
        };
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let Some(token) = token else {
            return Err(no_token("the answer holds no token"));
        };
        let Ok(header) = authorization("Bearer", &token) else {
            return Err(no_token("the token cannot be sent in a header"));
        };
        let life = answer.expires_in.and_then(|life| life.as_u64());
        let life = life.map_or(DEFAULT_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        state.header = Some(header);
        // Early enough for an upload that begins just before.
        state.renew_at = Some(Instant::now() + life.mul_f64(0.8));
        Ok(())
    }
}

impl State {
    /// Asks for what the registry names in a challenge too, from the next token on.
    fn add_scopes(&mut self, named: &str) {
        for scope in named.split(' ').filter(|scope| !scope.is_empty()) {
            if self.scopes.len() < MAX_SCOPES && !self.scopes.iter().any(|known| known == scope) {
                self.scopes.push(scope.to_owned());
            }
        }
    }
}

/// Chooses among the challenges of a 401: Bearer before Basic, anything else not at all.
fn choose(headers: &HeaderMap, registry: &Url) -> Result<Option<Challenge>, Error> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        let Ok(challenges) = http_auth::parse_challenges(text) else { continue };
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let param = |name: &str| {
                    challenge
                        .params
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.to_unescaped())
                };
                let Some(realm) = param("realm").and_then(|realm| Url::parse(&realm).ok()) else {
                    continue;
                };
                check_realm(&realm, registry)?;
                let (service, scope) = (param("service"), param("scope"));
                return Ok(Some(Challenge::Bearer(Bearer { realm, service, scope })));
            }
        }
    }
    Ok(basic)
}

/// Returns the token server among the challenges.
#[cfg(fuzzing)]
pub(super) fn token_server(headers: &HeaderMap, registry: &Url) -> Option<Url> {
    match choose(headers, registry) {
        Ok(Some(Challenge::Bearer(bearer))) => Some(bearer.realm),
        _ => None,
    }
}

/// Credentials go to a token server only over TLS, unless the registry itself is plain,
/// and never into the local network on the word of a registry outside of it.
fn check_realm(realm: &Url, registry: &Url) -> Result<(), Error> {
    let refuse = |why: &str| {
        let host = realm.host_str().unwrap_or_default();
        let problem = format!("the registry sends its users to `{host}` for a token, {why}");
        Err(Error::protocol("log in", &problem))
    };
    if realm.scheme() != "https" && registry.scheme() == "https" {
        return refuse("without TLS");
    }
    if is_local(realm) && !is_local(registry) {
        return refuse("which is an address of the local network");
    }
    Ok(())
}

/// Returns whether the host of `url` is an address that only this network knows.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    match address.map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Clients, Secret};

    fn chosen(values: &[&str], registry: &str) -> Result<Option<Challenge>, Error> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        choose(&headers, &Url::parse(registry).unwrap())
    }

    #[test]
    fn scopes_that_the_registry_names_are_asked_for_once_and_not_without_end() {
        let mut state =
            State { scopes: vec!["repository:app:pull,push".to_owned()], ..State::default() };
        state.add_scopes("");
        state.add_scopes("repository:app:pull,push repository:app:delete");
        state.add_scopes("repository:app:delete");
        assert_eq!(state.scopes, ["repository:app:pull,push", "repository:app:delete"]);
        for number in 0..1000 {
            state.add_scopes(&format!("repository:app{number}:pull"));
        }
        assert_eq!(state.scopes.len(), MAX_SCOPES);
    }

    #[tokio::test(start_paused = true)]
    async fn uploads_that_are_refused_together_count_once_and_in_turn_not_for_ever() {
        let auth = Auth::new(None, &"app".parse().unwrap());
        let second = Duration::from_secs(1);
        let mut begun = Instant::now();
        for may_go_on in [true, true, false] {
            tokio::time::advance(second).await;
            for _ in 0..6 {
                assert_eq!(auth.body_refused(begun).await, may_go_on);
            }
            tokio::time::advance(second).await;
            begun = Instant::now();
        }
        auth.body_accepted().await;
        assert!(auth.body_refused(begun).await);
    }

    #[tokio::test]
    async fn a_password_that_is_replaced_is_shown_from_then_on() {
        let password = SharedSecret::from(Secret::new("old"));
        let credentials = Credentials { username: "x".to_owned(), password: password.clone() };
        let auth = Auth::new(Some(credentials), &"app".parse().unwrap());
        let clients = Clients::new(None).unwrap();
        let registry = Url::parse("https://r.io").unwrap();
        let answer = HeaderMap::from_iter([(WWW_AUTHENTICATE, "Basic".parse().unwrap())]);
        assert!(auth.challenged(clients.requests(), &registry, &answer, None).await.unwrap());
        for text in ["old", "new"] {
            password.set(Secret::new(text));
            let header = auth.header(clients.requests()).await.unwrap();
            assert_eq!(header, basic_authorization("x", &Secret::new(text)).ok());
        }
    }

    #[test]
    fn bearer_is_found_among_other_challenges() {
        let header = r#"Negotiate, Basic realm="a, b", bEaReR realm="https://auth.io/t",service="r.io",scope="repository:a:pull,push""#;
        assert_eq!(
            chosen(&[header], "https://r.io").unwrap(),
            Some(Challenge::Bearer(Bearer {
                realm: Url::parse("https://auth.io/t").unwrap(),
                service: Some("r.io".to_owned()),
                scope: Some("repository:a:pull,push".to_owned()),
            }))
        );
        assert_eq!(
            chosen(&["Negotiate", r#"basic realm="x""#], "https://r.io").unwrap(),
            Some(Challenge::Basic)
        );
        assert_eq!(chosen(&["Negotiate", ",= junk"], "https://r.io").unwrap(), None);
    }

    #[test]
    fn credentials_go_neither_over_plain_http_nor_into_the_local_network() {
        for (realm, registry, fine) in [
            ("https://auth.io/t", "https://r.io", true),
            ("http://auth.io/t", "https://r.io", false),
            ("https://127.0.0.1/t", "https://r.io", false),
            ("https://10.1.2.3/t", "https://r.io", false),
            ("https://169.254.169.254/t", "https://r.io", false),
            ("https://[::1]/t", "https://r.io", false),
            ("https://[::ffff:10.1.2.3]/t", "https://r.io", false),
            ("http://127.0.0.1:5001/t", "http://127.0.0.1:5000", true),
        ] {
            let header = format!(r#"Bearer realm="{realm}""#);
            assert_eq!(chosen(&[&header], registry).is_ok(), fine, "{realm} for {registry}");
        }
    }
}
