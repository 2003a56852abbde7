//! Rules for what is not of the network.

use std::time::Duration;

use crate::fly::config::convert::{NO_COMMAND, checks};
use crate::fly::config::model::Document;
use crate::fly::config::{GoDuration, words};

use super::{Findings, Unknown};

pub(super) fn look(findings: &mut Findings, document: &Document) {
    commands(findings, document);
    top_level_checks(findings, document);
    machine_checks(findings, document);
    restarts(findings, document);
    metrics(findings, document);
    build(findings, document);
}

fn commands(findings: &mut Findings, document: &Document) {
    let release = document.deploy.as_ref().map(|deploy| deploy.release_command.as_str());
    let mut commands = vec![
        ("deploy.release_command".to_owned(), release.unwrap_or_default()),
        ("console_command".to_owned(), document.console_command.as_str()),
    ];
    let groups = document.processes.iter();
    commands.extend(groups.map(|(name, c)| (format!("processes.{name}"), c.as_str())));
    for (key, command) in commands {
        if let Err(reason) = words::split(command) {
            findings.fault(key, format!("it cannot be split into words: {reason}"));
        }
    }
}

fn top_level_checks(findings: &mut Findings, document: &Document) {
    const SHORTEST: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(60);
    for (name, check) in &document.checks {
        let key = format!("checks.{name}");
        if !matches!(check.kind.as_deref(), Some("tcp" | "http")) {
            findings.fault(format!("{key}.type"), "it must be `tcp` or `http`");
        }
        let of = |duration: Option<GoDuration>| duration.map(GoDuration::as_std);
        if of(check.interval).is_some_and(|interval| interval < SHORTEST) {
            findings.fault(format!("{key}.interval"), "it must be two seconds or more");
        }
        if of(check.timeout).is_some_and(|timeout| timeout > LONGEST) {
            findings.fault(format!("{key}.timeout"), "it must be a minute or less");
        }
        findings.groups(&format!("{key}.processes"), &check.processes, document, Unknown::Note);
    }
    for group in document.groups() {
        if let Err(fault) = checks(document, &group)
            && !findings.faults.contains(&fault)
        {
            findings.faults.push(fault);
        }
    }
}

fn machine_checks(findings: &mut Findings, document: &Document) {
    let http =
        document.http_service.iter().map(|s| ("http_service.".to_owned(), &s.machine_checks));
    let services = document.services.iter().enumerate();
    let services = services.map(|(n, s)| (format!("services[{n}]."), &s.machine_checks));
    let all = std::iter::once((String::new(), &document.machine_checks));
    for (at, checks) in http.chain(services).chain(all) {
        for (n, _) in checks.iter().enumerate().filter(|(_, check)| check.command.is_empty()) {
            findings.fault(format!("{at}machine_checks[{n}]"), NO_COMMAND);
        }
    }
}

fn restarts(findings: &mut Findings, document: &Document) {
    for (n, restart) in document.restart.iter().enumerate() {
        let key = format!("restart[{n}]");
        let policy = &restart.policy;
        if !matches!(policy.as_str(), "always" | "on-failure" | "never") {
            let reason = format!("`{policy}` is not one of `always`, `on-failure`, `never`");
            findings.fault(format!("{key}.policy"), reason);
        }
        let named = &restart.processes;
        findings.groups(&format!("{key}.processes"), named, document, Unknown::Fault);
        default_group_alone(findings, document, &key, named);
    }
}

fn metrics(findings: &mut Findings, document: &Document) {
    for (n, metrics) in document.metrics.iter().enumerate() {
        let key = format!("metrics[{n}]");
        let named = &metrics.processes;
        findings.groups(&format!("{key}.processes"), named, document, Unknown::Note);
        default_group_alone(findings, document, &key, named);
        let earlier = document.metrics.iter().take(n);
        for group in document.groups() {
            let is_of = |processes: &[String]| document.belongs(processes, &group);
            if is_of(named) && earlier.clone().any(|other| is_of(&other.processes)) {
                let why = format!("process group `{group}` has its metrics from an earlier one");
                findings.notes.push(super::Note::idle(&key, &why));
            }
        }
    }
}

/// Hardly anybody means the default group alone.
fn default_group_alone(findings: &mut Findings, document: &Document, key: &str, named: &[String]) {
    if named.is_empty() && document.groups().len() > 1 {
        let group = document.default_group();
        let text = format!(
            "without `processes` it is for process group `{group}` alone; name the groups that it \
             is for"
        );
        findings.note("config.default-group-alone", key, text);
    }
}

fn build(findings: &mut Findings, document: &Document) {
    let Some(build) = &document.build else { return };
    if !matches!(build.compression.as_str(), "" | "gzip" | "zstd") {
        let reason = format!("`{}` is not one of `gzip`, `zstd`", build.compression);
        findings.fault("build.compression", reason);
    }
    if build.compression_level.is_some_and(|level| !(0..=9).contains(&level)) {
        findings.fault("build.compression_level", "it must be from 0 to 9");
    }
    let ways = [
        ("image", !build.image.is_empty()),
        ("builder", !build.builder.is_empty() || !build.buildpacks.is_empty()),
        ("dockerfile", !build.dockerfile.is_empty() || !build.build_target.is_empty()),
        ("builtin", !build.builtin.is_empty()),
    ];
    let named: Vec<_> = ways.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if named.len() > 1 {
        let text = format!("it says several ways to build: {}", named.join(", "));
        findings.note("config.several-builds", "build", text);
    }
}
