//! An app's configuration.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::fly::AppName;
use crate::fly::wire;

use super::load::{Origin, load};
use super::model::Document;
use super::problem::Fault;
use super::syntax::Syntax;
use super::tree::Node;
use super::{Error, GoDuration, MaxUnavailable, Strategy, Warning, convert};

/// What a fly.toml says, and what was set beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    pub(super) origin: Arc<Origin>,
    pub(super) document: Document,
    /// What `machine_config` or a compose file say, to be written over a machine's
    /// configuration.
    pub(super) overlay: Option<Map<String, Value>>,
    /// The files for all machines, with their contents.
    pub(super) files: Vec<wire::File>,
    /// The size of new machines for which the file has none.
    pub(super) new_guest: Option<wire::Guest>,
    pub(super) app: Option<AppName>,
    pub(super) strategy: Option<Strategy>,
    pub(super) definition: Value,
}

impl AppConfig {
    /// Reads the text of the file at `path`, whose ending says the language: TOML, JSON or
    /// YAML. Files that it names by `local_path`, `machine_config` or `build.compose` are read
    /// too; their paths begin at the folder of `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] and [`Error::Malformed`] when the file cannot be read, and
    /// [`Error::Invalid`] with all that is wrong: first with the types of values, and when
    /// those fit, with what they say.
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Vec<Warning>), Error> {
        let (config, warnings) = Self::inspect(text, path);
        Ok((config?, warnings))
    }

    /// Reads as [`AppConfig::parse`] does, and gives the warnings also when there are errors.
    pub fn inspect(text: &str, path: &Path) -> (Result<Self, Error>, Vec<Warning>) {
        let Some(syntax) = Syntax::of(path) else {
            let path = path.display().to_string();
            return (Err(Error::Format { path }), Vec::new());
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = format!("`{}`", path.display());
        match syntax.read(text) {
            Ok(tree) => load(Origin::new(name, Some(text), tree), Some(folder)),
            Err(mut faults) => {
                faults.sort_by_key(|fault| fault.span);
                let problems = faults.into_iter().map(|fault| fault.told(Some(text))).collect();
                (Err(Error::Malformed { origin: name, problems }), Vec::new())
            }
        }
    }

    /// Reads what a release recorded: [`AppConfig::definition`], or flyctl's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], also when it names files: a release does not hold them.
    pub fn from_definition(definition: &Value) -> Result<Self, Error> {
        let mut tree = Node::from(definition);
        tree.label();
        load(Origin::new("the last release".to_owned(), None, tree), None).0
    }

    /// Returns the app that is named.
    pub fn app(&self) -> Option<&AppName> {
        self.app.as_ref()
    }

    /// Returns the region in which new machines are made.
    pub fn primary_region(&self) -> Option<&str> {
        Some(self.document.primary_region.as_str()).filter(|region| !region.is_empty())
    }

    /// Returns the image that `[build]` names.
    pub fn image(&self) -> Option<&str> {
        let image = self.document.build.as_ref().map(|build| build.image.as_str());
        image.filter(|image| !image.is_empty())
    }

    /// Returns the strategy that is set, or the default.
    pub fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or_default()
    }

    /// Returns the environment that is set.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.document.env
    }

    /// Returns how long a machine may take, if `[deploy]` says so.
    pub fn wait_timeout(&self) -> Option<Duration> {
        self.document.deploy.as_ref()?.wait_timeout.map(GoDuration::as_std)
    }

    /// Returns how many machines may be changed at once.
    pub fn max_unavailable(&self) -> MaxUnavailable {
        let number = self.document.deploy.as_ref().and_then(|deploy| deploy.max_unavailable);
        number.and_then(MaxUnavailable::from_number).unwrap_or(MaxUnavailable::DEFAULT)
    }

    /// Returns all of it in flyctl's own form, with what was set beyond the file: what a
    /// release records. Spellings are made one, and durations are texts as Go prints them.
    pub fn definition(&self) -> &Value {
        &self.definition
    }

    /// Returns the services of a group's machines.
    pub fn services(&self, group: &str) -> Vec<wire::Service> {
        convert::services(&self.document, group)
    }

    /// Returns whether a group's machines have services.
    pub fn has_services(&self, group: &str) -> bool {
        !self.services(group).is_empty()
    }

    /// Returns where the app can be reached from the Internet by HTTP, if it can.
    pub fn url(&self, app: &AppName) -> Option<String> {
        if self.document.http_service.as_ref().is_some_and(|http| http.internal_port > 0) {
            return Some(format!("https://{app}.fly.dev/"));
        }
        let ports = self.document.services.iter().flat_map(|service| &service.ports);
        let http = |port: &&super::model::Port| port.handlers.iter().any(|word| word == "http");
        let (mut tls, mut plain): (Vec<_>, Vec<_>) = ports
            .filter(http)
            .filter_map(|port| Some((port.port?, port.handlers.iter().any(|word| word == "tls"))))
            .partition(|(_, tls)| *tls);
        tls.sort_unstable();
        plain.sort_unstable();
        let has = |ports: &[(u16, bool)], port| ports.iter().any(|(number, _)| *number == port);
        match (tls.first(), plain.first()) {
            _ if has(&tls, 443) => Some(format!("https://{app}.fly.dev/")),
            _ if has(&plain, 80) => Some(format!("http://{app}.fly.dev/")),
            (Some((port, _)), _) => Some(format!("https://{app}.fly.dev:{port}/")),
            (None, Some((port, _))) => Some(format!("http://{app}.fly.dev:{port}/")),
            (None, None) => None,
        }
    }

    pub(super) fn invalid(&self, fault: Fault) -> Error {
        self.origin.invalid(vec![fault])
    }
}
