//! GraphQL: what the platform tells nowhere else.

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::clean;

use super::call::Call;
use super::endpoints::Service;
use super::{AppName, Client, Error};

const CURRENT_DEFINITION: &str = "query FlyctlConfigCurrentRelease($appName: String!) { \
    app(name: $appName) { currentReleaseUnprocessed { configDefinition } } }";

const CAN_BLUEGREEN: &str = "query($appName: String!) { \
    canPerformBluegreenDeployment(name: $appName) }";

/// An answer; with `errors`, `data` is missing or has holes.
#[derive(Debug, Deserialize)]
struct Answer<T> {
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default)]
    errors: Option<Vec<Failure>>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Debug, Deserialize)]
struct Extensions {
    #[serde(default)]
    code: Option<String>,
}

impl Client {
    /// Reads the configuration that the newest release was recorded with: fly.toml as JSON.
    /// Gives nothing when there is none. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses, with [`Error::Query`] when it does not know the app.
    pub async fn current_definition(&self, app: &AppName) -> Result<Option<Value>, Error> {
        let what = format!("read the configuration of `{app}`");
        let data: Value =
            self.query(what, "FlyctlConfigCurrentRelease", CURRENT_DEFINITION, app).await?;
        let definition = data.pointer("/app/currentReleaseUnprocessed/configDefinition");
        Ok(definition.filter(|definition| !definition.is_null()).cloned())
    }

    /// Asks whether the app's organization may have the machines that a bluegreen deploy
    /// takes. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// As [`Client::current_definition`].
    pub async fn can_bluegreen(&self, app: &AppName) -> Result<bool, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            can_perform_bluegreen_deployment: bool,
        }
        let what = format!("ask whether `{app}` may have a bluegreen deploy");
        let data: Data = self.query(what, "", CAN_BLUEGREEN, app).await?;
        Ok(data.can_perform_bluegreen_deployment)
    }

    async fn query<T: DeserializeOwned>(
        &self,
        what: String,
        name: &str,
        query: &str,
        app: &AppName,
    ) -> Result<T, Error> {
        let mut body = json!({ "query": query, "variables": { "appName": app.as_str() } });
        if let (false, Some(body)) = (name.is_empty(), body.as_object_mut()) {
            body.insert("operationName".to_owned(), name.into());
        }
        let mut call = Call::new(Method::POST, &[], what).json(&body)?;
        call.service = Service::GraphQl;
        let Answer { data, errors } = self.call(&call).await?;
        let what = call.what;
        if let Some(failure) = errors.into_iter().flatten().next() {
            let word = failure.extensions.and_then(|extensions| extensions.code);
            let word = word.map(|word| clean(&word));
            return Err(Error::Query { what, text: clean(&failure.message), word });
        }
        let reason = "it holds neither data nor errors".to_owned();
        data.ok_or(Error::Unreadable { what, reason })
    }
}
