//! Finding the token, and the logins of other registries. None is ever typed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;

use super::Context;
use super::exit::Failure;
use crate::event::Event;
use crate::fly::{Token, TokenSource, TokenWarning};
use crate::http::Secret;
use crate::image::RegistryHost;
use crate::registry::Credentials;

/// Where a token is looked for besides the flag, in this order.
const VARIABLES: [&str; 3] = ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN"];

/// Finds the Fly token: `file`, `SNOWBIRD_TOKEN_FILE`, the variables that flyctl and its
/// guides know, flyctl's own login. Tells what parts of it are good for nothing.
///
/// # Errors
///
/// Fails when there is none, or when what is there is no token.
pub(super) fn fly_token(context: &Context, file: Option<&Path>) -> Result<Token, Failure> {
    let Some((text, source)) = find(context, file)? else {
        return Err(Failure::config("no Fly token was found").hint(
            "set `FLY_API_TOKEN` to what `fly tokens create deploy` prints, or name a file with \
             it in `--token-file`; `fly auth login` works too",
        ));
    };
    let (token, warnings) =
        Token::found(text.expose(), source, SystemTime::now()).map_err(Failure::of)?;
    for TokenWarning { code, message } in warnings {
        context.reporter.report(Event::Warning { code, message });
    }
    Ok(token)
}

fn find(context: &Context, file: Option<&Path>) -> Result<Option<(Secret, TokenSource)>, Failure> {
    let env = &context.env;
    if let Some(file) = file.or_else(|| env.os("SNOWBIRD_TOKEN_FILE").map(Path::new)) {
        return Ok(Some((secret_file(context, file)?, TokenSource::File(file.to_owned()))));
    }
    if let Some((name, text)) = env.first_present(&VARIABLES).filter(|(_, text)| !text.is_empty()) {
        return Ok(Some((Secret::new(text), TokenSource::Variable(name.to_owned()))));
    }
    flyctl_login(context)
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
fn flyctl_login(context: &Context) -> Result<Option<(Secret, TokenSource)>, Failure> {
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
    let token = login.access_token.as_deref().map(Secret::new);
    Ok(token.filter(|token| !token.is_empty()).map(|token| (token, TokenSource::Login(file))))
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
    Some(Credentials { username: username.to_owned(), password: Secret::new(password).into() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::super::output::Output;
    use super::*;
    use crate::event::Recorder;

    fn context(variables: &[(&'static str, String)]) -> Context {
        Context {
            env: variables.iter().cloned().collect(),
            output: Output::new(false),
            reporter: Arc::new(Recorder::default()),
            cancel: CancellationToken::new(),
        }
    }

    /// A home folder with a login, and a file with a token.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".fly")).unwrap();
        let login = "access_token: fm2_a,fm2_b,fo1_login\nlast_login: 2026-01-01T00:00:00Z\n";
        fs::write(home.path().join(".fly/config.yml"), login).unwrap();
        fs::write(home.path().join("token"), "FlyV1 fm2_file\n").unwrap();
        home
    }

    #[test]
    fn the_token_is_looked_for_in_one_order() {
        let home = home();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let file = ("SNOWBIRD_TOKEN_FILE", path("token"));
        let at_home = ("HOME", path(""));
        let variable = |name, text: &str| (name, text.to_owned());
        let (access, api) =
            (variable("FLY_ACCESS_TOKEN", "fo1_access"), variable("FLY_API_TOKEN", "fo1_api"));
        let auth = variable("FLY_AUTH_TOKEN", "fo1_auth");
        let empty = variable("FLY_ACCESS_TOKEN", "");
        for (variables, expected, source) in [
            (vec![file, access.clone(), at_home.clone()], "fm2_file", "the file `"),
            (vec![access, api.clone(), at_home.clone()], "fo1_access", "`FLY_ACCESS_TOKEN`"),
            (vec![api.clone(), auth.clone(), at_home.clone()], "fo1_api", "`FLY_API_TOKEN`"),
            (vec![auth, at_home.clone()], "fo1_auth", "`FLY_AUTH_TOKEN`"),
            // An empty one hides the others, as flyctl has it, but not the login.
            (vec![empty, api, at_home.clone()], "fo1_login", "`fly auth login` ("),
            (vec![variable("FLY_CONFIG_DIR", &path(".fly"))], "fo1_login", "`fly auth login` ("),
        ] {
            let token = fly_token(&context(&variables), None).unwrap();
            assert_eq!(token.registry_password().get().expose(), expected, "{variables:?}");
            let told = token.facts().source.to_string();
            assert!(told.starts_with(source), "{told}");
        }
        let flag = home.path().join("token");
        let token = fly_token(&context(&[at_home]), Some(&flag)).unwrap();
        assert_eq!(token.registry_password().get().expose(), "fm2_file");
    }

    #[test]
    fn without_any_token_it_is_told_how_to_get_one() {
        let failure = fly_token(&context(&[]), None).unwrap_err();
        assert_eq!(failure.account().code, "config.unusable");
        assert!(failure.account().hint.as_ref().unwrap().contains("fly tokens create deploy"));
    }

    #[test]
    fn a_login_that_cannot_be_read_is_not_shown() {
        let home = home();
        fs::write(home.path().join(".fly/config.yml"), "access_token: [fo1_hush").unwrap();
        let variables = [("HOME", home.path().to_str().unwrap().to_owned())];
        let failure = fly_token(&context(&variables), None).unwrap_err();
        assert!(!format!("{failure:?}").contains("hush"));
    }

    #[test]
    fn a_login_is_found_by_host_in_either_alphabet() {
        let password = "a?b>c~~";
        for alphabet in [STANDARD, URL_SAFE] {
            let auth = alphabet.encode(format!("x:{password}"));
            let text = format!(r#"{{"auths":{{"https://ghcr.io/v2/":{{"auth":"{auth}"}}}}}}"#);
            let login = login_in(text.as_bytes(), &"ghcr.io".parse().unwrap()).unwrap();
            assert_eq!((login.username.as_str(), login.password.get().expose()), ("x", password));
            assert!(login_in(text.as_bytes(), &"io".parse().unwrap()).is_none());
        }
    }
}
