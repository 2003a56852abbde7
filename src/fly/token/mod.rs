//! Tokens, and what each of the platform's services wants to see of them.

mod bundle;
mod facts;
mod macaroon;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::Explain;
use crate::http::{Secret, SharedSecret};

use super::Error;
use bundle::{Bundle, Forms, Useless};
pub use facts::{TokenFacts, TokenKind, TokenSource};
pub(super) use macaroon::ThirdParty;
#[cfg(test)]
pub(super) use macaroon::minting;

/// The user name that the registry wants beside [`Token::registry_password`].
pub const REGISTRY_USER: &str = "x";

/// A token: one or several macaroons, or users' tokens, or both.
///
/// Clones are one and the same token: what one of them is given by
/// [`Client::renew_token`](super::Client::renew_token) all have. It is never shown: `Debug`
/// hides it, and no error holds a part of it.
#[derive(Clone)]
pub struct Token(Arc<Shared>);

struct Shared {
    source: TokenSource,
    held: RwLock<Held>,
    password: SharedSecret,
    /// Held by who renews it, with the last failure to do so.
    renewal: Mutex<Option<(Instant, Error)>>,
}

struct Held {
    bundle: Bundle,
    forms: Forms,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("source", &self.0.source).finish_non_exhaustive()
    }
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

/// What is wrong with a part of a token, which is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWarning {
    /// A stable word.
    pub code: &'static str,
    /// The text, a sentence without a full stop and without a secret.
    pub message: String,
}

impl Token {
    /// Reads a token as it is handed out: with or without the words `Bearer` and `FlyV1`
    /// in front, a list parted by commas.
    ///
    /// # Errors
    ///
    /// Fails when there is nothing in it, or something that no token holds.
    pub fn parse(text: &str) -> Result<Self, ParseTokenError> {
        Self::new(Bundle::parse(text)?, TokenSource::Unknown)
    }

    /// Reads a token that was found at `source`, and leaves out the parts of it that are
    /// good for nothing at `now`.
    ///
    /// Of flyctl's own login the user's token is taken alone where there is one: the others
    /// are good for minutes without discharges, which would be asked for by that very token.
    ///
    /// # Errors
    ///
    /// As [`Token::parse`].
    pub fn found(
        text: &str,
        source: TokenSource,
        now: SystemTime,
    ) -> Result<(Self, Vec<TokenWarning>), ParseTokenError> {
        let mut bundle = Bundle::parse(text)?;
        if matches!(source, TokenSource::Login(_)) {
            bundle.without_macaroons();
        }
        let useless = bundle.tidy(unix(now));
        let warnings = useless.iter().map(|useless| warning(*useless, &source)).collect();
        Ok((Self::new(bundle, source)?, warnings))
    }

    fn new(bundle: Bundle, source: TokenSource) -> Result<Self, ParseTokenError> {
        let forms = bundle.forms(unix(SystemTime::now()))?;
        Ok(Self(Arc::new(Shared {
            source,
            password: forms.password.clone().into(),
            held: RwLock::new(Held { bundle, forms }),
            renewal: Mutex::default(),
        })))
    }

    /// Returns what is known of it without asking anybody.
    pub fn facts(&self) -> TokenFacts {
        self.read(|held| TokenFacts::of(&held.bundle, &self.0.source, unix(SystemTime::now())))
    }

    /// Returns the `Authorization` for the Machines API and for logs.
    pub fn machines_authorization(&self) -> HeaderValue {
        self.read(|held| held.forms.machines.clone())
    }

    /// Returns the `Authorization` for releases and organizations.
    pub fn web_authorization(&self) -> HeaderValue {
        self.read(|held| held.forms.web.clone())
    }

    /// Returns the `Authorization` for GraphQL.
    pub fn graphql_authorization(&self) -> HeaderValue {
        self.read(|held| held.forms.graphql.clone())
    }

    /// Returns the password for the registry, which changes when the token is renewed; the
    /// user is [`REGISTRY_USER`].
    pub fn registry_password(&self) -> SharedSecret {
        self.0.password.clone()
    }

    /// Returns users' tokens as one credential, if there are any.
    pub(super) fn users(&self) -> Option<Secret> {
        self.read(|held| held.bundle.users())
    }

    /// Returns who is to be asked for a discharge.
    pub(super) fn due(&self) -> Vec<ThirdParty> {
        self.read(|held| held.bundle.due(unix(SystemTime::now()))).into_iter().collect()
    }

    /// Returns how long no discharge is due, or nothing if none ever is.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let now = unix(SystemTime::now());
        self.read(|held| held.bundle.next_due(now)).map(|at| Duration::from_secs(at - now))
    }

    /// Returns whether there is something in it that opens a door now.
    pub(super) fn is_open(&self) -> bool {
        let now = unix(SystemTime::now());
        self.read(|held| held.bundle.users().is_some() || held.bundle.has_open_macaroon(now))
    }

    /// Takes in discharges. Returns whether each is for its ticket.
    pub(super) fn add_discharge(&self, third: &ThirdParty, text: &str) -> bool {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        let mut bundle = held.bundle.clone();
        if !bundle.add_discharge(third, text) {
            return false;
        }
        let Ok(forms) = bundle.forms(unix(SystemTime::now())) else { return false };
        self.0.password.set(forms.password.clone());
        *held = Held { bundle, forms };
        true
    }

    /// What is held by who renews the token.
    pub(super) fn renewal(&self) -> &Mutex<Option<(Instant, Error)>> {
        &self.0.renewal
    }

    fn read<T>(&self, get: impl FnOnce(&Held) -> T) -> T {
        get(&self.0.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unix(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn warning(useless: Useless, source: &TokenSource) -> TokenWarning {
    match useless {
        Useless::Over(until) => {
            let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(until));
            let until = until.map_or_else(String::new, |at| {
                format!(" at {}", humantime::format_rfc3339_seconds(at))
            });
            let message = format!("a part of the Fly token from {source} has run out{until}");
            TokenWarning { code: "fly.token-over", message }
        }
        Useless::Unreadable => {
            let message = format!("a part of the Fly token from {source} cannot be read");
            TokenWarning { code: "fly.token-unreadable", message }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::macaroon::PERMISSION;
    use super::minting::{apps, mint, organization, third_party, valid};
    use super::*;

    #[test]
    fn each_service_gets_its_own_form() {
        for (text, machines, web, graphql, registry) in [
            ("fo1_a", "Bearer fo1_a", "Bearer fo1_a", "Bearer fo1_a", "fo1_a"),
            (
                "FlyV1 fm2_a,fm2_b",
                "FlyV1 fm2_a,fm2_b",
                "Bearer fm2_a,fm2_b",
                "FlyV1 fm2_a,fm2_b",
                "fm2_a,fm2_b",
            ),
            (
                "BEARER FLYV1 fo1_u, fm2_a ,fm1r_b",
                "FlyV1 fm2_a,fm1r_b",
                "Bearer fm2_a,fm1r_b,fo1_u",
                "FlyV1 fm2_a,fm1r_b,fo1_u",
                "fm2_a,fm1r_b",
            ),
            (" plain\n", "Bearer plain", "Bearer plain", "Bearer plain", "plain"),
        ] {
            let token = Token::parse(text).unwrap();
            assert_eq!(token.machines_authorization().to_str().unwrap(), machines, "{text}");
            assert_eq!(token.web_authorization().to_str().unwrap(), web, "{text}");
            assert_eq!(token.graphql_authorization().to_str().unwrap(), graphql, "{text}");
            assert_eq!(token.registry_password().get().expose(), registry, "{text}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::parse("FlyV1 fm2_hush,fo1_hush").unwrap();
        assert!(!format!("{token:?} {:?}", token.registry_password()).contains("hush"));
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

    #[test]
    fn of_a_login_the_users_token_is_taken_alone() {
        let source = TokenSource::Login(PathBuf::from("/home/me/.fly/config.yml"));
        let (token, warnings) =
            Token::found("fm2_a,fm2_b,fo1_u", source, SystemTime::now()).unwrap();
        assert_eq!(token.machines_authorization().to_str().unwrap(), "Bearer fo1_u");
        assert_eq!(warnings, []);
        assert_eq!(token.facts().kind, TokenKind::User);
    }

    #[test]
    fn what_a_token_is_can_be_told_without_showing_it() {
        let until = 4_000_000_000;
        let auth = third_party("https://api.fly.io/aaa/v1", b"t");
        for (caveats, told, numbers) in [
            (
                [organization(5, 31), apps(&[8]), valid(1, until)].concat(),
                "a deploy token from `FLY_API_TOKEN`",
                (vec![5], vec![8]),
            ),
            (
                [organization(5, 31), valid(1, until)].concat(),
                "an organization token from `FLY_API_TOKEN`",
                (vec![5], vec![]),
            ),
            (
                [organization(5, 1), valid(1, until)].concat(),
                "a read-only organization token from `FLY_API_TOKEN`",
                (vec![5], vec![]),
            ),
            (
                [organization(5, 31), valid(1, until), auth].concat(),
                "a login from `FLY_API_TOKEN`",
                (vec![5], vec![]),
            ),
        ] {
            let text = mint(b"key", PERMISSION, caveats);
            let source = TokenSource::Variable("FLY_API_TOKEN".to_owned());
            let (token, _) = Token::found(&text, source, SystemTime::now()).unwrap();
            let facts = token.facts();
            assert_eq!(facts.to_string(), told);
            let expected = (BTreeSet::from_iter(numbers.0), BTreeSet::from_iter(numbers.1));
            assert_eq!((facts.organizations.clone(), facts.apps.clone()), expected);
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
            assert_eq!(facts.expires_at, Some(end));
            assert!(facts.is_over(end) && !facts.is_over(SystemTime::now()));
        }
    }

    #[test]
    fn what_is_left_out_is_told_with_its_place() {
        let over = mint(b"key", PERMISSION, valid(1, 1_000_000_000).to_vec());
        let source = TokenSource::File(PathBuf::from("token"));
        let (_, warnings) =
            Token::found(&format!("{over},fo1_u"), source, SystemTime::now()).unwrap();
        let told: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            told,
            ["a part of the Fly token from the file `token` has run out at 2001-09-09T01:46:40Z"]
        );
    }
}
