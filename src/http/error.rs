//! Why a request got no answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use reqwest::{Method, Url};

use super::{Judge, Verdict, clean};
use crate::error::Explain;

/// Why a request got no answer, or not a whole one.
///
/// URLs are shown without their query, which may hold a registry's upload state.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be set up.
    #[error("cannot set up HTTP: {0}")]
    Setup(String),
    /// No connection could be made.
    #[error("cannot connect to `{host}`: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost cause.
        reason: String,
        /// Whether it is the certificate that is refused.
        certificate: bool,
    },
    /// The connection broke before the answer was whole.
    #[error("{method} `{url}` was cut off: {reason}")]
    Broken {
        /// The request's method.
        method: Method,
        /// Its URL, without the query.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// Nothing came within the time that was given.
    #[error("{method} `{url}` got no answer within {}", humantime::format_duration(*after))]
    Silent {
        /// The request's method.
        method: Method,
        /// Its URL, without the query.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The answer's body is larger than such an answer can be.
    #[error("the answer from `{url}` is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The URL, without the query.
        url: String,
        /// The most that was acceptable.
        limit_bytes: usize,
    },
}

impl Error {
    pub(super) fn setup(error: &reqwest::Error) -> Self {
        Self::Setup(root_cause(error))
    }

    /// Tells apart why a request failed below HTTP.
    pub fn transport(method: &Method, url: &Url, error: &reqwest::Error) -> Self {
        let reason = root_cause(error);
        if error.is_connect() {
            let certificate = reason.contains("certificate");
            return Self::Unreachable { host: host_of(url), reason, certificate };
        }
        Self::Broken { method: method.clone(), url: without_query(url), reason }
    }

    /// Makes the error of a request that got no answer in time.
    pub fn silent(method: &Method, url: &Url, after: Duration) -> Self {
        Self::Silent { method: method.clone(), url: without_query(url), after }
    }
}

/// The last cause in the chain: the outer ones only say that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    clean(&cause.to_string())
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Shows a URL without what may be secret in it.
pub(super) fn without_query(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

impl Judge for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable { certificate: true, .. }
            | Self::Setup(_)
            | Self::TooLarge { .. } => Verdict::Final,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Silent { .. } => {
                Verdict::Transient(Duration::ZERO)
            }
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) => "http.setup",
            Self::Unreachable { .. } => "http.unreachable",
            Self::Broken { .. } => "http.broken",
            Self::Silent { .. } => "http.no-answer",
            Self::TooLarge { .. } => "http.too-large",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Unreachable { certificate: true, .. } => Some(
                "name a file with the right certificate authorities in `NIX_SSL_CERT_FILE` or \
                 `SSL_CERT_FILE`"
                    .into(),
            ),
            Self::Unreachable { .. } | Self::Silent { .. } => {
                Some("check the address, and that nothing between here and there is down".into())
            }
            _ => None,
        }
    }
}
