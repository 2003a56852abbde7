//! What Nix says in words, kept for the case that it fails.

use std::collections::VecDeque;

use super::text::clean;

/// How many errors are kept: with `--keep-going` there is one a derivation.
const MAX_ERRORS: usize = 50;

/// What Nix said besides records of progress.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Its errors, in order.
    pub(super) errors: Vec<Complaint>,
    /// The last lines that were no record.
    pub(super) stray: VecDeque<String>,
    /// Whether evaluation was over and building had begun.
    pub(super) is_building: bool,
}

/// One error of Nix, cleaned.
#[derive(Debug)]
pub(super) struct Complaint {
    /// With trace and lines of code.
    pub(super) full: String,
    /// The innermost text alone.
    pub(super) brief: String,
}

impl Messages {
    /// Keeps an error: its text, cleaned, and the innermost text where Nix gave it.
    pub(super) fn error(&mut self, full: &str, brief: Option<&str>) {
        // Advice on flags of Nix's that repeats under every error of evaluation.
        if full.starts_with("(use '--show-trace'") || self.errors.len() >= MAX_ERRORS {
            return;
        }
        let full = dedent(full.strip_prefix("error:").unwrap_or(full));
        let brief = brief.map_or_else(|| full.clone(), |brief| dedent(&clean(brief)));
        self.errors.push(Complaint { full, brief });
    }

    /// Keeps a line that was no record, cleaned, and the last `max` of its kind.
    pub(super) fn stray(&mut self, line: String, max: usize) {
        if line.starts_with("error:") {
            self.error(&line, None);
        } else if !line.is_empty() {
            tracing::debug!(text = line, "nix");
            push_bounded(&mut self.stray, line, max);
        }
    }
}

/// Adds a line, and lets go of the oldest when there are more than `max`.
pub(super) fn push_bounded(lines: &mut VecDeque<String>, line: String, max: usize) {
    if lines.len() == max {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// Takes out the seven columns by which Nix sets off what follows `error: `.
pub(super) fn dedent(text: &str) -> String {
    let lines = text.trim().lines().map(|line| line.strip_prefix("       ").unwrap_or(line));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_loses_its_label_and_its_margin() {
        let mut messages = Messages::default();
        messages.error(
            "error:\n       … while calling\n         at x:1\n\n       error: no",
            Some("no"),
        );
        let [error] = messages.errors.as_slice() else { panic!("{messages:?}") };
        assert_eq!(error.full, "… while calling\n  at x:1\n\nerror: no");
        assert_eq!(error.brief, "no");
    }

    #[test]
    fn advice_on_flags_is_no_error() {
        let mut messages = Messages::default();
        messages.error("(use '--show-trace' to show detailed location information)", None);
        assert!(messages.errors.is_empty());
    }

    #[test]
    fn an_error_before_the_logger_is_an_error() {
        let mut messages = Messages::default();
        messages.stray("error: unrecognised flag '--nope'".into(), 2);
        for line in ["Try 'nix --help'", "", "one", "two"] {
            messages.stray(line.into(), 2);
        }
        assert_eq!(messages.errors.first().unwrap().brief, "unrecognised flag '--nope'");
        assert_eq!(messages.stray, ["one", "two"]);
    }
}
