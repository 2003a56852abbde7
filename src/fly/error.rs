//! Why the platform did not do what was asked.

use std::borrow::Cow;
use std::fmt;

use crate::error::Explain;
use crate::http::{Error as HttpError, Judge, Verdict};

use super::{Access, AppName, TokenSource};

/// The platform's words for having no room.
const NO_CAPACITY_WORDS: [&str; 2] = ["insufficient_capacity", "volume_placement_capacity"];

/// The platform's texts for having no room on the host.
const NO_CAPACITY_TEXTS: [&str; 2] =
    ["could not reserve resource for machine", "deploys to this host are temporarily disabled"];

/// The platform's text when it wants to be paid.
const NO_PAYMENT_METHOD: &str = "please add a payment method";

/// Why a request to the platform did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came.
    #[error("cannot {what}")]
    NoAnswer {
        /// What was attempted.
        what: String,
        /// Why there is none.
        #[source]
        source: HttpError,
    },
    /// The token is not accepted.
    #[error("the Fly token is not accepted: {0}")]
    Unauthorized(Box<Refusal>),
    /// The app belongs to an organization that the token cannot see.
    #[error("the Fly token may not use app `{app}`: {refusal}")]
    AppForbidden {
        /// The app.
        app: AppName,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// There is no such app, or the token cannot see it.
    #[error("there is no app `{app}` that the Fly token can see: {refusal}")]
    AppNotFound {
        /// The app.
        app: AppName,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// An app cannot have that name.
    #[error("there is an app `{app}` already: {refusal}")]
    AppNameTaken {
        /// The app.
        app: AppName,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// The token may not push images of the app.
    #[error("the Fly token may not push images of app `{app}`: {refusal}")]
    PushForbidden {
        /// The app.
        app: String,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// The machine is not there, or not any more.
    #[error("there is no machine `{machine}`: {refusal}")]
    MachineNotFound {
        /// ID of the machine.
        machine: String,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// Another holds the machine's lease.
    #[error("another holds the lease of machine `{machine}`: {refusal}")]
    LeaseHeld {
        /// ID of the machine.
        machine: String,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// The machine was changed by another since it was read.
    #[error("machine `{machine}` was changed by somebody else meanwhile: {refusal}")]
    Changed {
        /// ID of the machine.
        machine: String,
        /// What the platform answered.
        refusal: Box<Refusal>,
    },
    /// Any other refusal.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The token is good for nothing without the consent of a third party, which was not given.
    #[error("the Fly token needs a discharge from `{host}`, which gave none: {reason}")]
    Discharge {
        /// Host of the third party.
        host: String,
        /// Why there is none.
        reason: String,
    },
    /// The token is good for nothing until a person has logged in.
    #[error("the Fly token needs somebody to log in at `{host}`")]
    LoginNeeded {
        /// Host of the third party.
        host: String,
    },
    /// The platform's GraphQL says no.
    #[error("cannot {what}: {text}")]
    Query {
        /// What was attempted.
        what: String,
        /// The platform's own text, cleaned.
        text: String,
        /// The platform's own word for it, such as `NOT_FOUND`.
        word: Option<String>,
    },
    /// The answer is not what such a request is answered with.
    #[error("cannot {what}: the answer cannot be read: {reason}")]
    Unreadable {
        /// What was attempted.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address of an API is no address.
    #[error("`{address}` is not an address of an API: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was attempted, such as `update machine e784`.
    pub what: String,
    /// The request's method and path.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The platform's own text, cleaned, or nothing.
    pub text: String,
    /// The platform's own word for it, such as `insufficient_capacity`.
    pub word: Option<String>,
    /// The platform's ID of the request, for its support.
    pub request_id: Option<String>,
    /// Whether trying again may help.
    pub verdict: Verdict,
    /// What the token is good for, where that may be the reason.
    pub access: Option<Box<Access>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {} answered {}", self.what, self.request, self.status)?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request ID {id})")?;
        }
        match &self.access {
            Some(access) => write!(f, "; the token is {access}"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    pub(super) fn is_no_capacity(&self) -> bool {
        self.word.as_deref().is_some_and(|word| NO_CAPACITY_WORDS.contains(&word))
            || NO_CAPACITY_TEXTS.iter().any(|text| self.text.contains(text))
    }
}

impl Error {
    /// Returns the answer, if there was one that says no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unauthorized(refusal)
            | Self::Refused(refusal)
            | Self::AppForbidden { refusal, .. }
            | Self::AppNotFound { refusal, .. }
            | Self::AppNameTaken { refusal, .. }
            | Self::PushForbidden { refusal, .. }
            | Self::MachineNotFound { refusal, .. }
            | Self::LeaseHeld { refusal, .. }
            | Self::Changed { refusal, .. } => Some(refusal),
            Self::NoAnswer { .. }
            | Self::Discharge { .. }
            | Self::LoginNeeded { .. }
            | Self::Query { .. }
            | Self::Unreadable { .. }
            | Self::Address { .. } => None,
        }
    }

    /// Returns whether the host or the region has no room for the machine: another place may.
    pub fn is_no_capacity(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_no_capacity)
    }

    /// Returns the status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Returns whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        self.verdict() != Verdict::Final
    }

    /// Returns whether the platform may have done what was asked, and only its answer was lost.
    pub(super) fn may_be_done(&self) -> bool {
        self.is_transient() && !self.nothing_done()
    }

    /// Returns whether the platform surely did nothing of what was asked.
    pub(super) fn nothing_done(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => matches!(source, HttpError::Unreachable { .. }),
            _ => self.status() == Some(429),
        }
    }
}

impl Judge for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoAnswer { source, .. } => source.verdict(),
            _ => self.refusal().map_or(Verdict::Final, |refusal| refusal.verdict),
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoAnswer { .. } => "fly.no-answer",
            Self::Unauthorized(_) => "fly.unauthorized",
            Self::AppForbidden { .. } => "fly.app-forbidden",
            Self::AppNotFound { .. } => "fly.app-not-found",
            Self::AppNameTaken { .. } => "fly.app-name-taken",
            Self::PushForbidden { .. } => "fly.push-forbidden",
            Self::MachineNotFound { .. } => "fly.machine-not-found",
            Self::LeaseHeld { .. } => "fly.lease-held",
            Self::Changed { .. } => "fly.machine-changed",
            Self::Refused(refusal) if refusal.status == 429 => "fly.rate-limited",
            Self::Refused(_) => "fly.refused",
            Self::Discharge { .. } => "fly.discharge",
            Self::LoginNeeded { .. } => "fly.login-needed",
            Self::Query { .. } => "fly.query",
            Self::Unreadable { .. } => "fly.unreadable-answer",
            Self::Address { .. } => "fly.address",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NoAnswer { source, .. } => source.hint(),
            Self::Unauthorized(refusal) => Some(unauthorized_hint(refusal)),
            Self::AppForbidden { app, .. } => Some(
                format!(
                    "the name is taken by an app of another organization; use a token of it: \
                     `fly tokens create deploy -a {app}`"
                )
                .into(),
            ),
            Self::AppNotFound { app, refusal } => Some(not_found_hint(app, refusal)),
            Self::AppNameTaken { .. } => Some(
                "names of apps are unique on all of Fly: choose another, or use `--generate-name`"
                    .into(),
            ),
            Self::PushForbidden { app, .. } => {
                Some(format!("make a token that may: `fly tokens create deploy -a {app}`").into())
            }
            Self::Discharge { .. } | Self::LoginNeeded { .. } => Some(
                "run `fly auth login`, or set `FLY_API_TOKEN` to what `fly tokens create deploy` \
                 prints, which needs nobody's consent"
                    .into(),
            ),
            Self::LeaseHeld { .. } => {
                Some("another deploy is under way, or was cut off: its lease ends by itself".into())
            }
            Self::Changed { .. } => Some("deploy again: it starts from what runs now".into()),
            Self::Refused(refusal) => refused_hint(refusal),
            Self::Address { .. } => {
                Some("write it like `https://api.machines.dev`, without a path".into())
            }
            Self::MachineNotFound { .. } | Self::Query { .. } | Self::Unreadable { .. } => None,
        }
    }
}

fn unauthorized_hint(refusal: &Refusal) -> Cow<'static, str> {
    match refusal.access.as_deref().map(|access| &access.facts.source) {
        Some(TokenSource::Login(_)) => "run `fly auth login`, or set `FLY_API_TOKEN` to what `fly \
                                        tokens create deploy` prints"
            .into(),
        _ => "make a token with `fly tokens create deploy` and set `FLY_API_TOKEN` to it".into(),
    }
}

fn not_found_hint(app: &AppName, refusal: &Refusal) -> Cow<'static, str> {
    let apps = refusal.access.as_deref().map(Access::apps).unwrap_or_default();
    if apps.is_empty() || apps.contains(&app.as_str()) {
        return format!(
            "check the name, create it with `snowbird apps create {app}`, or use a token of its \
             organization: a deploy token sees its own app alone"
        )
        .into();
    }
    format!(
        "that token sees no other app: make one for this app with `fly tokens create deploy -a \
         {app}`"
    )
    .into()
}

fn refused_hint(refusal: &Refusal) -> Option<Cow<'static, str>> {
    if refusal.text.to_ascii_lowercase().contains(NO_PAYMENT_METHOD) {
        return Some("see <https://fly.io/dashboard/personal/billing>, or the billing page of the app's organization".into());
    }
    match (refusal.word.as_deref(), refusal.status) {
        (Some(word), _) if NO_CAPACITY_WORDS.contains(&word) => {
            Some("the region has no room: try another `primary_region`, or later".into())
        }
        (_, 429) => Some("the platform asks for fewer requests: try again in a minute".into()),
        (_, 500..) => Some("the platform has a problem: see <https://status.flyio.net>".into()),
        _ => None,
    }
}
