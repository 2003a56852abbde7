//! The scripted client: requests, and the building blocks of all strategies.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use snowbird::sandbox::Sandbox;
use tokio::time::sleep;

use super::TOKEN;
use super::types::{App, LeaseAnswer, Machine};

pub(super) const NONCE: &str = "fly-machine-lease-nonce";

/// flyctl looks every 0.5 to 2 seconds.
const LOOK: Duration = Duration::from_millis(20);
/// flyctl's smoke check takes 10 seconds, and a machine that is up for so long has passed.
const SMOKE: Duration = Duration::from_millis(400);
/// flyctl gives up after 5 minutes.
pub(super) const WAIT: Duration = Duration::from_secs(6);

/// A refusal: status and text.
pub(super) type Refused = (u16, String);

/// Speaks to a sandbox as flyctl speaks to Fly.
pub(super) struct Flyctl {
    http: reqwest::Client,
    url: String,
    /// What the Machines API and GraphQL are shown.
    header: String,
    /// What the REST API is shown: always the word Bearer.
    web_header: String,
}

impl Flyctl {
    pub(super) fn new(sandbox: &Sandbox) -> Self {
        Self::with_token(sandbox, TOKEN)
    }

    /// Shows a token by the words that flyctl chooses for it.
    pub(super) fn with_token(sandbox: &Sandbox, token: &str) -> Self {
        let word = if token.starts_with("fm2_") { "FlyV1" } else { "Bearer" };
        #[expect(clippy::disallowed_methods, reason = "a client without retries")]
        let http = reqwest::Client::builder().no_proxy().user_agent("flyctl/0.4.85").build();
        Self {
            http: http.unwrap(),
            url: sandbox.url(),
            header: format!("{word} {token}"),
            web_header: format!("Bearer {token}"),
        }
    }

    /// Returns the host of the registry, as `FLY_REGISTRY_HOST` names it.
    pub(super) fn registry(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let header = if path.starts_with("/api/") { &self.web_header } else { &self.header };
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("Authorization", header)
    }

    /// Sends a request; returns the answer's text or the refusal.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<String, Refused> {
        let response = request.send().await.map_err(|error| (0, error.to_string()))?;
        assert!(response.headers().contains_key("fly-request-id"));
        let (status, text) = (response.status(), response.text().await.unwrap());
        if status.is_success() {
            return Ok(text);
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        Err((status.as_u16(), body["error"].as_str().unwrap_or(&text).to_owned()))
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Refused> {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let text = self.send(request).await?;
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}")))
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks GraphQL; errors fail, as flyctl fails.
    pub(super) async fn query(&self, query: &str, variables: Value) -> Result<Value, String> {
        let body = json!({"query": query, "variables": variables});
        let answer: Value = self.ask(Method::POST, "/graphql", Some(&body)).await.unwrap();
        match answer["errors"][0]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(answer["data"].clone()),
        }
    }

    pub(super) async fn app(&self) -> App {
        self.get("/v1/apps/web").await.unwrap()
    }

    pub(super) async fn machines(&self) -> Vec<Machine> {
        self.get("/v1/apps/web/machines").await.unwrap()
    }

    pub(super) async fn machine(&self, id: &str) -> Result<Machine, Refused> {
        self.get(&machine_path(id, "")).await
    }

    /// Makes a machine. The input has no lease unless it says so.
    pub(super) async fn launch(&self, input: &Value) -> Result<Machine, Refused> {
        self.ask(Method::POST, "/v1/apps/web/machines", Some(input)).await
    }

    /// Takes a lease as `AcquireLease` does: no body, seconds in the query.
    pub(super) async fn lease(&self, id: &str) -> Result<String, Refused> {
        let request = self.request(Method::POST, &machine_path(id, "/lease?ttl=13"));
        let response = self.send(request).await?;
        let answer: LeaseAnswer = serde_json::from_str(&response).unwrap();
        assert_eq!(answer.status, "success");
        let lease = answer.data.expect("data of the lease");
        let left = lease.expires_at - now_ms() / 1000;
        assert!((11..=13).contains(&left) && !lease.owner.is_empty(), "{lease:?}");
        assert!(lease.description.is_empty() && !lease.version.is_empty());
        Ok(lease.nonce)
    }

    /// Renews a lease: the same request with the nonce, which must stay the same.
    pub(super) async fn refresh(&self, id: &str, nonce: &str) -> Result<(), Refused> {
        let request = self.request(Method::POST, &machine_path(id, "/lease?ttl=13"));
        let response = self.send(request.header(NONCE, nonce)).await?;
        let answer: LeaseAnswer = serde_json::from_str(&response).unwrap();
        assert_eq!(answer.data.expect("data of the lease").nonce, nonce);
        Ok(())
    }

    pub(super) async fn release(&self, id: &str, nonce: &str) -> Result<(), Refused> {
        let request = self.request(Method::DELETE, &machine_path(id, "/lease"));
        self.send(request.header(NONCE, nonce)).await.map(drop)
    }

    /// Updates a machine under its lease.
    pub(super) async fn update(
        &self,
        id: &str,
        nonce: &str,
        input: &Value,
    ) -> Result<Machine, Refused> {
        let request = self.request(Method::POST, &machine_path(id, "")).header(NONCE, nonce);
        let text = self.send(request.json(input)).await?;
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
    }

    pub(super) async fn order(&self, id: &str, what: &str, nonce: &str) -> Result<(), Refused> {
        let mut request = self.request(Method::POST, &machine_path(id, &format!("/{what}")));
        if !nonce.is_empty() {
            request = request.header(NONCE, nonce);
        }
        self.send(request).await.map(drop)
    }

    pub(super) async fn stop(&self, id: &str, nonce: &str) -> Result<(), Refused> {
        let body = json!({"id": id, "signal": "SIGINT", "timeout": "0s"});
        let request = self.request(Method::POST, &machine_path(id, "/stop"));
        self.send(request.header(NONCE, nonce).json(&body)).await.map(drop)
    }

    pub(super) async fn destroy(&self, id: &str, nonce: &str) -> Result<(), Refused> {
        let mut request = self.request(Method::DELETE, &machine_path(id, "?kill=true"));
        if !nonce.is_empty() {
            request = request.header(NONCE, nonce);
        }
        self.send(request).await.map(drop)
    }

    /// Waits for a state as `WaitForState` does: 404 is told, every other refusal is tried
    /// again until the time is over.
    pub(super) async fn wait_for(&self, id: &str, state: &str) -> Result<(), Refused> {
        let deadline = Instant::now() + WAIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs().clamp(1, 60);
            let path = machine_path(id, &format!("/wait?state={state}&timeout={left}"));
            match self.get::<Value>(&path).await {
                Ok(_) => return Ok(()),
                Err((404, _)) if state == "destroyed" => return Ok(()),
                Err((404, text)) => return Err((404, text)),
                Err(refused) if Instant::now() >= deadline => return Err(refused),
                Err(_) => sleep(LOOK).await,
            }
        }
    }

    /// Looks whether a machine stays up, as `WaitForSmokeChecksToPass` does.
    pub(super) async fn smoke(&self, id: &str) -> Result<(), String> {
        let deadline = Instant::now() + SMOKE;
        loop {
            let machine = self.machine(id).await.map_err(|refused| format!("{refused:?}"))?;
            if machine.is_constantly_restarting() {
                return Err("the app appears to be crashing".to_owned());
            }
            let uptime = machine.started_after_launch().map_or(0, |started| now_ms() - started);
            if uptime > i64::try_from(SMOKE.as_millis()).unwrap() || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// Looks until a machine crashes again and again, as its smoke check would see.
    pub(super) async fn smoke_until_it_fails(&self, id: &str) -> String {
        for _ in 0..100 {
            if let Err(failure) = self.smoke(id).await {
                return failure;
            }
        }
        panic!("{id} does not crash");
    }

    /// Answers a ticket at the third party's; no token is shown there.
    pub(super) async fn discharge(&self, location: &str, ticket: &[u8]) -> String {
        let ask = json!({"ticket": STANDARD.encode(ticket)});
        let url = format!("{location}/.well-known/macfly/3p");
        let answer = self.http.post(url).json(&ask).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let told: Value = answer.json().await.unwrap();
        told["discharge"].as_str().expect("a discharge").to_owned()
    }

    /// Waits for all checks to pass, as `WaitForHealthchecksToPass` does; returns the
    /// standings that it saw.
    pub(super) async fn health(
        &self,
        id: &str,
        within: Duration,
    ) -> Result<Vec<(usize, usize)>, String> {
        let deadline = Instant::now() + within;
        let mut seen = Vec::new();
        loop {
            let machine = self.machine(id).await.map_err(|refused| format!("{refused:?}"))?;
            let (passing, all) = machine.checks_passing();
            if seen.last() != Some(&(passing, all)) {
                seen.push((passing, all));
            }
            if all > 0 && passing == all {
                return Ok(seen);
            }
            if Instant::now() >= deadline {
                return Err(format!("timeout reached waiting for health checks to pass: {seen:?}"));
            }
            sleep(LOOK).await;
        }
    }

    /// Returns the addresses that the processes of a machine listen on.
    pub(super) async fn sockets(&self, id: &str) -> Vec<String> {
        let processes: Value = self.get(&machine_path(id, "/ps")).await.unwrap();
        let processes = processes.as_array().expect("a list of processes");
        let sockets = processes
            .iter()
            .flat_map(|process| process["listen_sockets"].as_array().expect("a list of sockets"));
        sockets
            .map(|socket| {
                assert_eq!(socket["proto"], "tcp");
                socket["address"].as_str().expect("an address").to_owned()
            })
            .collect()
    }

    pub(super) async fn push(&self, tag: &str) -> String {
        let basic = |method, path: String| {
            let url = if path.starts_with('/') { format!("{}{path}", self.url) } else { path };
            self.http.request(method, url).basic_auth("x", Some(TOKEN))
        };
        let blob = b"{}";
        let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let opened = basic(Method::POST, "/v2/web/blobs/uploads/".into()).send().await.unwrap();
        let at = opened.headers()["location"].to_str().unwrap().to_owned();
        let closed = basic(Method::PUT, format!("{at}&digest={digest}")).body(&blob[..]);
        assert_eq!(closed.send().await.unwrap().status(), StatusCode::CREATED);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "layers": [],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest, "size": blob.len(),
            },
            "annotations": {"tag": tag},
        });
        let put =
            basic(Method::PUT, format!("/v2/web/manifests/{tag}")).header("content-type", kind);
        let put = put.body(manifest.to_string()).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::CREATED);
        put.headers()["docker-content-digest"].to_str().unwrap().to_owned()
    }
}

pub(super) fn machine_path(id: &str, rest: &str) -> String {
    format!("/v1/apps/web/machines/{id}{rest}")
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
