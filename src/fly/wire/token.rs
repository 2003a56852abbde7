//! What the platform says of tokens.

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// The answer to `GET /v1/tokens/current`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentTokens {
    /// One for each macaroon, or each organization of a user's token.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tokens: Vec<TokenInfo>,
}

/// What a token is good for. It is no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The platform's ID of it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub token_id: String,
    /// Its organization, by its name in requests.
    #[serde(default, deserialize_with = "null_as_default")]
    pub org_slug: String,
    /// Its organization, by its name for people.
    #[serde(default, deserialize_with = "null_as_default")]
    pub organization: String,
    /// The only apps that it is good for; empty for all.
    #[serde(default, deserialize_with = "null_as_default")]
    pub apps: Vec<String>,
    /// Whose it is.
    #[serde(default, deserialize_with = "null_as_default")]
    pub user: String,
    /// The only machine that it is good for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub restricted_to_machine: String,
    /// The machine that it was made for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub source_machine_id: String,
}
