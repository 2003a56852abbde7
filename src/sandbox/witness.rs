//! What can be seen of a running sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::app::RecordedRelease;
use super::core::{lock, now_ms};
use super::fault::RequestPattern;
use super::gate::RequestRecord;
use super::machine::Told;
use super::platform::{ip_view, volume_view};
use super::server::Sandbox;
use crate::fly::wire;
use crate::image::{Digest, Tag};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

impl Sandbox {
    /// Returns every request since the start, in the order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.core.requests).clone()
    }

    /// Returns the requests that `pattern` describes, in the order of arrival.
    pub fn requests_to(&self, pattern: &RequestPattern) -> Vec<RequestRecord> {
        let fits = |record: &&RequestRecord| {
            let method: &Method = &record.method;
            pattern.matches(method, record.path.split('?').next().unwrap_or_default())
        };
        lock(&self.core.requests).iter().filter(fits).cloned().collect()
    }

    /// Returns the machines of `app` as they are at this moment, also those destroyed, in the
    /// order in which they were made.
    pub fn machines(&self, app: &str) -> Vec<wire::Machine> {
        let state = self.core.state();
        let machines = state.app(app).into_iter().flat_map(|app| app.machines.values());
        let mut machines: Vec<_> = machines.collect();
        machines.sort_by_key(|machine| machine.created_at_ms);
        let view =
            |machine: &super::machine::Machine| machine.view(now_ms(), &state.pace, Told::Lease);
        machines.into_iter().map(view).collect()
    }

    /// Returns what happened to a machine, newest first.
    pub fn events(&self, app: &str, machine: &str) -> Vec<wire::MachineEvent> {
        let state = self.core.state();
        let machine = state.app(app).and_then(|app| app.machines.get(machine));
        machine.map(|machine| machine.events.clone()).unwrap_or_default()
    }

    /// Returns how many machines of `app` are leased at this moment.
    pub fn leases(&self, app: &str) -> usize {
        let state = self.core.state();
        let machines = state.app(app).into_iter().flat_map(|app| app.machines.values());
        machines.filter(|machine| machine.live_lease(now_ms()).is_some()).count()
    }

    /// Returns the volumes of `app` as the platform tells of them.
    pub fn volumes(&self, app: &str) -> Vec<Value> {
        let state = self.core.state();
        let app = state.app(app).into_iter();
        app.flat_map(|app| app.volumes.iter().map(|volume| volume_view(app, volume))).collect()
    }

    /// Returns the addresses of `app` as the platform tells of them.
    pub fn ips(&self, app: &str) -> Vec<Value> {
        let state = self.core.state();
        let app = state.app(app).into_iter();
        app.flat_map(|app| app.ips.iter().map(|ip| ip_view(app, ip))).collect()
    }

    /// Returns the releases of `app`, oldest first.
    pub fn releases(&self, app: &str) -> Vec<wire::Release> {
        self.recorded_releases(app).into_iter().map(|recorded| recorded.release).collect()
    }

    /// Returns all that was recorded of the releases of `app`, oldest first.
    pub fn recorded_releases(&self, app: &str) -> Vec<RecordedRelease> {
        let state = self.core.state();
        state.app(app).map(|app| app.releases.clone()).unwrap_or_default()
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

    /// Waits until `condition` holds, for `within` at most; returns whether it does.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn wait_until(
        &self,
        within: Duration,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> bool {
        let deadline = Instant::now() + within;
        loop {
            if condition(self) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK).await;
        }
    }
}
