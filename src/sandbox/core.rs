//! What all requests share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::access::Access;
use super::app::PERSONAL;
use super::content::Content;
use super::error::Error;
use super::fault::Faults;
use super::gate::RequestRecord;
use super::options::{Options, Storage};
use super::rate::Rates;
use super::registry::Uploads;
use super::state::State;
use super::store::Store;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Core {
    /// Where the server listens.
    pub(super) address: SocketAddr,
    pub(super) access: Access,
    pub(super) auto_create_apps: bool,
    /// Present where requests are limited.
    pub(super) rates: Option<Mutex<Rates>>,
    /// Whether who asks too often is told when to ask again.
    pub(super) retry_after: bool,
    /// How many bytes an unpacked image may have.
    pub(super) rootfs_bytes: u64,
    pub(super) content: Content,
    pub(super) uploads: Uploads,
    pub(super) faults: Mutex<Faults>,
    pub(super) requests: Mutex<Vec<RequestRecord>>,
    /// Wakes whoever waits for something to change.
    pub(super) changed: watch::Sender<()>,
    state: Mutex<State>,
    store: Option<Store>,
}

impl Core {
    /// Reads what an earlier sandbox left and adds what the options ask for.
    pub(super) fn open(address: SocketAddr, options: &Options) -> Result<Self, Error> {
        let (content, store, apps) = match &options.storage {
            Storage::Memory => (Content::Memory(Mutex::default()), None, BTreeMap::new()),
            Storage::Folder(root) => {
                let store = Store::open(root)?;
                let apps = store.load()?;
                (Content::Folder(root.clone()), Some(store), apps)
            }
        };
        let discharge = options.require_discharge.then_some(options.discharge_lifetime);
        let url = format!("http://{address}");
        let access = Access::new(&options.tokens, &options.grants, &url, discharge);
        let mut state = State::new(apps, options.pace, address);
        for app in &options.apps {
            let (name, organization) = app.split_once('@').unwrap_or((app, PERSONAL));
            state
                .ensure_app(name, organization, now_ms())
                .ok_or_else(|| Error::AppName(app.clone()))?;
        }
        access.organizations().for_each(|slug| state.found_organization(slug));
        Ok(Self {
            address,
            access,
            auto_create_apps: options.auto_create_apps,
            rates: options.rate_limits.then(Mutex::default),
            retry_after: options.retry_after,
            rootfs_bytes: options.rootfs_bytes,
            content,
            uploads: Uploads::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            changed: watch::Sender::new(()),
            state: Mutex::new(state),
            store,
        })
    }

    /// Locks the state, as it is at this moment.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.advance(now_ms());
        state
    }

    /// Makes an app that is named for the first time, where that is wanted.
    pub(super) fn welcome(&self, app: &str) {
        if self.auto_create_apps {
            // A name that no app may have stays unknown.
            let _created = self.state().ensure_app(app, PERSONAL, now_ms());
        }
    }

    /// Writes what has changed, if the state is kept in a folder.
    pub(super) async fn save(&self) -> Result<(), Error> {
        match &self.store {
            Some(store) => store.save(|| self.state().take_changed()).await,
            None => Ok(()),
        }
    }
}

/// Locks a mutex; nothing that panics leaves these values half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
