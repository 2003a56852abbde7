//! The way in for fuzzing: what a registry answers, as the parsers in here see it. It is
//! compiled by `cargo fuzz` alone, and no part of the library.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE, WWW_AUTHENTICATE};

use super::auth;
use super::location::Location;
use super::resume;
use crate::image::Digest;

/// Reads `WWW-Authenticate`, once for each line of `text`, and returns where a token would be
/// asked for.
pub fn token_server(text: &[u8], registry: &Url) -> Option<Url> {
    auth::token_server(&headers(WWW_AUTHENTICATE, text.split(|&byte| byte == b'\n')), registry)
}

/// Reads `Location`, and returns where an upload would be closed and whether credentials
/// would be sent there.
pub fn location(text: &[u8], asked: &Url, registry: &Url, digest: Digest) -> Option<(Url, bool)> {
    let headers = headers(LOCATION, [text].into_iter());
    let location = Location::of(&headers, asked, registry, "fuzz").ok()?;
    Some((location.with_digest(digest), location.at_registry))
}

/// Reads `Range`, and returns how many bytes of an upload the registry would have.
pub fn kept_bytes(text: &[u8]) -> Option<usize> {
    resume::kept_bytes(&headers(RANGE, [text].into_iter()))
}

fn headers<'a>(name: HeaderName, values: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let values = values.filter_map(|value| HeaderValue::from_bytes(value).ok());
    values.fold(HeaderMap::new(), |mut headers, value| {
        headers.append(name.clone(), value);
        headers
    })
}
