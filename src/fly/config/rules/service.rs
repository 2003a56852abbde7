//! Rules for services and their checks.

use std::time::Duration;

use crate::fly::config::GoDuration;
use crate::fly::config::model::Document;
use crate::fly::config::tree::{Node, Value};

use super::{Findings, Unknown};

pub(super) fn look(findings: &mut Findings, document: &Document, tree: &Node) {
    processes(findings, document);
    nanoseconds(findings, tree);
    if let Some(http) = &document.http_service {
        internal_port(findings, "http_service", http.internal_port);
        for (n, check) in http.checks.iter().enumerate() {
            let key = format!("http_service.checks[{n}]");
            service_check(findings, &key, [check.interval, check.timeout, check.grace_period]);
        }
    }
    for (n, service) in document.services.iter().enumerate() {
        let key = format!("services[{n}]");
        internal_port(findings, &key, service.internal_port);
        if service.ports.is_empty() {
            let text = "it has no `ports` and cannot be reached from outside";
            findings.note("config.service-without-ports", &key, text);
        }
        for (m, check) in service.tcp_checks.iter().enumerate() {
            let key = format!("{key}.tcp_checks[{m}]");
            service_check(findings, &key, [check.interval, check.timeout, check.grace_period]);
        }
        for (m, check) in service.http_checks.iter().enumerate() {
            let key = format!("{key}.http_checks[{m}]");
            service_check(findings, &key, [check.interval, check.timeout, check.grace_period]);
        }
    }
}

fn processes(findings: &mut Findings, document: &Document) {
    let http = document.http_service.iter().map(|s| ("http_service".to_owned(), &s.processes));
    let others = document.services.iter().enumerate();
    let others = others.map(|(n, s)| (format!("services[{n}]"), &s.processes));
    for (key, processes) in http.chain(others) {
        if processes.is_empty() && !document.processes.is_empty() {
            let reason = format!(
                "with `[processes]`, a service must name its groups in `processes`: {}",
                document.groups().join(", ")
            );
            findings.fault(&key, reason);
        }
        findings.groups(&format!("{key}.processes"), processes, document, Unknown::Fault);
    }
}

fn internal_port(findings: &mut Findings, key: &str, port: u16) {
    if port == 0 {
        let text = "it has no `internal_port`: the proxy does not know where to send requests";
        findings.note("config.service-without-internal-port", key, text);
    }
}

/// The platform takes these to the nearest bound without a word. What is far too short because
/// it counts nanoseconds has been told of.
fn service_check(findings: &mut Findings, key: &str, times: [Option<GoDuration>; 3]) {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(60);
    let names = ["interval", "timeout", "grace_period"];
    for (name, time) in names.into_iter().zip(times) {
        let Some(time) = time.map(GoDuration::as_std) else { continue };
        // No grace period at all is fine.
        let fine = name == "grace_period" && time.is_zero();
        let key = format!("{key}.{name}");
        let told = findings.notes.iter().any(|note| note.about.key == key);
        if !fine && !told && !bounds.contains(&time) {
            let text = "the platform takes it to the bounds of one second and one minute";
            findings.note("config.check-out-of-bounds", key, text);
        }
    }
}

/// A bare number counts nanoseconds where flyctl forgot to say otherwise; hardly anybody
/// means that.
fn nanoseconds(findings: &mut Findings, tree: &Node) {
    let mut keys =
        vec!["deploy.wait_timeout".to_owned(), "deploy.release_command_timeout".to_owned()];
    let items = |key: &str| match tree.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    };
    for n in 0..items("http_service.checks") {
        for name in ["interval", "timeout", "grace_period"] {
            keys.push(format!("http_service.checks[{n}].{name}"));
        }
    }
    let mut lists = vec!["machine_checks".to_owned(), "http_service.machine_checks".to_owned()];
    lists.extend((0..items("services")).map(|n| format!("services[{n}].machine_checks")));
    for list in lists {
        keys.extend((0..items(&list)).map(|n| format!("{list}[{n}].kill_timeout")));
    }
    for key in keys {
        let number = match tree.get(&key).map(|node| &node.value) {
            Some(Value::Integer(number)) if *number != 0 => number.to_string(),
            Some(Value::Float(number)) if *number != 0.0 => number.to_string(),
            _ => continue,
        };
        let text = format!("{number} is {number} nanoseconds here; write \"{number}s\"");
        findings.note("config.nanoseconds", key, text);
    }
}
