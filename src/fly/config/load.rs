//! From a tree to a configuration: patches, types, rules, files.

use std::path::Path;
use std::sync::Arc;

use super::convert::{files, overlay};
use super::model::Document;
use super::patches::patch;
use super::problem::{Fault, Problem};
use super::read::read;
use super::rules::{Findings, Note, app, look, strategy};
use super::tree::Node;
use super::{AppConfig, Error, Warning};

/// What a configuration was read from; it knows where everything stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    /// What it is called, such as `` `fly.toml` ``.
    name: String,
    text: Option<String>,
    /// The values as they are written.
    written: Node,
    /// The values in flyctl's present spellings.
    tree: Node,
}

impl Origin {
    pub(super) fn new(name: String, text: Option<&str>, written: Node) -> Self {
        let tree = written.clone();
        Self { name, text: text.map(str::to_owned), written, tree }
    }

    /// Returns the value at `key`, a path in the present spellings.
    pub(super) fn value(&self, key: &str) -> Option<&Node> {
        self.tree.get(key)
    }

    /// Tells faults with their lines, in the order of the text.
    pub(super) fn invalid(&self, faults: Vec<Fault>) -> Error {
        let mut faults: Vec<_> = faults.into_iter().map(|fault| self.locate(fault)).collect();
        faults.sort_by_key(|fault| fault.span);
        let problems = faults.into_iter().map(|fault| self.told(fault)).collect();
        Error::Invalid { origin: self.name.clone(), problems }
    }

    fn warnings(&self, notes: Vec<Note>) -> Vec<Warning> {
        let locate = |note: Note| Note { about: self.locate(note.about), ..note };
        let mut notes: Vec<_> = notes.into_iter().map(locate).collect();
        notes.sort_by_key(|note| note.about.span);
        let told = |note: Note| Warning::new(note.code, &self.name, self.told(note.about));
        notes.into_iter().map(told).collect()
    }

    fn told(&self, fault: Fault) -> Problem {
        fault.told(self.text.as_deref())
    }

    /// Finds the place of a fault that is told by a path in the present spellings, or by one
    /// as it was written.
    fn locate(&self, fault: Fault) -> Fault {
        let is_there = |tree: &Node| tree.get(&fault.key).is_some();
        if fault.span.is_some() || fault.key.starts_with('-') {
            fault
        } else if is_there(&self.written) && !is_there(&self.tree) {
            self.written.locate(fault)
        } else {
            self.tree.locate(fault)
        }
    }
}

/// Makes a configuration of what is written. Files that it names are looked for in `folder`.
pub(super) fn load(
    mut origin: Origin,
    folder: Option<&Path>,
) -> (Result<AppConfig, Error>, Vec<Warning>) {
    let mut faults = patch(&mut origin.tree);
    let reading = read::<Document>(&origin.tree);
    faults.extend(reading.faults);
    let unknown = |about| Note { code: Warning::UNKNOWN_KEY, about };
    let mut notes: Vec<_> = reading.unknown.into_iter().map(unknown).collect();
    let (Some(document), true) = (reading.value, faults.is_empty()) else {
        return (Err(origin.invalid(faults)), origin.warnings(notes));
    };

    let Findings { mut faults, notes: more } = look(&document, &origin.tree, &origin.written);
    notes.extend(more);
    let overlay = overlay(&document, folder, &mut notes);
    let files = files(&document, folder);
    faults.extend(overlay.as_ref().err().cloned());
    faults.extend(files.as_ref().err().into_iter().flatten().cloned());
    let warnings = origin.warnings(notes);
    let (Ok(overlay), Ok(files), Ok(app), Ok(strategy), true) =
        (overlay, files, app(&document), strategy(&document), faults.is_empty())
    else {
        return (Err(origin.invalid(faults)), warnings);
    };
    let mut config = AppConfig {
        origin: Arc::new(origin),
        document,
        overlay,
        files,
        new_guest: None,
        app,
        strategy,
        definition: serde_json::Value::Null,
    };
    config.define();
    (Ok(config), warnings)
}
