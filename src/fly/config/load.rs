//! From a tree to a configuration: patches, types, rules, files.

use std::path::Path;

use super::convert::{files, overlay};
use super::model::Document;
use super::patches::patch;
use super::problem::{Fault, Problem};
use super::read::read;
use super::rules::{Findings, Note, app, look, strategy};
use super::tree::Node;
use super::{AppConfig, Error, Warning};

/// What a tree was read from.
pub(super) struct Source<'t> {
    /// What it is called, such as `` `fly.toml` ``.
    pub(super) origin: &'t str,
    pub(super) text: Option<&'t str>,
    /// Where the files are that it names.
    pub(super) folder: Option<&'t Path>,
}

impl Source<'_> {
    /// Tells faults with their lines, in the order of the text.
    pub(super) fn problems(&self, mut faults: Vec<Fault>) -> Vec<Problem> {
        faults.sort_by_key(|fault| fault.span);
        faults.into_iter().map(|fault| fault.told(self.text)).collect()
    }

    fn warnings(&self, mut notes: Vec<Note>) -> Vec<Warning> {
        notes.sort_by_key(|note| note.about.span);
        let told = |note: Note| Warning::new(note.code, self.origin, note.about.told(self.text));
        notes.into_iter().map(told).collect()
    }
}

/// Makes a configuration of a tree as it was written.
pub(super) fn load(
    written: &Node,
    source: &Source<'_>,
) -> (Result<AppConfig, Error>, Vec<Warning>) {
    let mut tree = written.clone();
    let mut faults = patch(&mut tree);
    let reading = read::<Document>(&tree);
    faults.extend(reading.faults);
    let mut notes: Vec<_> = reading
        .unknown
        .into_iter()
        .map(|about| Note { code: Warning::UNKNOWN_KEY, about })
        .collect();
    // What is found below is told by paths in the patched tree, or in the one before.
    let place = |fault: Fault| {
        let is_there = |tree: &Node| tree.get(&fault.key).is_some();
        if is_there(written) && !is_there(&tree) {
            return written.locate(fault);
        }
        tree.locate(fault)
    };
    let mut made = None;
    if let (Some(document), true) = (reading.value, faults.is_empty()) {
        let Findings { faults: mut wrong, notes: mut more } = look(&document, &tree, written);
        let overlay = overlay(&document, source.folder, &mut more);
        let files = files(&document, source.folder);
        wrong.extend(overlay.as_ref().err().cloned());
        wrong.extend(files.as_ref().err().into_iter().flatten().cloned());
        faults.extend(wrong.into_iter().map(&place));
        notes.extend(more.into_iter().map(|note| Note { about: place(note.about), ..note }));
        if let (Ok(overlay), Ok(files), Ok(app), Ok(strategy), true) =
            (overlay, files, app(&document), strategy(&document), faults.is_empty())
        {
            let mut config = AppConfig {
                origin: source.origin.to_owned(),
                document,
                overlay,
                files,
                new_guest: None,
                app,
                strategy,
                definition: serde_json::Value::Null,
            };
            config.define();
            made = Some(config);
        }
    }
    let invalid =
        || Error::Invalid { origin: source.origin.to_owned(), problems: source.problems(faults) };
    (made.ok_or_else(invalid), source.warnings(notes))
}
