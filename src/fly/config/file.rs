//! The file as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::fly::AppName;

use super::model::Document;
use super::validate::validate;
use super::{Error, GoDuration, Warning, keys};

/// An app's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    pub(super) path: String,
    pub(super) document: Document,
    app: Option<AppName>,
    strategy: Strategy,
    definition: Value,
}

/// How machines are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// A few at a time, each watched until it is healthy.
    #[default]
    Rolling,
    /// All at once, not watched.
    Immediate,
    /// One more machine first, then as [`Strategy::Rolling`].
    Canary,
    /// A second set of machines, then a switch.
    Bluegreen,
}

impl Strategy {
    /// Returns the word that fly.toml has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Immediate => "immediate",
            Self::Canary => "canary",
            Self::Bluegreen => "bluegreen",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Rolling, Self::Immediate, Self::Canary, Self::Bluegreen]
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is not one of `rolling`, `immediate`, `canary`, `bluegreen`")
            })
    }
}

/// How many of a group's machines may be changed at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxUnavailable {
    /// So many.
    Count(usize),
    /// This part of them, above 0 and below 1, rounded up.
    Part(f64),
}

impl MaxUnavailable {
    /// What the platform's own client takes when nothing is set.
    pub const DEFAULT: Self = Self::Part(0.33);

    /// Reads fly.toml's number: from 1 a count, below a part.
    pub fn from_number(number: f64) -> Option<Self> {
        match number {
            n if (1.0..1e6).contains(&n) =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the range was checked"
                )]
                Some(Self::Count(n as usize))
            }
            n if n > 0.0 && n < 1.0 => Some(Self::Part(n)),
            _ => None,
        }
    }

    /// Returns how many of `machines` that is, at least one.
    pub fn of(self, machines: usize) -> usize {
        match self {
            Self::Count(count) => count.max(1),
            Self::Part(part) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "an app has far fewer machines than a float can count"
                )]
                let count = (machines as f64 * part).ceil() as usize;
                count.max(1)
            }
        }
    }
}

impl AppConfig {
    /// Reads the text of the file at `path`; nothing but the text is read.
    ///
    /// # Errors
    ///
    /// Fails when the file is no TOML, when a value has the wrong type or is not
    /// acceptable, and when something is asked for that is not done here.
    pub fn parse(text: &str, path: &Path) -> Result<(Self, Vec<Warning>), Error> {
        let shown = path.display().to_string();
        if path.extension().is_some_and(|extension| !extension.eq_ignore_ascii_case("toml")) {
            return Err(Error::Format { path: shown });
        }
        let malformed = |source| Error::Toml { path: shown.clone(), source: Box::new(source) };
        let document: Document = toml::from_str(text).map_err(malformed)?;
        let definition: Value = toml::from_str(text).map_err(malformed)?;
        let mut warnings = keys::look(text, &shown)?;
        let (app, strategy) = validate(text, &shown, &document, &mut warnings)?;
        let config = Self { path: shown, document, app, strategy, definition };
        for group in config.groups() {
            config.check_conversion(text, &group)?;
        }
        Ok((config, warnings))
    }

    /// Returns the app that the file names.
    pub fn app(&self) -> Option<&AppName> {
        self.app.as_ref()
    }

    /// Returns the region in which new machines are made.
    pub fn primary_region(&self) -> Option<&str> {
        self.document.primary_region.as_deref()
    }

    /// Takes another primary region than the file names.
    pub fn set_primary_region(&mut self, region: &str) {
        self.document.primary_region = Some(region.to_owned());
        self.define("primary_region", region.into());
    }

    /// Returns the image that `[build]` names.
    pub fn image(&self) -> Option<&str> {
        self.document.build.image.as_deref()
    }

    /// Returns the strategy that `[deploy]` names, or the default.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Takes another strategy than the file names.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = strategy;
    }

    /// Returns the environment that the file sets.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.document.env
    }

    /// Sets a variable beyond those of the file, or another value for one of them.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.document.env.insert(name.to_owned(), value.to_owned());
        let env = self.document.env.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        self.define("env", Value::Object(env));
    }

    /// Returns how long a machine may take, if `[deploy]` says so.
    pub fn wait_timeout(&self) -> Option<Duration> {
        let written = self.document.deploy.wait_timeout?;
        written.resolve(GoDuration::from_nanos).map(GoDuration::as_std)
    }

    /// Returns how many machines may be changed at once.
    pub fn max_unavailable(&self) -> MaxUnavailable {
        self.document
            .deploy
            .max_unavailable
            .and_then(MaxUnavailable::from_number)
            .unwrap_or(MaxUnavailable::DEFAULT)
    }

    /// Returns the file as JSON, with what was set beyond it: what a release records.
    pub fn definition(&self) -> &Value {
        &self.definition
    }

    /// Returns where the app can be reached, if it has a public HTTP service.
    pub fn url(&self, app: &AppName) -> Option<String> {
        let serves_http = self.document.services.iter().any(|service| {
            service.ports.iter().any(|port| port.handlers.iter().any(|handler| handler == "http"))
        });
        (self.document.http_service.is_some() || serves_http)
            .then(|| format!("https://{app}.fly.dev/"))
    }

    fn define(&mut self, key: &str, value: Value) {
        if let Some(table) = self.definition.as_object_mut() {
            table.insert(key.to_owned(), value);
        }
    }
}
