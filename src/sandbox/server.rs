//! A running sandbox, and what its owner may ask of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, middleware};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Cut, Door};
use super::core::{Core, lock, now_ms};
use super::error::Error;
use super::fault::Fault;
use super::gate::{self, RequestRecord};
use super::options::{Behavior, Options};
use super::{platform, registry};
use crate::fly::wire;
use crate::image::{Digest, Tag};

/// A running sandbox. It stops when it is dropped, and its connections break.
#[derive(Debug)]
pub struct Sandbox {
    core: Arc<Core>,
    server: JoinSet<()>,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox, which answers when this returns.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be listened on, if the folder cannot be read or holds
    /// something else, and if an app's name is none.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let address = options.address;
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let core = Core::open(listener.local_addr().map_err(listen)?, &options)?;
        let core = Arc::new(core);
        let stop = CancellationToken::new();
        let door = Door { listener, stop: stop.clone() };
        let routes = Router::new()
            .merge(registry::routes())
            .fallback(platform::answer)
            .layer(middleware::from_fn_with_state(Arc::clone(&core), gate::pass))
            .with_state(Arc::clone(&core));
        let mut server = JoinSet::new();
        let stopped = stop.clone().cancelled_owned();
        server.spawn(async move {
            let service = routes.into_make_service_with_connect_info::<Cut>();
            if let Err(error) = axum::serve(door, service).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "sandbox ended");
            }
        });
        Ok(Self { core, server, stop: stop.drop_guard() })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.core.address
    }

    /// Returns the base of all its URLs, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.core.address)
    }

    /// Breaks all connections, writes what is left to write, and ends.
    ///
    /// # Errors
    ///
    /// Fails if a file of the folder cannot be written.
    pub async fn stop(self) -> Result<(), Error> {
        drop(self.stop);
        let Self { core, mut server, .. } = self;
        while server.join_next().await.is_some() {}
        core.save().await
    }

    /// Returns every request since the start, in the order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.core.requests).clone()
    }

    /// Orders something to go wrong, once.
    pub fn inject(&self, fault: Fault) {
        lock(&self.core.faults).add(fault);
    }

    /// Orders how machines of `app` behave from their next launch on.
    ///
    /// `SNOWBIRD_SANDBOX` in a machine's environment goes first.
    pub fn set_behavior(&self, app: &str, behavior: Behavior) {
        self.core.state().set_behavior(app, behavior);
    }

    /// Takes the host of a machine off the net, or puts it back. While it is off, the
    /// platform tells of the machine in part and passes no orders to it.
    pub fn set_unreachable(&self, app: &str, machine: &str, unreachable: bool) {
        let mut state = self.core.state();
        let machine = state.app_mut(app).and_then(|app| app.machines.get_mut(machine));
        if let Some(machine) = machine {
            machine.unreachable = unreachable;
        }
    }

    /// Returns the machines of `app` as they are at this moment, also those destroyed.
    pub fn machines(&self, app: &str) -> Vec<wire::Machine> {
        let state = self.core.state();
        let machines = state.app(app).into_iter().flat_map(|app| app.machines.values());
        machines.map(|machine| machine.view(now_ms(), &state.pace, false)).collect()
    }

    /// Returns how many machines of `app` are leased at this moment.
    pub fn leases(&self, app: &str) -> usize {
        let state = self.core.state();
        let machines = state.app(app).into_iter().flat_map(|app| app.machines.values());
        machines.filter(|machine| machine.live_lease(now_ms()).is_some()).count()
    }

    /// Returns the releases of `app`, oldest first.
    pub fn releases(&self, app: &str) -> Vec<wire::Release> {
        let state = self.core.state();
        let releases = state.app(app).into_iter().flat_map(|app| &app.releases);
        releases.map(|recorded| recorded.release.clone()).collect()
    }

    /// Returns the blobs that any repository has, with their sizes in bytes.
    pub fn blobs(&self) -> BTreeMap<Digest, u64> {
        let state = self.core.state();
        state.apps().flat_map(|(_, app)| app.repository.blobs.clone()).collect()
    }

    /// Returns the manifest that `tag` of the app's repository points to.
    pub async fn manifest(&self, app: &str, tag: &Tag) -> Option<Bytes> {
        let digest = *self.core.state().app(app)?.repository.tags.get(tag.as_str())?;
        self.core.content.read(&digest).await.ok()
    }
}
