//! Secrets, and the only places where they are shown: request headers.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

/// A text that `Debug` does not show, and that is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes `text` for a secret, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// Returns the text: for parsing and for headers, never for showing.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that is replaced while it is used: whoever holds a clone sees the new one.
#[derive(Clone, Debug)]
pub struct SharedSecret(Arc<RwLock<Secret>>);

impl SharedSecret {
    /// Returns the secret as it is now.
    pub fn get(&self) -> Secret {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it for all who hold a clone.
    pub fn set(&self, secret: Secret) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secret;
    }
}

impl From<Secret> for SharedSecret {
    fn from(secret: Secret) -> Self {
        Self(Arc::new(RwLock::new(secret)))
    }
}

/// Makes the value of an `Authorization` header: `scheme` and `credentials`.
///
/// # Errors
///
/// Fails when the credentials hold a character that no header can.
pub fn authorization(scheme: &str, credentials: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {credentials}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Makes the value of an `Authorization` header by the Basic scheme, RFC 7617.
///
/// # Errors
///
/// Never in practice: base64 has no character that a header can't hold.
pub fn basic_authorization(
    user: &str,
    password: &Secret,
) -> Result<HeaderValue, InvalidHeaderValue> {
    authorization("Basic", &STANDARD.encode(format!("{user}:{}", password.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new(" fo1_abc\n");
        assert_eq!(secret.expose(), "fo1_abc");
        let header = basic_authorization("x", &secret).unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic eDpmbzFfYWJj");
        let shown = format!("{secret:?} {header:?}");
        assert!(!shown.contains("fo1") && !shown.contains("eDpm"), "{shown}");
    }
}
