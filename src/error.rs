//! What every module's error tells the edge beyond its text.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, iter};

use serde::Serialize;

/// An error that a user may meet.
///
/// The text says what was attempted, on what, and what the other side said; the causes
/// follow by [`StdError::source`], and nothing is said in both.
pub trait Explain: StdError {
    /// Returns a stable word for scripts, such as `registry.unauthorized`.
    ///
    /// It never changes once it has been released.
    fn code(&self) -> &'static str;

    /// Returns what the reader can do about it, where there is something.
    fn hint(&self) -> Option<Cow<'static, str>> {
        None
    }
}

/// An error as it is told: by itself, without the types it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The stable word.
    pub code: &'static str,
    /// What was attempted, on what, and what went wrong.
    pub message: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What the reader can do about it, where there is something.
    pub hint: Option<String>,
}

impl Account {
    /// Tells of an error that has no type.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Tells of any module's error.
    pub fn of(error: &dyn Explain) -> Self {
        let causes = iter::successors(error.source(), |&cause| cause.source());
        Self {
            code: error.code(),
            message: shown(&error.to_string()),
            causes: causes.map(|cause| shown(&cause.to_string())).collect(),
            hint: error.hint().map(|hint| shown(&hint)),
        }
    }
}

/// Escapes what a terminal would obey: errors quote names of files, members of archives and
/// what other crates have read. Lines stay lines.
pub fn shown(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

/// Writes the error, its causes and its hint on lines of their own, without a line end.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n\nhint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot push layer 3 of 7")]
    struct Push(#[source] std::io::Error);

    impl Explain for Push {
        fn code(&self) -> &'static str {
            "push.interrupted"
        }

        fn hint(&self) -> Option<Cow<'static, str>> {
            Some("try again".into())
        }
    }

    #[test]
    fn each_cause_is_named_once() {
        let error = Push(std::io::Error::other("connection reset"));
        assert_eq!(
            Account::of(&error).to_string(),
            "error: cannot push layer 3 of 7\n  caused by: connection reset\n\nhint: try again"
        );
    }

    #[test]
    fn what_an_error_quotes_cannot_command_the_terminal() {
        let error = Push(std::io::Error::other("no `\u{1b}[2J\u{9b}m`:\n\tgone\u{7f}"));
        let causes = Account::of(&error).causes;
        assert_eq!(causes, ["no `\\u{1b}[2J\\u{9b}m`:\n\tgone\\u{7f}"]);
    }
}
