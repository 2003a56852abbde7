//! What the token may do: asked before gigabytes are sent, and told when the platform
//! refuses an app.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::json;

use crate::http::clean;

use super::call::{Again, Call};
use super::wire::{App, CurrentTokens, TokenInfo};
use super::{Client, Error, Refusal, TokenFacts};

/// How long an answer may take: nothing depends on it.
const ANSWER: Duration = Duration::from_secs(5);

/// As many names are told at most.
const SHOWN: usize = 5;

/// What the platform's refusals of an access say, among others.
const NO: [&str; 4] = ["unauthorized", "not authorized", "not allowed", "forbidden"];

/// What a token is good for, by its own word and by the platform's. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What the token says of itself.
    pub facts: TokenFacts,
    /// What the platform says of it, if it does.
    pub told: Vec<TokenInfo>,
    /// Whether the platform says that it is none.
    pub is_refused: bool,
}

impl Client {
    /// Finds out what the token is good for. Never fails: what the platform does not tell is
    /// missing.
    pub async fn access(&self) -> Access {
        let what = "read what the token is good for".to_owned();
        let mut call = Call::new(Method::GET, &["tokens", "current"], what);
        call.again = Again::Never;
        call.within = ANSWER;
        let (told, is_refused) = match self.call::<CurrentTokens>(&call).await {
            Ok(current) => (current.tokens, false),
            Err(error) => {
                tracing::debug!(%error, "the platform does not tell what the token is good for");
                (Vec::new(), matches!(error, Error::Unauthorized(_)))
            }
        };
        Access { facts: self.token().facts(), told, is_refused }
    }

    /// Asks whether the token may push images of an app, so that it need not be found out
    /// after gigabytes. Where the platform gives no clear answer, the push will tell.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::PushForbidden`] when it may not.
    pub async fn check_access(&self, app: &App) -> Result<(), Error> {
        let header = self.token().machines_authorization();
        // Only macaroons can be asked about.
        let Some(header) = header.to_str().ok().filter(|header| header.starts_with("FlyV1 "))
        else {
            return Ok(());
        };
        let access = json!({
            "org_slug": app.organization.slug,
            "app_name": app.name,
            "app_feature": "images",
            "action": "rw",
        });
        let what = format!("ask whether the token may push images of `{}`", app.name);
        let mut call = Call::new(Method::POST, &["tokens", "authorize"], what)
            .json(&json!({ "header": header, "access": access }))?;
        call.again = Again::Never;
        call.within = ANSWER;
        match self.call_bytes(&call).await {
            Err(Error::Refused(refusal)) if is_no(refusal.status, &refusal.text) => {
                let refusal = self.with_access(refusal).await;
                Err(Error::PushForbidden { app: app.name.clone(), refusal })
            }
            Err(error) => {
                tracing::debug!(%error, "the platform does not tell what the token may do");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Adds to a refusal what the token is good for, if that may be its reason.
    pub(super) async fn explained(&self, error: Error) -> Error {
        match error {
            Error::Unauthorized(refusal) => Error::Unauthorized(self.with_access(refusal).await),
            Error::Refused(refusal) if matches!(refusal.status, 403 | 404) => {
                Error::Refused(self.with_access(refusal).await)
            }
            other => other,
        }
    }

    async fn with_access(&self, mut refusal: Box<Refusal>) -> Box<Refusal> {
        refusal.access = Some(Box::new(self.access().await));
        refusal
    }
}

fn is_no(status: u16, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(status, 400 | 403) && NO.iter().any(|no| text.contains(no))
}

impl Access {
    /// Returns the only apps that it is good for; none if it is good for others too, or if
    /// that is not known.
    pub fn apps(&self) -> Vec<&str> {
        if self.told.iter().any(|token| token.apps.is_empty()) {
            return Vec::new();
        }
        self.told.iter().flat_map(|token| &token.apps).map(String::as_str).collect()
    }

    /// Returns the organizations that it is good for, as far as that is known.
    pub fn organizations(&self) -> Vec<&str> {
        let mut slugs: Vec<_> = self.told.iter().map(|token| token.org_slug.as_str()).collect();
        slugs.retain(|slug| !slug.is_empty());
        slugs.sort_unstable();
        slugs.dedup();
        slugs
    }

    /// Returns whose it is, if the platform says so.
    pub fn user(&self) -> Option<&str> {
        self.told.iter().map(|token| token.user.as_str()).find(|user| !user.is_empty())
    }

    /// Returns whether it has run out.
    pub fn is_over(&self) -> bool {
        self.facts.is_over(SystemTime::now())
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.facts)?;
        if let Some(user) = self.user() {
            write!(f, " of {}", clean(user))?;
        }
        let (apps, organizations) = (self.apps(), self.organizations());
        if !apps.is_empty() {
            write!(f, ", for {}", list("app", &apps))?;
        }
        if !organizations.is_empty() {
            let word = if apps.is_empty() { ", for" } else { " of" };
            write!(f, "{word} {}", list("organization", &organizations))?;
        }
        if let Some(at) = self.facts.expires_at {
            let word = if self.is_over() { "which ran out at" } else { "good until" };
            write!(f, ", {word} {}", humantime::format_rfc3339_seconds(at))?;
        }
        Ok(())
    }
}

/// Such as `apps a, b and 3 more`.
fn list(word: &str, names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{}`", clean(name))).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{word}{plural} {}{more}", shown.join(", "))
}
