//! What every module's error tells the edge beyond its text.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::Write as _;

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

/// Renders an error, its causes and its hint as the edge prints them, without a line end.
pub fn render(error: &dyn Explain) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _infallible = write!(text, "\n  caused by: {inner}");
        cause = inner.source();
    }
    if let Some(hint) = error.hint() {
        let _infallible = write!(text, "\n\nhint: {hint}");
    }
    text
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
            render(&error),
            "error: cannot push layer 3 of 7\n  caused by: connection reset\n\nhint: try again"
        );
    }
}
