//! What the tests of the sandbox share: a sandbox at a fast pace, and a client.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::{Options, Pace, Sandbox};

pub(super) const TOKEN: &str = "fo1_test";

/// A sandbox and a client that shows it the right token.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) client: reqwest::Client,
}

impl World {
    /// Starts a sandbox with the apps `web` and `api`, whose states last 20 ms.
    pub(super) async fn start() -> Self {
        Self::with(options()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        Self { sandbox: Sandbox::start(options).await.unwrap(), client: client() }
    }

    /// Begins a request to the platform.
    pub(super) fn platform(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url());
        self.client.request(method, url).bearer_auth(TOKEN)
    }

    /// Begins a request to the registry; `at` is a path or a URL.
    pub(super) fn registry(&self, method: Method, at: &str) -> RequestBuilder {
        let url =
            if at.starts_with('/') { format!("{}{at}", self.sandbox.url()) } else { at.into() };
        self.client.request(method, url).basic_auth("x", Some(TOKEN))
    }

    /// Sends a request with a JSON body to the platform, and reads status and answer.
    pub(super) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.platform(method, path).json(&body).send().await.unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.platform(Method::GET, path).send().await.unwrap()).await
    }

    /// Stores a blob in the repository of `app`.
    pub(super) async fn push_blob(&self, app: &str, bytes: &'static [u8]) {
        let opened = self.registry(Method::POST, &format!("/v2/{app}/blobs/uploads/"));
        let location = header(&opened.send().await.unwrap(), "location");
        let digest = crate::image::Digest::of(bytes);
        let closed = self.registry(Method::PUT, &format!("{location}&digest={digest}")).body(bytes);
        assert_eq!(closed.send().await.unwrap().status(), StatusCode::CREATED);
    }
}

pub(super) fn options() -> Options {
    Options {
        tokens: vec![TOKEN.into()],
        apps: vec!["web".into(), "api".into()],
        pace: Pace::every(Duration::from_millis(20)),
        ..Options::default()
    }
}

pub(super) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(super) fn header(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests want neither retries nor proxies")]
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
