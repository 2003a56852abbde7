//! What a machine's config must be like.

use serde_json::Value;

use super::answer::Refusal;
use crate::fly::wire::{Guest, MachineConfig};
use crate::image::Digest;

/// As much memory as each processor of a kind may have, in MiB, and must have.
const SHARED_MB: (u64, u64) = (256, 2048);
const PERFORMANCE_MB: (u64, u64) = (2048, 8192);

fn invalid(text: impl std::fmt::Display) -> Refusal {
    Refusal::invalid(format!("invalid_argument: {text}"))
}

/// Refuses a config that the platform would refuse.
pub(super) fn check(config: &MachineConfig) -> Result<(), Refusal> {
    check_image(&config.image)?;
    config.guest.as_ref().map_or(Ok(()), check_guest)?;
    check_mounts(config)?;
    let policy = config.restart.as_ref().and_then(|restart| restart.policy.as_deref());
    if !matches!(policy, None | Some("" | "no" | "always" | "on-failure")) {
        let policy = policy.unwrap_or_default();
        return Err(invalid(format_args!("config.restart.policy {policy} is unknown")));
    }
    for service in &config.services {
        if service.internal_port.is_none_or(|port| port == 0) {
            return Err(invalid("config.services: internal_port is required"));
        }
    }
    let of_services = config.services.iter().flat_map(|service| &service.checks);
    for check in config.checks.values().chain(of_services) {
        if !matches!(check.kind.as_deref(), Some("tcp" | "http")) {
            return Err(invalid("the type of a check must be tcp or http"));
        }
    }
    Ok(())
}

fn check_image(image: &str) -> Result<(), Refusal> {
    if image.is_empty() {
        return Err(invalid("config.image is required"));
    }
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let digest_is_fine = digest.is_none_or(|digest| digest.parse::<Digest>().is_ok());
    if name.is_empty() || name.contains(char::is_whitespace) || !digest_is_fine {
        return Err(invalid(format_args!("config.image {image} is no reference of an image")));
    }
    Ok(())
}

fn check_guest(guest: &Guest) -> Result<(), Refusal> {
    let cpus = guest.cpus.unwrap_or(1);
    let (least, most) = match guest.cpu_kind.as_deref() {
        None | Some("" | "shared") => SHARED_MB,
        Some("performance") => PERFORMANCE_MB,
        Some(kind) => return Err(invalid(format_args!("config.guest.cpu_kind {kind} is unknown"))),
    };
    if !(1..=16).contains(&cpus) || (cpus > 1 && cpus % 2 == 1) {
        return Err(invalid(format_args!("config.guest.cpus {cpus} is not offered")));
    }
    let Some(mb) = guest.memory_mb else { return Ok(()) };
    // The least is that of one shared processor, whatever their number.
    let least = if least == SHARED_MB.0 { least } else { least * cpus };
    if mb % 256 != 0 {
        let text = format!("invalid memory size {mb}; must be in 256 MiB increment");
        return Err(invalid(text));
    }
    if mb < least {
        let text = format!("invalid config.guest.memory_mb, minimum required {least} MiB");
        return Err(invalid(text));
    }
    if mb > most * cpus {
        let most = most * cpus;
        return Err(invalid(format_args!("invalid config.guest.memory_mb, maximum {most} MiB")));
    }
    Ok(())
}

fn check_mounts(config: &MachineConfig) -> Result<(), Refusal> {
    if config.mounts.len() > 1 {
        return Err(invalid("config.mounts: a machine can have one volume"));
    }
    for mount in &config.mounts {
        let name = mount.name.as_deref().unwrap_or_default();
        if mount.volume.as_deref().unwrap_or_default().is_empty() {
            return Err(invalid(format_args!(
                "config.mounts: the mount `{name}` names no volume; give the ID of one by `volume`"
            )));
        }
        if !mount.path.starts_with('/') {
            return Err(invalid(format_args!(
                "config.mounts: path {} is not absolute",
                mount.path
            )));
        }
    }
    Ok(())
}

/// Returns the volume that a config as it was sent mounts.
pub(super) fn mounted(config: &Value) -> Option<&str> {
    config.get("mounts")?.get(0)?.get("volume")?.as_str()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use serde_json::json;

    use super::*;

    fn verdict(extra: &Value) -> Result<(), u16> {
        let mut config = json!({"image": "i"});
        config.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
        let config: MachineConfig = serde_json::from_value(config).unwrap();
        check(&config).map_err(|refusal| refusal.into_response().status().as_u16())
    }

    #[test]
    fn configs_that_the_platform_takes_are_taken_and_others_are_not() {
        for good in [
            json!({}),
            json!({"guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}}),
            json!({"guest": {"cpu_kind": "shared", "cpus": 4, "memory_mb": 8192}}),
            json!({"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096}}),
            json!({"mounts": [{"volume": "vol_1", "path": "/data", "name": "data"}]}),
            json!({"restart": {"policy": "no"}}),
            json!({"services": [{"internal_port": 80, "checks": [{"type": "http"}]}]}),
        ] {
            assert_eq!(verdict(&good), Ok(()), "{good}");
        }
        for bad in [
            json!({"image": ""}),
            json!({"image": "not an image"}),
            json!({"image": "web@sha256:12"}),
            json!({"image": "@sha256:12"}),
            json!({"guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 300}}),
            json!({"guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 4096}}),
            json!({"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 2048}}),
            json!({"guest": {"cpu_kind": "wooden"}}),
            json!({"guest": {"cpus": 3}}),
            json!({"mounts": [{"name": "data", "path": "/data"}]}),
            json!({"mounts": [{"volume": "vol_1", "path": "data"}]}),
            json!({"mounts": [{"volume": "a", "path": "/a"}, {"volume": "b", "path": "/b"}]}),
            json!({"restart": {"policy": "never"}}),
            json!({"services": [{"ports": []}]}),
            json!({"checks": {"a": {"type": "icmp", "port": 1}}}),
        ] {
            assert_eq!(verdict(&bad), Err(400), "{bad}");
        }
    }
}
