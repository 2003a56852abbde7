//! Health checks, as they stand at a moment.

use std::time::Duration;

use crate::fly::wire::{CheckStatus, MachineConfig};
use crate::sandbox::behavior::Behavior;
use crate::sandbox::pace::Pace;

/// Returns the names of all checks that a configuration has, as Fly names them.
fn names(config: &MachineConfig) -> Vec<String> {
    let of_machine = config.checks.keys().cloned();
    let of_services = config.services.iter().flat_map(|service| {
        service.checks.iter().map(move |check| {
            let kind = check.kind.as_deref().unwrap_or("tcp");
            let port = check.port.or(service.internal_port).unwrap_or_default();
            format!("{kind}-{port}")
        })
    });
    of_machine
        .chain(of_services.enumerate().map(|(n, name)| format!("servicecheck-{n:02}-{name}")))
        .collect()
}

/// Returns the checks of a machine that has been started for this long: none at first,
/// then critical, then passing if they ever pass.
pub(super) fn at(
    config: &MachineConfig,
    started_for: Duration,
    pace: &Pace,
    behavior: Behavior,
    updated_at: &str,
) -> Vec<CheckStatus> {
    if started_for < pace.first_check {
        return Vec::new();
    }
    let passing = match behavior {
        Behavior::ChecksNeverPass => false,
        Behavior::ChecksFlap => {
            let turn = pace.passing_check.as_millis().max(1);
            (started_for.as_millis() / turn) % 2 == 1
        }
        _ => started_for >= pace.passing_check,
    };
    let (status, output) = if passing {
        ("passing", "HTTP GET 200 OK Output: \"ok\"")
    } else {
        ("critical", "connect: connection refused")
    };
    names(config)
        .into_iter()
        .map(|name| CheckStatus {
            name,
            status: status.into(),
            output: Some(output.into()),
            updated_at: Some(updated_at.into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checks_are_absent_then_critical_then_as_they_fare() {
        let config = serde_json::from_value(json!({
            "image": "i",
            "checks": {"alive": {"type": "tcp", "port": 1}},
            "services": [{"internal_port": 8080, "checks": [{"type": "http"}]}],
        }));
        let config: MachineConfig = config.unwrap();
        let pace = Pace::every(Duration::from_millis(10));
        let seen = |ms, behavior| {
            let checks = at(&config, Duration::from_millis(ms), &pace, behavior, "");
            checks.into_iter().map(|c| format!("{} {}", c.name, c.status)).collect::<Vec<_>>()
        };
        let critical = ["alive critical", "servicecheck-00-http-8080 critical"];
        let passing = ["alive passing", "servicecheck-00-http-8080 passing"];
        assert!(seen(9, Behavior::Healthy).is_empty());
        assert_eq!(seen(10, Behavior::Healthy), critical);
        assert_eq!(seen(20, Behavior::Healthy), passing);
        assert_eq!(seen(20, Behavior::ChecksNeverPass), critical);
        for (ms, expected) in [(10, critical), (20, passing), (40, critical), (60, passing)] {
            assert_eq!(seen(ms, Behavior::ChecksFlap), expected, "{ms}");
        }
    }
}
