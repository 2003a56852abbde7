//! A machine, as it is kept and as it is told.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ulid::Ulid;

use super::life::Step;
use super::{Leased, Life, LogLine, MachineState as State, checks};
use crate::fly::wire;
use crate::fly::wire::{ImageRef, LeaseNonce, MachineConfig, MachineEvent};
use crate::image::Digest;
use crate::sandbox::options::Pace;

/// As many events of a machine are kept.
const MAX_EVENTS: usize = 100;

/// A machine, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::sandbox) struct Machine {
    pub(in crate::sandbox) id: String,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) region: String,
    pub(in crate::sandbox) private_ip: String,
    pub(in crate::sandbox) state: State,
    pub(in crate::sandbox) instance_id: String,
    /// Versions that came before, oldest first.
    pub(in crate::sandbox) former: Vec<String>,
    /// As it was sent: what is not understood here is given back all the same.
    pub(in crate::sandbox) config: Value,
    /// Newest first.
    pub(in crate::sandbox) events: Vec<MachineEvent>,
    pub(in crate::sandbox) cordoned: bool,
    pub(in crate::sandbox) lease: Option<Leased>,
    pub(in crate::sandbox) image_ref: ImageRef,
    /// Whether its checks ever pass.
    pub(in crate::sandbox) checks_pass: bool,
    /// Whether the host that it is on cannot be reached.
    pub(in crate::sandbox) unreachable: bool,
    pub(in crate::sandbox) created_at_ms: u64,
    pub(in crate::sandbox) updated_at_ms: u64,
    /// What is still to come, in order of time.
    pub(in crate::sandbox) ahead: Vec<Step>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            region: String::new(),
            private_ip: String::new(),
            state: State::Created,
            instance_id: String::new(),
            former: Vec::new(),
            config: Value::Null,
            events: Vec::new(),
            cordoned: false,
            lease: None,
            image_ref: ImageRef::default(),
            checks_pass: true,
            unreachable: false,
            created_at_ms: 0,
            updated_at_ms: 0,
            ahead: Vec::new(),
        }
    }
}

impl Machine {
    /// Orders what becomes of it from now on; what was ahead of it is forgotten.
    pub(in crate::sandbox) fn lead(&mut self, life: Life) {
        self.ahead = life.into_steps();
    }

    /// Gives it its first version.
    pub(in crate::sandbox) fn begin(&mut self, now_ms: u64) {
        self.instance_id = Ulid::generate().to_string();
        self.updated_at_ms = now_ms;
    }

    /// Gives it another version.
    pub(in crate::sandbox) fn renew(&mut self, now_ms: u64) {
        self.former.push(std::mem::take(&mut self.instance_id));
        self.begin(now_ms);
    }

    /// Lets everything happen that is due; returns what was written, or nothing if nothing
    /// was due.
    pub(in crate::sandbox) fn advance(&mut self, now_ms: u64) -> Option<Vec<LogLine>> {
        let due = self.ahead.iter().take_while(|step| step.at_ms <= now_ms).count();
        let mut written = Vec::new();
        for step in self.ahead.drain(..due) {
            self.state = step.state;
            self.updated_at_ms = step.at_ms;
            if let Some(event) = step.event {
                let event = MachineEvent {
                    id: Ulid::generate().to_string(),
                    kind: event.kind,
                    status: step.state.as_str().into(),
                    source: event.source,
                    timestamp: step.at_ms,
                    request: event.request,
                };
                self.events.insert(0, event);
                self.events.truncate(MAX_EVENTS);
            }
            written.extend(step.lines.into_iter().map(|(provider, level, message)| LogLine {
                number: 0,
                at_ms: step.at_ms,
                machine: self.id.clone(),
                region: self.region.clone(),
                level,
                provider,
                message,
            }));
        }
        (due > 0).then_some(written)
    }

    /// Returns when the next thing happens to it, in milliseconds since 1970.
    pub(in crate::sandbox) fn next_at_ms(&self) -> Option<u64> {
        self.ahead.first().map(|step| step.at_ms)
    }

    /// Returns the config as far as it is understood.
    pub(in crate::sandbox) fn parsed_config(&self) -> MachineConfig {
        MachineConfig::deserialize(&self.config).unwrap_or_default()
    }

    /// Returns a value of its metadata.
    pub(in crate::sandbox) fn metadata(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }

    /// Returns the machine as the platform tells of it. The nonce is told to its creator.
    pub(in crate::sandbox) fn view(&self, now_ms: u64, pace: &Pace, nonce: bool) -> wire::Machine {
        let config = self.parsed_config();
        let started = self.events.iter().find(|event| event.kind == "start");
        let checks = match started.filter(|_| self.state == State::Started) {
            Some(start) => {
                let since = Duration::from_millis(now_ms.saturating_sub(start.timestamp));
                checks::at(&config, since, pace, self.checks_pass, &timestamp(now_ms))
            }
            None => Vec::new(),
        };
        let lease = self.live_lease(now_ms);
        let known = !self.unreachable;
        wire::Machine {
            id: self.id.clone(),
            name: self.name.clone(),
            state: self.state.as_str().into(),
            region: self.region.clone(),
            image_ref: Some(self.image_ref.clone()),
            instance_id: self.instance_id.clone(),
            version: Some(self.instance_id.clone()),
            private_ip: Some(self.private_ip.clone()),
            created_at: Some(timestamp(self.created_at_ms)),
            updated_at: Some(timestamp(self.updated_at_ms)),
            config: known.then(|| config.clone()),
            incomplete_config: (!known).then_some(config),
            events: self.events.clone(),
            checks,
            host_status: Some(if known { "ok" } else { "unreachable" }.into()),
            cordoned: Some(self.cordoned),
            nonce: lease.filter(|_| nonce).map(|lease| LeaseNonce(lease.nonce.clone())),
            lease: lease.map(|lease| lease.view(false)),
        }
    }

    /// Returns [`Machine::view`] as JSON, with the config as it was sent.
    pub(in crate::sandbox) fn json(&self, now_ms: u64, pace: &Pace, nonce: bool) -> Value {
        let mut json = serde_json::to_value(self.view(now_ms, pace, nonce)).unwrap_or_default();
        let key = if self.unreachable { "incomplete_config" } else { "config" };
        if let Some(members) = json.as_object_mut() {
            members.insert(key.into(), self.config.clone());
            // Clients count on the list, also while it is empty.
            members.entry("events").or_insert_with(|| Value::Array(Vec::new()));
        }
        json
    }
}

/// Returns an ID of the form that machines have.
pub(in crate::sandbox) fn new_id() -> String {
    format!("{:014x}", Ulid::generate().random() & 0xff_ffff_ffff_ffff)
}

/// Returns milliseconds since 1970 as RFC 3339 has them.
pub(in crate::sandbox) fn timestamp(at_ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at_ms)).to_string()
}

/// Parts the reference of an image as the platform tells it; `digest` is what was resolved.
pub(in crate::sandbox) fn image_ref(reference: &str, digest: Option<Digest>) -> ImageRef {
    let (name, named_digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest.to_owned())),
        None => (reference, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("docker-hub-mirror.fly.io", name),
    };
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag.to_owned())),
        None => (path, None),
    };
    ImageRef {
        registry: registry.into(),
        repository: repository.into(),
        tag: tag.or_else(|| named_digest.is_none().then(|| "latest".into())),
        digest: named_digest.or_else(|| digest.map(|digest| digest.to_string())),
        ..ImageRef::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_parted_as_the_platform_tells_them() {
        let digest = Digest::of(b"");
        let by_digest = image_ref(&format!("registry.fly.io/web@{digest}"), None);
        assert_eq!(by_digest.repository, "web");
        assert_eq!((by_digest.tag, by_digest.digest), (None, Some(digest.to_string())));
        let by_tag = image_ref("127.0.0.1:5000/web:v1", Some(digest));
        assert_eq!(
            (by_tag.registry.as_str(), by_tag.tag.as_deref()),
            ("127.0.0.1:5000", Some("v1"))
        );
        assert_eq!(image_ref("nginx", None).tag.as_deref(), Some("latest"));
    }
}
