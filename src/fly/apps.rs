//! Apps.

use reqwest::Method;
use ulid::Ulid;

use super::call::{Again, Call};
use super::wire::{App, CreateApp, Organization};
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
        match self.look_up(app).await {
            Ok(app) => Ok(app),
            Err(error) => Err(of_app(app, self.explained(error).await)),
        }
    }

    async fn look_up(&self, app: &AppName) -> Result<App, Error> {
        let path = ["apps", app.as_str()];
        self.call(&Call::new(Method::GET, &path, format!("look up app `{app}`"))).await
    }

    /// Creates an app in an organization, once, and waits until it is there for others. When
    /// an answer was lost, the request is repeated under the same key; an app that then turns
    /// out to be there, without machines, is the one that was asked for.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::AppNameTaken`] when there is another app of that name.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave the app behind.
    pub async fn create_app(&self, app: &AppName, organization: &str) -> Result<App, Error> {
        let request = CreateApp {
            name: app.to_string(),
            org_slug: organization.to_owned(),
            idempotency_key: Some(Ulid::generate().to_string()),
        };
        let mut call =
            Call::new(Method::POST, &["apps"], format!("create app `{app}`")).json(&request)?;
        call.query = vec![("wait", "true".to_owned())];
        call.again = Again::NothingDone;
        let (mut attempt, mut lost) = (1, false);
        loop {
            let Err(error) = self.call_bytes(&call).await else {
                return self.created(app, organization).await;
            };
            if is_name_taken(&error) {
                if lost && self.is_new(app, organization).await {
                    return self.created(app, organization).await;
                }
                return Err(name_taken(app, error));
            }
            if !error.may_be_done() || !self.has_patience(attempt) {
                return Err(self.explained(error).await);
            }
            lost = true;
            self.pause_before_look_up(attempt).await;
            attempt += 1;
        }
    }

    /// Reads a new app, which the platform does not know everywhere at once.
    async fn created(&self, app: &AppName, organization: &str) -> Result<App, Error> {
        let mut attempt = 1;
        loop {
            match self.look_up(app).await {
                Ok(created) => return Ok(created),
                Err(error) if !matches!(error.status(), Some(401 | 403 | 404)) => {
                    return Err(error);
                }
                Err(_) if self.has_patience(attempt) => {}
                // It was created all the same.
                Err(_) => {
                    let slug = organization.to_owned();
                    let organization = Organization { slug, ..Organization::default() };
                    return Ok(App { name: app.to_string(), organization, ..App::default() });
                }
            }
            self.pause_before_look_up(attempt).await;
            attempt += 1;
        }
    }

    async fn is_new(&self, app: &AppName, organization: &str) -> bool {
        self.look_up(app).await.is_ok_and(|found| {
            found.organization.slug == organization && found.machine_count.unwrap_or(0) == 0
        })
    }
}

fn is_name_taken(error: &Error) -> bool {
    error.refusal().is_some_and(|refusal| {
        refusal.word.as_deref() == Some("name_taken")
            || refusal.text.contains("Name has already been taken")
    })
}

fn name_taken(app: &AppName, error: Error) -> Error {
    match error {
        Error::Refused(refusal) => Error::AppNameTaken { app: app.clone(), refusal },
        other => other,
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
