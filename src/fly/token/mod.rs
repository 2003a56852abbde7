//! Tokens, and what each of the platform's services wants to see of them.

use std::borrow::Cow;

use reqwest::header::HeaderValue;

use crate::error::Explain;
use crate::http::{Secret, authorization};

/// The user name that the registry wants beside [`Token::registry_password`].
pub const REGISTRY_USER: &str = "x";

/// What macaroons begin with, up to the first `_`.
const MACAROONS: [&str; 3] = ["fm1r", "fm1a", "fm2"];

/// A token: one or several macaroons, or users' tokens, or both.
///
/// It is never shown: `Debug` hides it, and no error holds a part of it.
#[derive(Debug, Clone)]
pub struct Token {
    machines: HeaderValue,
    web: HeaderValue,
    graphql: HeaderValue,
    registry: Secret,
}

/// Why a text is no token. The text itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTokenError {
    /// Nothing is left when the scheme's words are taken away.
    #[error("the Fly token is empty")]
    Empty,
    /// It holds white space or a character that no header can hold.
    #[error("the Fly token holds a character that no token has")]
    Character,
}

impl Explain for ParseTokenError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "fly.token-empty",
            Self::Character => "fly.token-malformed",
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some("make one with `fly tokens create deploy` and set `FLY_API_TOKEN` to it".into())
    }
}

impl Token {
    /// Reads a token as it is handed out: with or without the words `Bearer` and `FlyV1`
    /// in front, a list parted by commas.
    ///
    /// # Errors
    ///
    /// Fails when there is nothing in it, or something that no token holds.
    pub fn parse(text: &str) -> Result<Self, ParseTokenError> {
        let parts = || without_scheme(text).split(',').map(str::trim).filter(|p| !p.is_empty());
        if parts().any(|part| !part.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(ParseTokenError::Character);
        }
        let (macaroons, users): (Vec<_>, Vec<_>) = parts().partition(|part| is_macaroon(part));
        let everything = [macaroons.as_slice(), users.as_slice()].concat().join(",");
        let (scheme, first) = match (macaroons.is_empty(), users.is_empty()) {
            (true, true) => return Err(ParseTokenError::Empty),
            (true, false) => ("Bearer", users.join(",")),
            (false, _) => ("FlyV1", macaroons.join(",")),
        };
        let header = |scheme, credentials: &str| {
            authorization(scheme, credentials).map_err(|_shows_it| ParseTokenError::Character)
        };
        Ok(Self {
            machines: header(scheme, &first)?,
            // Bearer, even for macaroons: that service knows no other word.
            web: header("Bearer", &everything)?,
            graphql: header(scheme, &everything)?,
            registry: Secret::new(&first),
        })
    }

    /// Returns the `Authorization` for the Machines API and for logs.
    pub fn machines_authorization(&self) -> &HeaderValue {
        &self.machines
    }

    /// Returns the `Authorization` for releases and organizations.
    pub fn web_authorization(&self) -> &HeaderValue {
        &self.web
    }

    /// Returns the `Authorization` for GraphQL.
    pub fn graphql_authorization(&self) -> &HeaderValue {
        &self.graphql
    }

    /// Returns the password for the registry; the user is [`REGISTRY_USER`].
    pub fn registry_password(&self) -> &Secret {
        &self.registry
    }
}

/// Takes away the scheme's words, however many there are and in any order.
fn without_scheme(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some((word, tail)) = rest.split_once(char::is_whitespace) {
        if !is_scheme(word) {
            return rest;
        }
        rest = tail.trim_start();
    }
    if is_scheme(rest) { "" } else { rest }
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("flyv1")
}

fn is_macaroon(part: &str) -> bool {
    part.split_once('_').is_some_and(|(kind, _)| MACAROONS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_gets_its_own_form() {
        for (text, machines, web, registry) in [
            ("fo1_a", "Bearer fo1_a", "Bearer fo1_a", "fo1_a"),
            ("FlyV1 fm2_a,fm2_b", "FlyV1 fm2_a,fm2_b", "Bearer fm2_a,fm2_b", "fm2_a,fm2_b"),
            (
                "BEARER FLYV1 fo1_u, fm2_a ,fm1r_b",
                "FlyV1 fm2_a,fm1r_b",
                "Bearer fm2_a,fm1r_b,fo1_u",
                "fm2_a,fm1r_b",
            ),
            (" plain\n", "Bearer plain", "Bearer plain", "plain"),
        ] {
            let token = Token::parse(text).unwrap();
            assert_eq!(token.machines_authorization().to_str().unwrap(), machines, "{text}");
            assert_eq!(token.web_authorization().to_str().unwrap(), web, "{text}");
            assert_eq!(token.registry_password().expose(), registry, "{text}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::parse("FlyV1 fm2_hush,fo1_hush").unwrap();
        assert!(!format!("{token:?}").contains("hush"));
        let error = Token::parse("fm2_hu sh").unwrap_err();
        assert_eq!(error, ParseTokenError::Character);
        assert!(!error.to_string().contains("fm2"), "{error}");
    }

    #[test]
    fn nothing_is_no_token() {
        for text in ["", "  ", "Bearer", "FlyV1 ", "bearer flyv1 ,"] {
            assert_eq!(Token::parse(text).unwrap_err(), ParseTokenError::Empty, "{text:?}");
        }
    }
}
