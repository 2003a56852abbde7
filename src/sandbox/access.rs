//! Whose requests are answered.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The user name that Fly's registry wants; the password is the token.
const REGISTRY_USER: &str = "x";

/// The tokens that are good.
#[derive(Debug)]
pub(super) struct Access(Vec<String>);

impl Access {
    /// Lets in whoever shows one of `tokens`, or anybody with a token if there are none.
    pub(super) fn new(tokens: &[String]) -> Self {
        Self(tokens.iter().map(|token| bare(token).to_owned()).collect())
    }

    /// Returns whether the headers hold a good token by `Bearer` or `FlyV1`.
    pub(super) fn platform(&self, headers: &HeaderMap) -> bool {
        credentials(headers)
            .filter(|text| scheme_word(text).is_some())
            .is_some_and(|text| self.knows(text))
    }

    /// Returns whether the headers hold a good token by `Basic`, as the registry wants it.
    pub(super) fn registry(&self, headers: &HeaderMap) -> bool {
        let pair = credentials(headers)
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, pair)| STANDARD.decode(pair.trim()).ok())
            .and_then(|pair| String::from_utf8(pair).ok());
        pair.as_deref()
            .and_then(|pair| pair.split_once(':'))
            .is_some_and(|(user, token)| user == REGISTRY_USER && self.knows(token))
    }

    fn knows(&self, text: &str) -> bool {
        let token = bare(text);
        let listed = |part: &str| self.0.iter().any(|good| good == part);
        !token.is_empty()
            && (self.0.is_empty() || listed(token) || token.split(',').map(str::trim).any(listed))
    }
}

fn credentials(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// Returns what follows a scheme word in front.
fn scheme_word(text: &str) -> Option<&str> {
    let (word, rest) = text.trim_start().split_once(' ')?;
    let known = ["bearer", "flyv1"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    known.then(|| rest.trim_start())
}

/// Strips scheme words, of which tokens may carry several.
fn bare(mut text: &str) -> &str {
    while let Some(rest) = scheme_word(text) {
        text = rest;
    }
    text.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn both_scheme_words_and_lists_of_tokens_are_read() {
        let access = Access::new(&["FlyV1 fm2_a".into(), "fo1_b".into()]);
        for good in ["Bearer fo1_b", "FlyV1 fm2_a", "bearer FlyV1 fm2_z,fm2_a"] {
            assert!(access.platform(&header(good)), "{good}");
        }
        for bad in ["fo1_b", "Basic fo1_b", "Bearer fo1_", "Bearer ", "FlyV1 fm2_z"] {
            assert!(!access.platform(&header(bad)), "{bad}");
        }
        assert!(!access.platform(&HeaderMap::new()));
    }

    #[test]
    fn the_registry_wants_the_user_x() {
        let access = Access::new(&["fo1_b".into()]);
        let basic = |pair: &str| header(&format!("Basic {}", STANDARD.encode(pair)));
        assert!(access.registry(&basic("x:fo1_b")));
        assert!(access.registry(&basic("x:FlyV1 fo1_b")));
        assert!(!access.registry(&basic("fo1_b:x")));
        assert!(!access.registry(&basic("x:fo1_c")));
        assert!(!access.registry(&header("Basic !")));
    }

    #[test]
    fn without_configured_tokens_any_is_good_but_none_is_not() {
        let access = Access::new(&[]);
        assert!(access.platform(&header("Bearer anything")));
        assert!(!access.platform(&header("Bearer ")));
    }
}
