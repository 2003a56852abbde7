//! A machine, as the platform tells of it.

use std::time::Duration;

use serde_json::Value;

use super::model::timestamp;
use super::{Host, Machine, MachineState as State, checks};
use crate::fly::wire::{self, ImageRef, LeaseNonce};
use crate::image::Digest;
use crate::sandbox::pace::Pace;

/// How much is told of a machine's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Told {
    /// Nothing.
    NoLease,
    /// Who has it, but not the nonce.
    Lease,
    /// The nonce, to whoever has just taken it.
    Nonce,
}

impl Machine {
    /// Returns the machine as the platform tells of it.
    pub(in crate::sandbox) fn view(&self, now_ms: u64, pace: &Pace, told: Told) -> wire::Machine {
        let config = self.parsed_config();
        let started = self.events.iter().find(|event| event.kind == "start");
        let checks = match started.filter(|_| self.state == State::Started) {
            Some(start) => {
                let since = Duration::from_millis(now_ms.saturating_sub(start.timestamp));
                checks::at(&config, since, pace, self.behavior, &timestamp(now_ms))
            }
            None => Vec::new(),
        };
        let lease = self.live_lease(now_ms);
        let nonce = lease.filter(|_| told == Told::Nonce);
        let known = self.host == Host::Ok;
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
            host_status: Some(self.host.as_str().into()),
            cordoned: Some(self.cordoned),
            nonce: nonce.map(|lease| LeaseNonce(lease.nonce.clone())),
            lease: lease.filter(|_| told != Told::NoLease).map(|lease| lease.view(false)),
        }
    }

    /// Returns [`Machine::view`] as JSON, with the config as it was sent.
    pub(in crate::sandbox) fn json(&self, now_ms: u64, pace: &Pace, told: Told) -> Value {
        let mut json = serde_json::to_value(self.view(now_ms, pace, told)).unwrap_or_default();
        let key = if self.host == Host::Ok { "config" } else { "incomplete_config" };
        if let Some(members) = json.as_object_mut() {
            members.insert(key.into(), self.config.clone());
            // Clients count on the list, also while it is empty.
            members.entry("events").or_insert_with(|| Value::Array(Vec::new()));
        }
        json
    }
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

    #[test]
    fn the_nonce_is_told_to_the_holder_and_the_lease_to_whoever_asks() {
        let mut machine = Machine::default();
        machine.take_lease(None, 10, "a deploy".into(), 0).unwrap();
        let pace = Pace::default();
        let told = |told| machine.view(1, &pace, told);
        assert!(told(Told::NoLease).lease.is_none());
        let lease = told(Told::Lease).lease.unwrap();
        assert_eq!((lease.nonce, lease.description.as_str()), (None, "a deploy"));
        assert!(told(Told::Lease).nonce.is_none() && told(Told::Nonce).nonce.is_some());
    }
}
