//! Apps.

use reqwest::Method;

use super::call::Call;
use super::wire::App;
use super::{AppName, Client, Error};

impl Client {
    /// Looks an app up. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::AppNotFound`] and [`Error::AppForbidden`] when the app is not
    /// there for this token, and with [`Error::Unauthorized`] when the token is not valid. Then
    /// the refusal says what the token is good for.
    pub async fn app(&self, app: &AppName) -> Result<App, Error> {
        let path = ["apps", app.as_str()];
        let call = Call::new(Method::GET, &path, format!("look up app `{app}`"));
        match self.call(&call).await {
            Ok(app) => Ok(app),
            Err(error) => Err(of_app(app, self.explained(error).await)),
        }
    }
}

/// Says of a refusal what it means for a request that names an app and nothing below it.
pub(super) fn of_app(app: &AppName, error: Error) -> Error {
    match error {
        Error::Refused(refusal) if refusal.status == 404 => {
            Error::AppNotFound { app: app.clone(), refusal }
        }
        Error::Refused(refusal) if refusal.status == 403 => {
            Error::AppForbidden { app: app.clone(), refusal }
        }
        other => other,
    }
}
