//! Rules that go beyond types.

use std::time::Duration;

use crate::fly::AppName;

use super::locate::line_of;
use super::model::{Check, Document};
use super::shapes::Span;
use super::{Error, GoDuration, MaxUnavailable, Strategy, Warning};

struct Rules<'a> {
    text: &'a str,
    path: &'a str,
    warnings: &'a mut Vec<Warning>,
}

/// Holds the file against the platform's rules and gives what was parsed on the way.
pub(super) fn validate(
    text: &str,
    path: &str,
    document: &Document,
    warnings: &mut Vec<Warning>,
) -> Result<(Option<AppName>, Strategy), Error> {
    let mut rules = Rules { text, path, warnings };
    let app = match document.app.as_deref().filter(|app| !app.is_empty()) {
        Some(app) => Some(app.parse().map_err(|e| rules.error("app", format!("{e}")))?),
        None => None,
    };
    let strategy = match document.deploy.strategy.as_deref().filter(|word| !word.is_empty()) {
        Some(word) => word.parse().map_err(|e| rules.error("deploy.strategy", e))?,
        None => Strategy::default(),
    };
    if document.deploy.max_unavailable.is_some_and(|n| MaxUnavailable::from_number(n).is_none()) {
        return Err(rules.error("deploy.max_unavailable", "it must be above 0".to_owned()));
    }
    rules.nanoseconds("deploy.wait_timeout", document.deploy.wait_timeout);
    rules.services(document)?;
    rules.checks(document)?;
    rules.groups(document)?;
    Ok((app, strategy))
}

impl Rules<'_> {
    fn error(&self, key: &str, reason: String) -> Error {
        Error::Invalid {
            path: self.path.to_owned(),
            line: line_of(self.text, key),
            key: key.to_owned(),
            reason,
        }
    }

    fn warn(&mut self, code: &'static str, key: &str, text: &str) {
        let message = match line_of(self.text, key) {
            Some(line) => format!("`{}` line {line}: `{key}`: {text}", self.path),
            None => format!("`{}`: `{key}`: {text}", self.path),
        };
        self.warnings.push(Warning { code, message });
    }

    /// A bare number counts nanoseconds where the platform's own client forgot to say
    /// otherwise; hardly anybody means that.
    fn nanoseconds(&mut self, key: &str, span: Option<Span>) {
        if let Some(Span::Number(number)) = span.filter(|span| *span != Span::Number(0)) {
            let text = format!("{number} is {number} nanoseconds here; write \"{number}s\"");
            self.warn("config.nanoseconds", key, &text);
        }
    }

    fn services(&mut self, document: &Document) -> Result<(), Error> {
        let http = document.http_service.iter().map(|s| ("http_service".to_owned(), &s.processes));
        let others = document
            .services
            .iter()
            .enumerate()
            .map(|(n, s)| (format!("services[{n}]"), &s.processes));
        let groups = document.groups();
        for (key, processes) in http.chain(others) {
            if processes.is_empty() && !document.processes.is_empty() {
                let reason = format!(
                    "with `[processes]`, a service must name its groups in `processes`: {}",
                    groups.join(", ")
                );
                return Err(self.error(&key, reason));
            }
            self.known_groups(&format!("{key}.processes"), processes, &groups)?;
        }
        if let Some(http) = &document.http_service {
            for (n, check) in http.checks.iter().enumerate() {
                let key = format!("http_service.checks[{n}]");
                self.nanoseconds(&format!("{key}.interval"), check.interval);
                self.nanoseconds(&format!("{key}.timeout"), check.timeout);
                self.nanoseconds(&format!("{key}.grace_period"), check.grace_period);
                self.service_check(&key, check, GoDuration::from_nanos);
            }
        }
        for (n, service) in document.services.iter().enumerate() {
            if service.ports.is_empty() {
                self.warn(
                    "config.service-without-ports",
                    &format!("services[{n}]"),
                    "the service has no `ports` and cannot be reached from outside",
                );
            }
            for (list, checks) in
                [("tcp_checks", &service.tcp_checks), ("http_checks", &service.http_checks)]
            {
                for (m, check) in checks.iter().enumerate() {
                    let key = format!("services[{n}].{list}[{m}]");
                    self.service_check(&key, check, GoDuration::from_millis);
                }
            }
        }
        Ok(())
    }

    /// The platform takes these to the nearest bound without a word.
    fn service_check(&mut self, key: &str, check: &Check, bare: fn(u64) -> GoDuration) {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(60);
        let of = |span: Option<Span>| span.and_then(|s| s.resolve(bare)).map(GoDuration::as_std);
        for (name, value) in [
            ("interval", of(check.interval)),
            ("timeout", of(check.timeout)),
            // No grace period at all is fine.
            ("grace_period", of(check.grace_period).filter(|grace| !grace.is_zero())),
        ] {
            if value.is_some_and(|value| !bounds.contains(&value)) {
                self.warn(
                    "config.check-out-of-bounds",
                    &format!("{key}.{name}"),
                    "the platform takes it to the bounds of one second and one minute",
                );
            }
        }
    }

    fn checks(&mut self, document: &Document) -> Result<(), Error> {
        for (name, check) in &document.checks {
            let key = format!("checks.{name}");
            if !matches!(check.kind.as_deref(), Some("tcp" | "http")) {
                let reason = "it must be `tcp` or `http`".to_owned();
                return Err(self.error(&format!("{key}.type"), reason));
            }
            let of = |span: Option<Span>| {
                span.and_then(|s| s.resolve(GoDuration::from_millis)).map(GoDuration::as_std)
            };
            if of(check.interval).is_some_and(|interval| interval < Duration::from_secs(2)) {
                let reason = "it must be two seconds or more".to_owned();
                return Err(self.error(&format!("{key}.interval"), reason));
            }
            if of(check.timeout).is_some_and(|timeout| timeout > Duration::from_secs(60)) {
                let reason = "it must be a minute or less".to_owned();
                return Err(self.error(&format!("{key}.timeout"), reason));
            }
        }
        Ok(())
    }

    fn groups(&mut self, document: &Document) -> Result<(), Error> {
        let groups = document.groups();
        for (n, restart) in document.restart.iter().enumerate() {
            if let Some(policy) = &restart.policy
                && !matches!(policy.as_str(), "always" | "on-failure" | "never")
            {
                let reason = format!("`{policy}` is not one of `always`, `on-failure`, `never`");
                return Err(self.error(&format!("restart[{n}].policy"), reason));
            }
            self.known_groups(&format!("restart[{n}].processes"), &restart.processes, &groups)?;
        }
        for group in &groups {
            let mounts =
                document.mounts.iter().filter(|m| document.belongs(&m.processes, group)).count();
            if mounts > 1 {
                let reason =
                    format!("process group `{group}` has {mounts} mounts, one is possible");
                return Err(self.error("mounts", reason));
            }
        }
        Ok(())
    }

    fn known_groups(&self, key: &str, named: &[String], groups: &[String]) -> Result<(), Error> {
        match named.iter().find(|name| !groups.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let all = groups.join(", ");
                Err(self.error(key, format!("there is no process group `{name}`, only: {all}")))
            }
        }
    }
}
