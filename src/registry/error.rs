//! What a registry refused, and why.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::error::Explain;
use crate::http::{self, Judge, Verdict, clean, status_verdict};
use crate::image::Digest;

/// Why a registry did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came.
    #[error("cannot {what}")]
    Http {
        /// What was attempted.
        what: String,
        /// Why there was no answer.
        source: http::Error,
    },
    /// The credentials were refused, or there are none.
    #[error("`{registry}` refused {} for `{repository}`{}", with_credentials(*.given), said(items))]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// The repository that was asked for.
        repository: String,
        /// Whether credentials were sent.
        given: bool,
        /// What the registry said.
        items: Vec<ErrorItem>,
    },
    /// The credentials are good, but not for this.
    #[error("`{registry}` does not let these credentials {what}{}", said(items))]
    Denied {
        /// The registry's host.
        registry: String,
        /// What was attempted.
        what: String,
        /// What the registry said.
        items: Vec<ErrorItem>,
    },
    /// The registry has no such repository, and makes none by itself.
    #[error("`{registry}` has no repository `{repository}`{}", said(items))]
    NoRepository {
        /// The registry's host.
        registry: String,
        /// The repository.
        repository: String,
        /// What the registry said.
        items: Vec<ErrorItem>,
    },
    /// A manifest names blobs that the registry does not have.
    #[error("the registry has not got {} of the manifest's blobs", digests.len())]
    BlobsUnknown {
        /// The blobs, as far as the registry names them.
        digests: Vec<Digest>,
    },
    /// Any other status than those that mean success.
    #[error("cannot {what}: {status}{}", said(items))]
    Status {
        /// What was attempted.
        what: String,
        /// The status.
        status: StatusCode,
        /// What the registry said.
        items: Vec<ErrorItem>,
        /// Whether trying again may help.
        verdict: Verdict,
    },
    /// The registry stored other bytes than were sent.
    #[error("cannot {what}: the registry has {stored}, but {sent} was sent")]
    DigestMismatch {
        /// What was attempted.
        what: String,
        /// Digest of what was sent.
        sent: Digest,
        /// Digest that the registry answered with, as it is.
        stored: String,
    },
    /// The answer is not one that a registry gives.
    #[error("cannot {what}: {problem}")]
    Protocol {
        /// What was attempted.
        what: String,
        /// What is wrong with the answer.
        problem: String,
        /// Whether trying again may help.
        verdict: Verdict,
    },
    /// The bytes of a blob that is being sent could not be made. Whoever makes them knows
    /// why.
    #[error("the blob broke off")]
    BodyAborted,
}

fn with_credentials(given: bool) -> &'static str {
    if given { "the credentials" } else { "a request without credentials" }
}

/// One item of an error answer.
///
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErrorItem {
    /// The code, such as `NAME_UNKNOWN`.
    pub code: String,
    /// Text for people.
    #[serde(default)]
    pub message: String,
    /// Anything.
    #[serde(default)]
    pub detail: serde_json::Value,
}

fn said(items: &[ErrorItem]) -> String {
    let mut text = String::new();
    for item in items.iter().take(3) {
        text.push_str(": ");
        text.push_str(&clean(&item.code));
        if !item.message.is_empty() {
            text.push(' ');
            text.push_str(&clean(&item.message));
        }
    }
    text
}

impl ErrorItem {
    /// Reads the items of an error answer, or nothing from anything else.
    pub(super) fn parse(body: &[u8]) -> Vec<Self> {
        #[derive(Deserialize)]
        struct Body {
            errors: Vec<ErrorItem>,
        }
        serde_json::from_slice::<Body>(body).map(|body| body.errors).unwrap_or_default()
    }
}

/// What an answer that is no success belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) what: &'a str,
    pub(super) credentials_given: bool,
}

impl Error {
    /// An answer that no registry gives, nor will give when it is asked again.
    pub(super) fn protocol(what: &str, problem: &str) -> Self {
        let (what, problem) = (what.to_owned(), problem.to_owned());
        Self::Protocol { what, problem, verdict: Verdict::Final }
    }

    /// Something that came to nothing, and may do better from its beginning.
    pub(super) fn passing(what: &str, problem: &str) -> Self {
        let (what, problem) = (what.to_owned(), problem.to_owned());
        Self::Protocol { what, problem, verdict: Verdict::Transient(Duration::ZERO) }
    }

    /// The same error as the answer to an upload that was open: when the registry does not
    /// know it any more, or not as far as it has come, another one may do better.
    pub(super) fn of_session(self) -> Self {
        match self {
            Self::Status { what, status, items, verdict: Verdict::Final }
                if matches!(status.as_u16(), 404 | 410 | 416) =>
            {
                let verdict = Verdict::Transient(Duration::ZERO);
                Self::Status { what, status, items, verdict }
            }
            other => other,
        }
    }

    /// Returns whether a connection broke that had been made.
    pub(super) fn is_break(&self) -> bool {
        matches!(self, Self::Http { source: http::Error::Broken { .. }, .. })
    }

    /// Tells apart why the registry refused.
    pub(super) fn of_status(
        asked: Asked<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let items = ErrorItem::parse(body);
        let registry = asked.registry.to_owned();
        let repository = asked.repository.to_owned();
        let what = asked.what.to_owned();
        let has = |code: &str| items.iter().any(|item| item.code == code);
        match status {
            StatusCode::UNAUTHORIZED => {
                Self::Unauthorized { registry, repository, given: asked.credentials_given, items }
            }
            StatusCode::FORBIDDEN => Self::Denied { registry, what, items },
            StatusCode::NOT_FOUND if has("NAME_UNKNOWN") => {
                Self::NoRepository { registry, repository, items }
            }
            _ if has("MANIFEST_BLOB_UNKNOWN") => {
                Self::BlobsUnknown { digests: items.iter().filter_map(unknown_blob).collect() }
            }
            _ => {
                let verdict = status_verdict(status, headers, SystemTime::now());
                Self::Status { what, status, items, verdict }
            }
        }
    }
}

/// Reads the digest out of the detail of `MANIFEST_BLOB_UNKNOWN`: a string, or an object
/// with `digest` or `Digest`.
fn unknown_blob(item: &ErrorItem) -> Option<Digest> {
    let text = match &item.detail {
        serde_json::Value::String(text) => text,
        serde_json::Value::Object(map) => {
            map.get("digest").or_else(|| map.get("Digest"))?.as_str()?
        }
        _ => return None,
    };
    text.parse().ok()
}

impl Judge for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Http { source, .. } => source.verdict(),
            Self::Status { verdict, .. } | Self::Protocol { verdict, .. } => *verdict,
            Self::DigestMismatch { .. }
            | Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::NoRepository { .. }
            | Self::BlobsUnknown { .. }
            | Self::BodyAborted => Verdict::Final,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Http { source, .. } => match source.code() {
                "http.unreachable" => "registry.unreachable",
                "http.no-answer" => "registry.no-answer",
                _ => "registry.interrupted",
            },
            Self::Unauthorized { .. } => "registry.unauthorized",
            Self::Denied { .. } => "registry.denied",
            Self::NoRepository { .. } => "registry.no-repository",
            Self::BlobsUnknown { .. } => "registry.blobs-unknown",
            Self::Status { .. } => "registry.refused",
            Self::DigestMismatch { .. } => "registry.digest-mismatch",
            Self::Protocol { .. } => "registry.protocol",
            Self::BodyAborted => "registry.body-aborted",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Http { source, .. } => source.hint(),
            Self::Unauthorized { given: false, .. } => Some(
                "give credentials: a Fly token for registry.fly.io, `--username` and \
                 `--password-file` for others"
                    .into(),
            ),
            Self::Unauthorized { .. } => Some(
                "the token may be wrong, expired or of another app; `fly tokens create deploy` \
                 makes a new one"
                    .into(),
            ),
            Self::Denied { .. } => {
                Some("the token is good, but belongs to another app or organization".into())
            }
            Self::NoRepository { .. } => Some(
                "on Fly the app must exist before the push: check its name, or create it".into(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked { registry: "r.io", repository: "app", what: "store a blob", credentials_given: true }
    }

    fn error(status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        Error::of_status(asked(), status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn what_the_registry_says_is_shown_and_cleaned() {
        let text = r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J way"}]}"#;
        assert_eq!(
            error(403, text).to_string(),
            "`r.io` does not let these credentials store a blob: DENIED no[2J way"
        );
        let html = error(502, "<html>bad gateway</html>");
        assert_eq!(html.to_string(), "cannot store a blob: 502 Bad Gateway");
        assert_eq!(html.verdict(), Verdict::Transient(Duration::ZERO));
    }

    #[test]
    fn an_unknown_app_is_told_from_other_things_that_are_not_found() {
        let text = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"app repository not found"}]}"#;
        assert_eq!(error(404, text).code(), "registry.no-repository");
        assert_eq!(error(404, "").code(), "registry.refused");
    }

    #[test]
    fn missing_blobs_are_read_from_every_form_of_detail() {
        let digest = Digest::of(b"x");
        for detail in [
            format!("\"{digest}\""),
            format!(r#"{{"digest":"{digest}"}}"#),
            format!(r#"{{"Digest":"{digest}"}}"#),
        ] {
            let body =
                format!(r#"{{"errors":[{{"code":"MANIFEST_BLOB_UNKNOWN","detail":{detail}}}]}}"#);
            assert!(
                matches!(error(400, &body), Error::BlobsUnknown { digests } if digests == [digest])
            );
        }
    }
}
