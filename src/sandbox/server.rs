//! A running sandbox, from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::{Cut, Door};
use super::core::Core;
use super::error::Error;
use super::gate;
use super::options::Options;
use super::{platform, registry};

/// A running sandbox. It stops when it is dropped, and its connections break.
#[derive(Debug)]
pub struct Sandbox {
    pub(super) core: Arc<Core>,
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
}
