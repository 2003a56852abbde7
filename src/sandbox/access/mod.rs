//! Whose requests are answered, and what they may see.

mod issuer;
mod macaroon;
mod permit;

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[cfg(test)]
pub(super) use issuer::ticket;
use issuer::{Issuer, Seen};

pub(super) use permit::{Permit, Reach};

/// The user name that Fly's registry wants; the password is the token.
const REGISTRY_USER: &str = "x";

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All organizations, as a user's own token.
    Everything,
    /// One organization, by its slug.
    Organization(String),
    /// One app, by its name: a deploy token. It sees no other app, may pull the images of
    /// the app's organization, and may not read logs.
    App(String),
}

/// A token that is good for a part of the world.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The token, without a scheme word.
    pub token: String,
    /// What it is good for.
    pub scope: Scope,
}

/// The tokens that are good.
#[derive(Debug)]
pub(super) struct Access {
    listed: Vec<(String, Scope)>,
    issuer: Issuer,
    require_discharge: bool,
}

impl Access {
    /// Lets in whoever shows a listed token, or anybody with a token if there are none, and
    /// whoever shows a macaroon that was issued here, at `url`.
    pub(super) fn new(
        tokens: &[String],
        grants: &[Grant],
        url: &str,
        discharge: Option<Duration>,
    ) -> Self {
        let all = tokens.iter().map(|token| (token, &Scope::Everything));
        let some = grants.iter().map(|grant| (&grant.token, &grant.scope));
        let listed =
            all.chain(some).map(|(token, scope)| (bare(token).to_owned(), scope.clone())).collect();
        Self { listed, issuer: Issuer::new(url, discharge), require_discharge: discharge.is_some() }
    }

    /// Returns whoever issues macaroons.
    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the organizations that tokens are good for.
    pub(super) fn organizations(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().filter_map(|(_, scope)| match scope {
            Scope::Organization(slug) => Some(slug.as_str()),
            Scope::Everything | Scope::App(_) => None,
        })
    }

    /// Returns what the headers' token is good for, shown by `Bearer` or `FlyV1`.
    pub(super) fn platform(&self, headers: &HeaderMap, now_s: u64) -> Option<Permit> {
        self.header(headers.get(AUTHORIZATION)?.to_str().ok()?, now_s)
    }

    /// Returns what an `Authorization` is good for on the platform.
    pub(super) fn header(&self, header: &str, now_s: u64) -> Option<Permit> {
        scheme_word(header)?;
        self.permit(header, now_s)
    }

    /// Returns what the headers' token is good for, shown by `Basic` as the registry wants it.
    pub(super) fn registry(&self, headers: &HeaderMap, now_s: u64) -> Option<Permit> {
        let (scheme, pair) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        let pair =
            STANDARD.decode(pair.trim()).ok().and_then(|pair| String::from_utf8(pair).ok())?;
        let (user, token) = pair.split_once(':')?;
        let good = scheme.eq_ignore_ascii_case("basic") && user == REGISTRY_USER;
        self.permit(token, now_s).filter(|_| good)
    }

    fn permit(&self, text: &str, now_s: u64) -> Option<Permit> {
        let text = bare(text);
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        let listed = |part: &str| match self.listed.iter().find(|(good, _)| good == part) {
            Some((_, scope)) => Some(Reach::Of(scope.clone())),
            None if self.listed.is_empty() => Some(Reach::Of(Scope::Everything)),
            None => None,
        };
        // A list as a whole may be listed, too.
        let mut reaches = Vec::from_iter(listed(text).filter(|_| parts.len() > 1));
        for part in &parts {
            match self.issuer.look(part, &parts, now_s) {
                Seen::Macaroon { discharged: false, .. } if self.require_discharge => return None,
                Seen::Unreadable if self.require_discharge && is_macaroon(part) => {}
                Seen::Macaroon { reach: Some(reach), .. } => reaches.push(reach),
                // A discharge is good for nothing by itself.
                Seen::Discharge => {}
                Seen::Macaroon { reach: None, .. } | Seen::Unreadable => {
                    reaches.extend(listed(part));
                }
            }
        }
        (!reaches.is_empty()).then(|| Permit::new(reaches))
    }
}

fn is_macaroon(part: &str) -> bool {
    part.split_once('_').is_some_and(|(kind, _)| matches!(kind, "fm1r" | "fm1a" | "fm2"))
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

    const URL: &str = "http://127.0.0.1:1";
    const NOW_S: u64 = 1_700_000_000;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    fn access(tokens: &[&str], discharge: Option<Duration>) -> Access {
        let tokens: Vec<_> = tokens.iter().map(|&token| token.to_owned()).collect();
        Access::new(&tokens, &[], URL, discharge)
    }

    fn good(access: &Access, value: &str) -> bool {
        access.platform(&header(value), NOW_S).is_some()
    }

    #[test]
    fn both_scheme_words_and_lists_of_tokens_are_read() {
        let access = access(&["FlyV1 fm2_a", "fo1_b"], None);
        for value in ["Bearer fo1_b", "FlyV1 fm2_a", "bearer FlyV1 fm2_z,fm2_a"] {
            assert!(good(&access, value), "{value}");
        }
        for value in ["fo1_b", "Basic fo1_b", "Bearer fo1_", "Bearer ", "FlyV1 fm2_z"] {
            assert!(!good(&access, value), "{value}");
        }
        assert!(access.platform(&HeaderMap::new(), NOW_S).is_none());
    }

    #[test]
    fn the_registry_wants_the_user_x() {
        let access = access(&["fo1_b"], None);
        let basic = |pair: &str| {
            let header = header(&format!("Basic {}", STANDARD.encode(pair)));
            access.registry(&header, NOW_S).is_some()
        };
        assert!(basic("x:fo1_b") && basic("x:FlyV1 fo1_b"));
        assert!(!basic("fo1_b:x") && !basic("x:fo1_c"));
        assert!(access.registry(&header("Basic !"), NOW_S).is_none());
    }

    #[test]
    fn without_configured_tokens_any_is_good_but_none_is_not() {
        let access = access(&[], None);
        assert!(good(&access, "Bearer anything"));
        assert!(!good(&access, "Bearer "));
    }

    #[test]
    fn a_macaroon_that_was_issued_here_is_good_until_its_end() {
        let access = access(&["fo1_b"], None);
        let everything = Scope::Everything;
        let minted = access.issuer.mint(&everything, None, Duration::from_secs(60), NOW_S).unwrap();
        let shown = |token: &str, now_s| {
            access.platform(&header(&format!("FlyV1 {token}")), now_s).is_some()
        };
        assert!(shown(&minted, NOW_S + 59) && !shown(&minted, NOW_S + 61));
        let other = Issuer::new(URL, None);
        let forged = other.mint(&everything, None, Duration::from_secs(60), NOW_S).unwrap();
        assert!(!shown(&forged, NOW_S));
    }

    #[test]
    fn where_a_discharge_is_required_none_or_an_old_one_is_not_enough() {
        let access = access(&[], Some(Duration::from_secs(5)));
        let day = Duration::from_secs(86_400);
        let minted = access.issuer.mint(&Scope::Everything, None, day, NOW_S).unwrap();
        let ticket = ticket(&minted).unwrap();
        let discharge = access.issuer.discharge(&ticket, NOW_S).unwrap();
        let shown = |tokens: &str, now_s| {
            access.platform(&header(&format!("FlyV1 {tokens}")), now_s).is_some()
        };
        assert!(!shown(&minted, NOW_S));
        assert!(!shown(&format!("{minted},fo1_user"), NOW_S));
        assert!(shown(&format!("{minted},{discharge}"), NOW_S + 4));
        assert!(!shown(&format!("{minted},{discharge}"), NOW_S + 6));
        assert!(!shown(&discharge, NOW_S) && !shown("fm2_anything", NOW_S));
        let another = access.issuer.mint(&Scope::Everything, None, day, NOW_S).unwrap();
        assert!(!shown(&format!("{another},{discharge}"), NOW_S));
        let deploy = Scope::App("web".into());
        let deploy = access.issuer.mint(&deploy, Some((1, 1)), day, NOW_S).unwrap();
        assert!(shown(&deploy, NOW_S), "a deploy token needs no discharge");
    }
}
