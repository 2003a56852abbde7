//! What is wrong at one place of a configuration.

use std::fmt;

use super::text::{Place, Span, draw, place};

/// Something that is wrong, found while a tree is read: its place is not yet a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// As it is written, such as `services[0].ports`; empty for the file as a whole.
    pub(super) key: String,
    pub(super) span: Option<Span>,
    pub(super) reason: String,
}

impl Fault {
    /// Makes the fault of a key whose place somebody else knows.
    pub(super) fn of(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), span: None, reason: reason.into() }
    }

    /// Finds its line in the text that it was found in.
    pub(super) fn told(self, text: Option<&str>) -> Problem {
        let Self { key, span, reason } = self;
        let found = text.zip(span);
        Problem {
            key,
            place: found.map(|(text, span)| place(text, span)),
            reason,
            excerpt: found.map(|(text, span)| draw(text, span)),
        }
    }
}

/// Something that is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `services[0].ports`; empty when it is the file as a whole.
    pub key: String,
    /// Where its value stands, or the key itself when the value is a table or a list. There
    /// is none for what no text says.
    pub place: Option<Place>,
    /// What is wrong.
    pub reason: String,
    /// The line, drawn with a mark under what is meant.
    pub excerpt: Option<String>,
}

impl Problem {
    /// Returns what is said of it in one line, after the name of the file.
    pub(super) fn line(&self) -> String {
        let place = match self.place {
            Some(Place { line, column }) => format!("line {line}, column {column}: "),
            None => String::new(),
        };
        match self.key.as_str() {
            "" => format!("{place}{}", self.reason),
            key => format!("{place}`{key}`: {}", self.reason),
        }
    }
}

/// Writes place, key and reason on one line, and the excerpt on the next ones.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}
