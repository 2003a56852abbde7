//! Finding the token, and the logins of other registries. None is ever typed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;

use super::Context;
use super::exit::Failure;
use crate::event::Event;
use crate::fly::Token;
use crate::http::Secret;
use crate::image::RegistryHost;
use crate::registry::Credentials;

/// Where a token is looked for besides the flag, in this order.
const VARIABLES: [&str; 3] = ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN"];

/// Finds the Fly token: `file`, `SNOWBIRD_TOKEN_FILE`, the variables that flyctl and its
/// guides know, flyctl's own login.
///
/// # Errors
///
/// Fails when there is none, or when what is there is no token.
pub(super) fn fly_token(context: &Context, file: Option<&Path>) -> Result<Token, Failure> {
    let env = &context.env;
    if let Some(file) = file.or_else(|| env.os("SNOWBIRD_TOKEN_FILE").map(Path::new)) {
        let text = secret_file(context, file)?;
        return Token::parse(text.expose()).map_err(Failure::of);
    }
    if let Some((_, text)) = env.first_present(&VARIABLES).filter(|(_, text)| !text.is_empty()) {
        return Token::parse(text).map_err(Failure::of);
    }
    if let Some(text) = flyctl_login(context)? {
        return Token::parse(text.expose()).map_err(Failure::of);
    }
    Err(Failure::config("no Fly token was found").hint(
        "set `FLY_API_TOKEN` to what `fly tokens create deploy` prints, or name a file with it in \
         `--token-file`; `fly auth login` works too",
    ))
}

/// Reads a secret from a file.
///
/// # Errors
///
/// Fails when it cannot be read, or is empty.
pub(super) fn secret_file(context: &Context, file: &Path) -> Result<Secret, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::config(&format!("cannot read `{}`: {error}", file.display())))?;
    let secret = Secret::new(&text);
    if secret.is_empty() {
        return Err(Failure::config(&format!("`{}` is empty", file.display())));
    }
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        context.reporter.report(Event::Warning {
            code: "config.secret-readable",
            message: format!("`{}` holds a secret, but everybody can read it", file.display()),
        });
    }
    Ok(secret)
}

/// Reads the token of flyctl's own login.
///
/// Beside user tokens that file holds discharges that live for minutes, so a user token is
/// taken alone where there is one.
fn flyctl_login(context: &Context) -> Result<Option<Secret>, Failure> {
    #[derive(Deserialize)]
    struct Login {
        access_token: Option<String>,
    }
    let Some(file) = context.env.fly_folder().map(|folder| folder.join("config.yml")) else {
        return Ok(None);
    };
    let Ok(text) = fs::read_to_string(&file) else { return Ok(None) };
    // The text is a secret: the parser's error, which may show it, is not.
    let Ok(login) = serde_yaml_ng::from_str::<Login>(&text) else {
        return Err(Failure::config(&format!(
            "`{}` is not flyctl's configuration",
            file.display()
        )));
    };
    let token = login.access_token.unwrap_or_default();
    let user = token.split(',').find(|part| part.trim().starts_with("fo1_"));
    Ok(Some(Secret::new(user.unwrap_or(&token))).filter(|token| !token.is_empty()))
}

/// Looks for the login of a registry in docker's and podman's files.
pub(super) fn registry_login(context: &Context, host: &RegistryHost) -> Option<Credentials> {
    context.env.registry_logins().iter().find_map(|file| {
        let text = fs::read(file).ok()?;
        let login = login_in(&text, host);
        tracing::debug!(file = %file.display(), found = login.is_some(), "looked for a login");
        login
    })
}

fn login_in(text: &[u8], host: &RegistryHost) -> Option<Credentials> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        auths: BTreeMap<String, Auth>,
    }
    #[derive(Deserialize)]
    struct Auth {
        auth: Option<String>,
    }
    let file: File = serde_json::from_slice(text).ok()?;
    let is_host = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next() == Some(host.as_str())
    };
    let auth = file.auths.into_iter().find(|(key, _)| is_host(key))?.1.auth?;
    // flyctl writes the URL-safe alphabet.
    let pair = STANDARD.decode(&auth).or_else(|_| URL_SAFE.decode(&auth)).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some(Credentials { username: username.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_host_in_either_alphabet() {
        let password = "a?b>c~~";
        for alphabet in [STANDARD, URL_SAFE] {
            let auth = alphabet.encode(format!("x:{password}"));
            let text = format!(r#"{{"auths":{{"https://ghcr.io/v2/":{{"auth":"{auth}"}}}}}}"#);
            let login = login_in(text.as_bytes(), &"ghcr.io".parse().unwrap()).unwrap();
            assert_eq!((login.username.as_str(), login.password.expose()), ("x", password));
            assert!(login_in(text.as_bytes(), &"io".parse().unwrap()).is_none());
        }
    }
}
