//! What is known of a token without asking anybody.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::bundle::Bundle;

/// Where a token comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// Nobody has said.
    #[default]
    Unknown,
    /// A file that the user named.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// flyctl's own file, which `fly auth login` writes.
    Login(PathBuf),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("an unknown place"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Variable(name) => write!(f, "`{name}`"),
            Self::Login(path) => write!(f, "`fly auth login` (`{}`)", path.display()),
        }
    }
}

/// What kind of token, by what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// A person's, for everything that this person sees.
    User,
    /// A macaroon that needs a person who is logged in.
    Login,
    /// A macaroon for certain apps, such as `fly tokens create deploy` makes.
    App,
    /// A macaroon for an organization, such as `fly tokens create org` makes.
    Organization,
    /// A macaroon that says nothing that can be read.
    Macaroon,
}

impl TokenKind {
    /// Returns it in words, such as `deploy token`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user token",
            Self::Login => "login",
            Self::App => "deploy token",
            Self::Organization => "organization token",
            Self::Macaroon => "macaroon",
        }
    }
}

/// What is known of a token without asking anybody. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// Where it comes from.
    pub source: TokenSource,
    /// What kind it is.
    pub kind: TokenKind,
    /// Whether it is good for reading alone.
    pub read_only: bool,
    /// The platform's numbers of the organizations that it is good for; empty if it does
    /// not say.
    pub organizations: BTreeSet<u64>,
    /// The platform's numbers of the only apps that it is good for; empty if it does not say.
    pub apps: BTreeSet<u64>,
    /// When the last of it runs out, if it does.
    pub expires_at: Option<SystemTime>,
}

impl TokenFacts {
    /// Returns whether all of it has run out.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(super) fn of(bundle: &Bundle, source: &TokenSource, now: u64) -> Self {
        let open = bundle.users().is_none() || bundle.has_open_macaroon(now);
        let mut facts = Self {
            source: source.clone(),
            kind: if open { TokenKind::Macaroon } else { TokenKind::User },
            read_only: false,
            organizations: BTreeSet::new(),
            apps: BTreeSet::new(),
            expires_at: None,
        };
        let permissions: Vec<_> = match bundle.permissions(now).count() {
            0 => bundle.all_permissions().collect(),
            _ => bundle.permissions(now).collect(),
        };
        if !open || permissions.is_empty() {
            return facts;
        }
        let any = |says: &dyn Fn(&super::macaroon::Macaroon) -> bool| {
            permissions.iter().any(|permission| says(permission))
        };
        facts.kind = if any(&|says| !says.third_parties.is_empty()) {
            TokenKind::Login
        } else if any(&|says| says.apps.is_some()) {
            TokenKind::App
        } else if any(&|says| says.organization.is_some()) {
            TokenKind::Organization
        } else {
            TokenKind::Macaroon
        };
        facts.read_only = permissions.iter().all(|says| says.read_only);
        facts.organizations = permissions.iter().filter_map(|says| says.organization).collect();
        if permissions.iter().all(|says| says.apps.is_some()) {
            facts.apps =
                permissions.iter().filter_map(|says| says.apps.clone()).flatten().collect();
        }
        let ends = permissions.iter().map(|says| says.not_after);
        let last = ends.reduce(|one, other| Some(one?.max(other?))).flatten();
        facts.expires_at =
            last.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        facts
    }
}

impl fmt::Display for TokenFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.kind == TokenKind::Organization { "an" } else { "a" };
        let reading = if self.read_only { "read-only " } else { "" };
        let article = if self.read_only { "a" } else { article };
        write!(f, "{article} {reading}{}", self.kind.as_str())?;
        match &self.source {
            TokenSource::Unknown => Ok(()),
            source => write!(f, " from {source}"),
        }
    }
}
