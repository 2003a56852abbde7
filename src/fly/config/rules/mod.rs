//! What holds beyond types: what breaks a rule of the platform, and what is probably not
//! meant.
//!
//! Keys are paths in the patched tree. flyctl stops at what is an error here, except that it
//! does not look at whether groups convert.

mod guests;
mod idle;
mod machine;
mod mounts;
mod service;

use std::collections::BTreeMap;

use crate::fly::AppName;

use super::model::Document;
use super::problem::Fault;
use super::tree::Node;
use super::{MaxUnavailable, Strategy};

/// Something that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) code: &'static str,
    pub(super) about: Fault,
}

impl Note {
    pub(super) fn new(code: &'static str, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, about: Fault::of(key, text) }
    }

    /// Notes a key that does nothing, and why.
    pub(super) fn idle(key: impl Into<String>, why: &str) -> Self {
        Self::new("config.key-without-effect", key, format!("has no effect: {why}"))
    }
}

/// What was found, and what was parsed on the way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<Note>,
}

impl Findings {
    fn fault(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.faults.push(Fault::of(key, reason));
    }

    fn note(&mut self, code: &'static str, key: impl Into<String>, text: impl Into<String>) {
        self.notes.push(Note::new(code, key, text));
    }

    /// Holds groups that are named against those that there are.
    fn groups(&mut self, key: &str, named: &[String], document: &Document, unknown: Unknown) {
        let groups = document.groups();
        for name in named.iter().filter(|name| !groups.contains(name)) {
            let reason = format!("there is no process group `{name}`, only: {}", groups.join(", "));
            match unknown {
                Unknown::Fault => self.fault(key, reason),
                Unknown::Note => self.note("config.unknown-group", key, reason),
            }
        }
    }
}

/// What a group is that does not exist: flyctl looks at services and restarts alone.
#[derive(Clone, Copy)]
enum Unknown {
    Fault,
    Note,
}

/// Holds a document against the rules. `tree` is the patched tree that it was read from, and
/// `written` the one before.
pub(super) fn look(document: &Document, tree: &Node, written: &Node) -> Findings {
    let mut findings = Findings::default();
    names(&mut findings, document);
    service::look(&mut findings, document, tree);
    machine::look(&mut findings, document);
    mounts::look(&mut findings, document);
    guests::look(&mut findings, document);
    idle::look(&mut findings, document, written);
    findings
}

/// Returns the app that is named, or what is wrong with its name.
pub(super) fn app(document: &Document) -> Result<Option<AppName>, Fault> {
    let app = Some(document.app.as_str()).filter(|app| !app.is_empty());
    app.map(|app| app.parse().map_err(|error| Fault::of("app", format!("{error}")))).transpose()
}

/// Returns the strategy that is named, or what is wrong with its name.
pub(super) fn strategy(document: &Document) -> Result<Option<Strategy>, Fault> {
    let word = document.deploy.as_ref().map(|deploy| deploy.strategy.as_str());
    let word = word.filter(|word| !word.is_empty());
    word.map(|word| word.parse().map_err(|e: String| Fault::of("deploy.strategy", e))).transpose()
}

fn names(findings: &mut Findings, document: &Document) {
    findings.faults.extend(app(document).err());
    findings.faults.extend(strategy(document).err());
    let max = document.deploy.as_ref().and_then(|deploy| deploy.max_unavailable);
    if max.is_some_and(|number| MaxUnavailable::from_number(number).is_none()) {
        findings.fault("deploy.max_unavailable", "it must be above 0");
    }
    env(findings, &document.env);
}

/// Variables that are probably secrets, by the words that flyctl looks for.
fn env(findings: &mut Findings, env: &BTreeMap<String, String>) {
    const WORDS: [&str; 5] = ["KEY", "PRIVATE", "DATABASE_URL", "PASSWORD", "SECRET"];
    const FINE: [&str; 2] = ["AWS_ACCESS_KEY_ID", "TIGRIS_ACCESS_KEY_ID"];
    for name in env.keys() {
        if WORDS.iter().any(|word| name.contains(word)) && !FINE.contains(&name.as_str()) {
            let text = "is perhaps a secret: `fly secrets set` keeps it out of the configuration";
            findings.note("config.secret-in-env", format!("env.{name}"), text);
        }
    }
}
