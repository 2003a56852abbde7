//! `Location`: where an upload goes on.

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};

use super::Error;
use super::auth::is_local;
use crate::image::Digest;

/// Where the next request of an upload goes.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) url: Url,
    /// Whether it is the registry itself, which alone gets credentials.
    pub(super) at_registry: bool,
}

impl Location {
    /// Reads the header of an answer to a request to `asked`, which may be absolute,
    /// relative or without a host.
    ///
    /// # Errors
    ///
    /// Fails when it is missing, is no URL, leaves TLS or points into the local network
    /// from outside of it.
    pub(super) fn of(
        headers: &HeaderMap,
        asked: &Url,
        registry: &Url,
        what: &str,
    ) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::protocol(what, problem);
        let header = headers.get(LOCATION).ok_or_else(|| wrong("the answer has no `Location`"))?;
        let url = header
            .to_str()
            .ok()
            .and_then(|text| asked.join(text).ok())
            .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| wrong("the answer's `Location` is no URL"))?;
        let at_registry = url.origin() == registry.origin();
        if !at_registry {
            if registry.scheme() == "https" && url.scheme() != "https" {
                return Err(wrong("the answer's `Location` leaves TLS"));
            }
            if is_local(&url) && !is_local(registry) {
                return Err(wrong("the answer's `Location` points into the local network"));
            }
        }
        Ok(Self { url, at_registry })
    }

    /// Returns the place that a request went to.
    pub(super) fn at(url: Url, registry: &Url) -> Self {
        let at_registry = url.origin() == registry.origin();
        Self { url, at_registry }
    }

    /// Returns whether it names a blob, which is no place to send one to.
    pub(super) fn is_blob(&self) -> bool {
        self.url.path().contains("/blobs/sha256:")
    }

    /// Returns the URL that closes the upload: `digest` is added, and what the registry
    /// wrote stays as it is, for it may be signed.
    pub(super) fn with_digest(&self, digest: Digest) -> Url {
        let mut url = self.url.clone();
        let query = match url.query().filter(|query| !query.is_empty()) {
            Some(query) => format!("{query}&digest={digest}"),
            None => format!("digest={digest}"),
        };
        url.set_query(Some(&query));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str, registry: &str) -> Result<Location, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, text.parse().unwrap());
        let registry = Url::parse(registry).unwrap();
        let asked = registry.join("/v2/app/blobs/uploads/").unwrap();
        Location::of(&headers, &asked, &registry, "upload")
    }

    #[test]
    fn every_form_of_location_is_resolved_and_its_query_kept() {
        let digest = Digest::of(b"");
        for (text, expected) in [
            ("https://r.io/v2/app/blobs/uploads/1?_state=a%2Bb%3D", "uploads/1?_state=a%2Bb%3D&"),
            ("/v2/app/blobs/uploads/1", "uploads/1?"),
            ("1?x", "uploads/1?x&"),
            ("//r.io/v2/app/blobs/uploads/1?", "uploads/1?"),
        ] {
            let location = location(text, "https://r.io").unwrap();
            assert!(location.at_registry);
            assert_eq!(
                location.with_digest(digest).to_string(),
                format!("https://r.io/v2/app/blobs/{expected}digest={digest}"),
            );
        }
    }

    #[test]
    fn other_hosts_get_no_credentials_and_the_local_network_no_request() {
        assert!(!location("https://s3.io/x", "https://r.io").unwrap().at_registry);
        assert!(!location("https://r.io:444/x", "https://r.io").unwrap().at_registry);
        for text in ["http://r.io/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "ftp://r.io/x"] {
            assert!(location(text, "https://r.io").is_err(), "{text}");
        }
        assert!(location("http://127.0.0.1:6000/x", "http://127.0.0.1:5000").is_ok());
    }
}
