//! Who may use the registry, and the server that gives out tokens for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::exchange::{Answer, Head};
use super::server::Handle;

/// What the tests' user and password are in a header.
const BASIC: &str = "Basic YWRhOm9wZW4gc2VzYW1l";

/// How the registry wants to know who asks.
#[derive(Clone)]
pub(crate) enum Access {
    /// Not at all.
    Open,
    /// By name and password.
    Basic,
    /// By a token of this server.
    Bearer(SocketAddr, Arc<Tokens>),
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<Issue>);

#[derive(Debug, Default)]
struct Issue {
    /// What each token is good for, from `t1` on.
    scopes: Vec<Vec<String>>,
    /// How many requests each token is good for, if not all.
    uses: Option<usize>,
    used: usize,
    /// The tokens up to this one are good no more.
    expired: usize,
    /// What each token says of its life, in seconds.
    expires_in: Option<u64>,
    /// The scope that no token is good for, unless it was asked for in addition.
    extra: Option<String>,
}

impl Tokens {
    /// Makes every token good for so many requests.
    pub(crate) fn last_for(&self, requests: usize) {
        self.0.lock().unwrap().uses = Some(requests);
    }

    /// Makes the tokens tell how many seconds they live.
    pub(crate) fn tell_life(&self, seconds: u64) {
        self.0.lock().unwrap().expires_in = Some(seconds);
    }

    /// Wants another scope for all that is written.
    pub(crate) fn want(&self, scope: &str) {
        self.0.lock().unwrap().extra = Some(scope.to_owned());
    }

    /// Returns what each token was asked for.
    pub(crate) fn scopes(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().scopes.clone()
    }
}

impl Issue {
    /// Returns why a request is refused: the error and the scope to ask for.
    fn refuses(&mut self, head: &Head, repository: &str) -> Option<(&'static str, String)> {
        let writes = !matches!(head.method.as_str(), "GET" | "HEAD");
        let action = if writes { "pull,push" } else { "pull" };
        let wanted = format!("repository:{repository}:{action}");
        let number: Option<usize> = head
            .header("authorization")
            .and_then(|text| text.strip_prefix("Bearer t")?.parse().ok());
        let Some(number) = number else { return Some(("", wanted)) };
        if number <= self.expired || number > self.scopes.len() {
            return Some(("invalid_token", wanted));
        }
        self.used += 1;
        if self.uses.is_some_and(|uses| self.used > uses) {
            self.used = 0;
            self.expired = self.scopes.len();
            return Some(("invalid_token", wanted));
        }
        let scopes = &self.scopes[number - 1];
        let grants = |wanted: &str| {
            let (name, actions) = wanted.rsplit_once(':').unwrap();
            actions.split(',').all(|action| {
                scopes.iter().any(|scope| {
                    let (granted, actions) = scope.rsplit_once(':').unwrap();
                    granted == name && actions.split(',').any(|granted| granted == action)
                })
            })
        };
        let extra = self.extra.clone().filter(|_| writes);
        [Some(wanted), extra]
            .into_iter()
            .flatten()
            .find(|scope| !repository.is_empty() && !grants(scope))
            .map(|scope| ("insufficient_scope", scope))
    }
}

impl Access {
    /// Lets a request pass, or refuses it.
    pub(super) fn check(&self, head: &Head, repository: &str) -> Result<(), Answer> {
        let unauthorized = || Answer::error(401, "UNAUTHORIZED");
        match self {
            Self::Open => Ok(()),
            Self::Basic if head.header("authorization") == Some(BASIC) => Ok(()),
            Self::Basic => Err(unauthorized().with("www-authenticate", "Basic realm=\"tests\"")),
            Self::Bearer(server, tokens) => {
                let Some((error, scope)) = tokens.0.lock().unwrap().refuses(head, repository)
                else {
                    return Ok(());
                };
                // A lot to choose from, with commas where they do not part anything.
                let challenge = format!(
                    "Negotiate, Basic realm=\"a, b\", Bearer realm=\"http://{server}/token\",\
                     service=\"r,1\",scope=\"{scope}\",error=\"{error}\""
                );
                Err(unauthorized().with("www-authenticate", &challenge))
            }
        }
    }
}

/// Gives out tokens to the tests' user.
impl Handle for Tokens {
    fn answer(&self, _host: SocketAddr, head: &Head, _body: Vec<u8>) -> Answer {
        if head.header("authorization") != Some(BASIC) {
            return Answer::error(401, "UNAUTHORIZED");
        }
        assert_eq!(head.query("service").as_deref(), Some("r,1"));
        let query = head.target.split_once('?').unwrap().1;
        let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
        let scopes: Vec<_> = scopes
            .map(|scope| scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/"))
            .collect();
        let mut issue = self.0.lock().unwrap();
        issue.scopes.push(scopes);
        let number = issue.scopes.len();
        issue.used = 0;
        let mut answer = serde_json::json!({ "access_token": format!("t{number}") });
        if let Some(seconds) = issue.expires_in {
            answer["expires_in"] = seconds.into();
        }
        Answer::new(200).body(answer.to_string())
    }

    fn part(&self, _head: &Head, _body: Vec<u8>) {}
}
