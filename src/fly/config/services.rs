//! Services and checks, from the file's form to the wire's.

use crate::fly::wire;

use super::GoDuration;
use super::model::{Check, Concurrency, Document, HttpService, Service};
use super::shapes::Span;

/// Returns the services of a group: that of `[http_service]` first.
pub(super) fn services(document: &Document, group: &str) -> Vec<wire::Service> {
    let http = document.http_service.iter().filter(|s| document.belongs(&s.processes, group));
    let others = document.services.iter().filter(|s| document.belongs(&s.processes, group));
    http.map(http_service).chain(others.map(service)).collect()
}

fn http_service(http: &HttpService) -> wire::Service {
    let port = |port, handlers: &[&str]| wire::Port {
        port: Some(port),
        handlers: handlers.iter().map(|handler| (*handler).to_owned()).collect(),
        http_options: http.http_options.clone(),
        ..wire::Port::default()
    };
    let plain = wire::Port { force_https: http.force_https, ..port(80, &["http"]) };
    let tls = wire::Port { tls_options: http.tls_options.clone(), ..port(443, &["http", "tls"]) };
    wire::Service {
        protocol: Some("tcp".to_owned()),
        internal_port: http.internal_port.map(|port| port.0),
        autostop: http.auto_stop_machines,
        autostart: http.auto_start_machines,
        min_machines_running: http.min_machines_running,
        ports: vec![plain, tls],
        concurrency: http.concurrency.as_ref().map(concurrency),
        // Bare numbers are nanoseconds here, and only here.
        checks: http
            .checks
            .iter()
            .map(|c| check(c, Some("http"), GoDuration::from_nanos))
            .collect(),
        ..wire::Service::default()
    }
}

fn service(service: &Service) -> wire::Service {
    let ports = service.ports.iter().map(|port| wire::Port {
        port: port.port.map(|port| port.0),
        start_port: port.start_port.map(|port| port.0),
        end_port: port.end_port.map(|port| port.0),
        handlers: port.handlers.clone(),
        force_https: port.force_https,
        tls_options: port.tls_options.clone(),
        http_options: port.http_options.clone(),
        proxy_proto_options: port.proxy_proto_options.clone(),
        ..wire::Port::default()
    });
    let tcp = service.tcp_checks.iter().map(|check| wire::Check {
        kind: Some("tcp".to_owned()),
        ..timing(check, GoDuration::from_millis)
    });
    let http = service.http_checks.iter().map(|c| check(c, Some("http"), GoDuration::from_millis));
    wire::Service {
        protocol: service.protocol.clone().filter(|protocol| !protocol.is_empty()),
        internal_port: service.internal_port.map(|port| port.0),
        autostop: service.auto_stop_machines,
        autostart: service.auto_start_machines,
        min_machines_running: service.min_machines_running,
        ports: ports.collect(),
        concurrency: service.concurrency.as_ref().map(concurrency),
        checks: tcp.chain(http).collect(),
        ..wire::Service::default()
    }
}

fn concurrency(concurrency: &Concurrency) -> wire::Concurrency {
    wire::Concurrency {
        kind: concurrency.kind.clone(),
        soft_limit: concurrency.soft_limit,
        hard_limit: concurrency.hard_limit,
        ..wire::Concurrency::default()
    }
}

/// Converts a check of `[checks]`; without a port it takes that of the group's
/// `[http_service]`.
pub(super) fn machine_check(
    document: &Document,
    name: &str,
    written: &Check,
    group: &str,
) -> Result<wire::Check, String> {
    let http = document.http_service.as_ref().filter(|s| document.belongs(&s.processes, group));
    let port = written.port.or(http.and_then(|http| http.internal_port)).ok_or_else(|| {
        format!(
            "check `{name}` of process group `{group}` has no port, and the group has no \
             http_service to take it from"
        )
    })?;
    let mut converted = check(written, written.kind.as_deref(), GoDuration::from_millis);
    converted.port = Some(port.0);
    converted.method = converted.method.map(|method| method.to_uppercase());
    Ok(converted)
}

fn check(check: &Check, kind: Option<&str>, bare: fn(u64) -> GoDuration) -> wire::Check {
    wire::Check {
        kind: kind.map(str::to_owned),
        method: check.method.clone(),
        path: check.path.clone(),
        protocol: check.protocol.clone(),
        tls_skip_verify: check.tls_skip_verify,
        tls_server_name: check.tls_server_name.clone(),
        headers: check
            .headers
            .iter()
            .map(|(name, value)| wire::Header { name: name.clone(), values: vec![value.0.clone()] })
            .collect(),
        ..timing(check, bare)
    }
}

fn timing(check: &Check, bare: fn(u64) -> GoDuration) -> wire::Check {
    let text = |span: Option<Span>| Some(span?.resolve(bare)?.to_string());
    wire::Check {
        interval: text(check.interval),
        timeout: text(check.timeout),
        grace_period: text(check.grace_period),
        ..wire::Check::default()
    }
}
