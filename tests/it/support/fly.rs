//! A sandbox inside the test, for the program to speak to.

use std::ops::Deref;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use snowbird::sandbox::{Options, Pace, Sandbox};
use tokio::runtime::{Builder, Runtime};

use super::World;
use super::request::request;

/// The token that it accepts.
pub(crate) const TOKEN: &str = "sandbox";

/// A sandbox with the app `web`, and the threads that it runs on.
pub(crate) struct Fly {
    // Dropped in this order.
    sandbox: Sandbox,
    _runtime: Runtime,
}

impl Fly {
    /// Starts one whose machines take their time as on Fly, only faster.
    pub(crate) fn start() -> Self {
        Self::start_with(TOKEN)
    }

    /// Starts one that accepts `token` alone.
    pub(crate) fn start_with(token: &str) -> Self {
        Self::start_of(&["web"], token)
    }

    /// Starts one with these apps instead.
    pub(crate) fn start_with_apps(apps: &[&str]) -> Self {
        Self::start_of(apps, TOKEN)
    }

    fn start_of(apps: &[&str], token: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options = Options {
            apps: apps.iter().map(|&app| app.to_owned()).collect(),
            tokens: vec![token.to_owned()],
            pace: Pace::every(Duration::from_millis(50)),
            ..Options::default()
        };
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        Self { sandbox, _runtime: runtime }
    }

    /// Returns the flag that makes a deploy go there.
    pub(crate) fn flag(&self) -> String {
        format!("--sandbox={}", self.url())
    }

    /// Returns the methods and paths of all requests that begin with `method` and `path`.
    pub(crate) fn asked(&self, method: &str, path: &str) -> Vec<String> {
        let requests = self.requests().into_iter();
        requests
            .filter(|request| request.method.as_str() == method && request.path.starts_with(path))
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }

    /// Returns the status of a manifest of `web`.
    pub(crate) fn manifest_status(&self, reference: &str) -> u16 {
        let credentials = STANDARD.encode(format!("x:{TOKEN}"));
        let header = format!("Authorization: Basic {credentials}");
        let path = format!("/v2/web/manifests/{reference}");
        request(self.address(), "GET", &path, &[&header]).expect("the sandbox answers").0
    }

    /// Returns a world in which it is Fly, and the user has its token.
    pub(crate) fn world(&self) -> World {
        let mut world = World::new();
        for variable in ["FLY_FLAPS_BASE_URL", "FLY_UIEX_BASE_URL", "FLY_API_BASE_URL"] {
            world.set(variable, self.url());
        }
        world.set("FLY_REGISTRY_HOST", self.address().to_string()).set("FLY_API_TOKEN", TOKEN);
        world
    }
}

impl Deref for Fly {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}
