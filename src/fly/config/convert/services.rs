//! Services and checks.

use std::collections::BTreeMap;

use crate::fly::config::GoDuration;
use crate::fly::config::model::{
    Concurrency, Document, HttpCheck, HttpOptions, HttpService, Port, ReplayCache, ResponseOptions,
    Service, TcpCheck, TlsOptions, TopLevelCheck,
};
use crate::fly::config::problem::Fault;
use crate::fly::wire;

/// Returns the services of a group: that of `[http_service]` first.
pub(in crate::fly::config) fn services(document: &Document, group: &str) -> Vec<wire::Service> {
    let http = document.http_service.iter().filter(|s| document.belongs(&s.processes, group));
    let others = document.services.iter().filter(|s| document.belongs(&s.processes, group));
    http.map(http_service).chain(others.map(service)).collect()
}

fn http_service(http: &HttpService) -> wire::Service {
    let port = |port, handlers: &[&str]| wire::Port {
        port: Some(port),
        handlers: handlers.iter().map(|handler| (*handler).to_owned()).collect(),
        http_options: http.http_options.as_ref().map(http_options),
        ..wire::Port::default()
    };
    let plain = wire::Port { force_https: http.force_https, ..port(80, &["http"]) };
    let tls = wire::Port {
        tls_options: http.tls_options.as_ref().map(tls_options),
        ..port(443, &["http", "tls"])
    };
    wire::Service {
        protocol: Some("tcp".to_owned()),
        internal_port: number(http.internal_port),
        autostop: http.auto_stop_machines,
        autostart: http.auto_start_machines,
        min_machines_running: http.min_machines_running,
        ports: vec![plain, tls],
        concurrency: http.concurrency.as_ref().map(concurrency),
        checks: http.checks.iter().map(http_check).collect(),
        ..wire::Service::default()
    }
}

fn service(service: &Service) -> wire::Service {
    let tcp = service.tcp_checks.iter().map(tcp_check);
    let http = service.http_checks.iter().map(http_check);
    wire::Service {
        protocol: text(&service.protocol),
        internal_port: number(service.internal_port),
        autostop: service.auto_stop_machines,
        autostart: service.auto_start_machines,
        min_machines_running: service.min_machines_running,
        ports: service.ports.iter().map(port).collect(),
        concurrency: service.concurrency.as_ref().map(concurrency),
        checks: tcp.chain(http).collect(),
        ..wire::Service::default()
    }
}

fn port(port: &Port) -> wire::Port {
    wire::Port {
        port: port.port,
        start_port: port.start_port,
        end_port: port.end_port,
        handlers: port.handlers.clone(),
        force_https: port.force_https,
        tls_options: port.tls_options.as_ref().map(tls_options),
        http_options: port.http_options.as_ref().map(http_options),
        proxy_proto_options: port.proxy_proto_options.as_ref().map(|options| {
            let version = text(&options.version);
            wire::ProxyProtoOptions { version, ..wire::ProxyProtoOptions::default() }
        }),
        ..wire::Port::default()
    }
}

fn tls_options(options: &TlsOptions) -> wire::TlsOptions {
    wire::TlsOptions {
        alpn: options.alpn.clone(),
        versions: options.versions.clone(),
        default_self_signed: options.default_self_signed,
        ..wire::TlsOptions::default()
    }
}

fn http_options(options: &HttpOptions) -> wire::HttpOptions {
    let response = |response: &ResponseOptions| wire::HttpResponseOptions {
        headers: response.headers.clone(),
        pristine: response.pristine,
        ..wire::HttpResponseOptions::default()
    };
    wire::HttpOptions {
        compress: options.compress,
        h2_backend: options.h2_backend,
        idle_timeout: options.idle_timeout.map(u64::from),
        headers_read_timeout: options.headers_read_timeout.map(u64::from),
        response: options.response.as_ref().map(response),
        replay_cache: options.replay_cache.iter().map(replay_cache).collect(),
        ..wire::HttpOptions::default()
    }
}

fn replay_cache(cache: &ReplayCache) -> wire::ReplayCache {
    wire::ReplayCache {
        path_prefix: cache.path_prefix.clone(),
        ttl_seconds: cache.ttl_seconds,
        kind: cache.kind.clone(),
        name: cache.name.clone(),
        allow_bypass: cache.allow_bypass,
        ..wire::ReplayCache::default()
    }
}

fn concurrency(concurrency: &Concurrency) -> wire::Concurrency {
    wire::Concurrency {
        kind: text(&concurrency.kind),
        soft_limit: Some(concurrency.soft_limit).filter(|limit| *limit > 0),
        hard_limit: Some(concurrency.hard_limit).filter(|limit| *limit > 0),
        ..wire::Concurrency::default()
    }
}

fn tcp_check(check: &TcpCheck) -> wire::Check {
    wire::Check {
        kind: Some("tcp".to_owned()),
        interval: check.interval.map(go),
        timeout: check.timeout.map(go),
        grace_period: check.grace_period.map(go),
        ..wire::Check::default()
    }
}

fn http_check(check: &HttpCheck) -> wire::Check {
    wire::Check {
        kind: Some("http".to_owned()),
        interval: check.interval.map(go),
        timeout: check.timeout.map(go),
        grace_period: check.grace_period.map(go),
        method: check.method.clone(),
        path: check.path.clone(),
        protocol: check.protocol.clone(),
        tls_skip_verify: check.tls_skip_verify,
        tls_server_name: check.tls_server_name.clone(),
        headers: headers(&check.headers),
        ..wire::Check::default()
    }
}

/// Returns the checks of a group that are no service's.
///
/// Fails when one of them has no port, and the group no `[http_service]` to take it from.
pub(in crate::fly::config) fn checks(
    document: &Document,
    group: &str,
) -> Result<BTreeMap<String, wire::Check>, Fault> {
    let of_group = document.checks.iter().filter(|(_, c)| document.belongs(&c.processes, group));
    let converted = of_group.map(|(name, check)| {
        let port = check.port.or_else(|| {
            let http = document.http_service.as_ref();
            http.filter(|s| document.belongs(&s.processes, group)).map(|s| s.internal_port)
        });
        let port = port.ok_or_else(|| {
            let reason = format!(
                "it has no `port`, and process group `{group}` has no `http_service` to take it \
                 from"
            );
            Fault::of(format!("checks.{name}"), reason)
        })?;
        Ok((name.clone(), top_level_check(check, port)))
    });
    converted.collect()
}

fn top_level_check(check: &TopLevelCheck, port: u16) -> wire::Check {
    wire::Check {
        port: Some(port),
        kind: check.kind.clone(),
        interval: check.interval.map(go),
        timeout: check.timeout.map(go),
        grace_period: check.grace_period.map(go),
        // Here and nowhere else.
        method: check.method.as_ref().map(|method| method.to_uppercase()),
        path: check.path.clone(),
        protocol: check.protocol.clone(),
        tls_skip_verify: check.tls_skip_verify,
        tls_server_name: check.tls_server_name.clone(),
        headers: headers(&check.headers),
        ..wire::Check::default()
    }
}

fn headers(headers: &BTreeMap<String, String>) -> Vec<wire::Header> {
    let header = |(name, value): (&String, &String)| wire::Header {
        name: name.clone(),
        values: vec![value.clone()],
    };
    headers.iter().map(header).collect()
}

fn go(duration: GoDuration) -> String {
    duration.to_string()
}

/// Go leaves out numbers that are zero, and texts that are empty.
fn number(number: u16) -> Option<u16> {
    (number > 0).then_some(number)
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
