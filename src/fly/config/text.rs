//! Places in a text, for people.

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: usize,
    /// The first byte after it.
    pub(super) end: usize,
}

/// Where something stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// The most characters of a line that are shown: a JSON file may be one line.
const SHOWN: usize = 100;

/// Returns the place where `span` begins.
pub(super) fn place(text: &str, span: Span) -> Place {
    let before = before(text, span.start);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line, column }
}

/// Draws the line where `span` begins, with a mark under what of it stands in that line.
pub(super) fn draw(text: &str, span: Span) -> String {
    let before = before(text, span.start);
    let head = before.rsplit('\n').next().unwrap_or_default();
    let rest = text.get(before.len()..).unwrap_or_default();
    let tail = rest.lines().next().unwrap_or_default();
    let marked = rest.get(..span.end.saturating_sub(span.start)).unwrap_or(tail);
    let marked = marked.lines().next().unwrap_or_default().trim_end();
    let width = marked.chars().count().clamp(1, SHOWN);

    // Of a long line, what surrounds the mark.
    let skipped = head.chars().count().saturating_sub(SHOWN / 2);
    let head: String = head.chars().skip(skipped).collect();
    let tail: String = tail.chars().take(SHOWN.max(width)).collect();
    let indent: String = head.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
    let number = place(text, span).line.to_string();
    let gutter = " ".repeat(number.len());
    let mark = "^".repeat(width);
    format!("{gutter} |\n{number} | {head}{}\n{gutter} | {indent}{mark}", tail.trim_end())
}

fn before(text: &str, mut end: usize) -> &str {
    end = end.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a = 1\nä = 2\n";
        for (start, line, column) in [(0, 1, 1), (4, 1, 5), (6, 2, 1), (8, 2, 2), (999, 3, 1)] {
            assert_eq!(place(text, span(start, start)), Place { line, column }, "{start}");
        }
    }

    #[test]
    fn the_line_is_drawn_with_a_mark() {
        let text = "app = 'web'\n\tsize = 'x'\nlast = 1";
        assert_eq!(draw(text, span(20, 23)), "  |\n2 | \tsize = 'x'\n  | \t       ^^^");
        assert_eq!(draw(text, span(0, 20)), "  |\n1 | app = 'web'\n  | ^^^^^^^^^^^");
        assert_eq!(draw(text, span(32, 32)), "  |\n3 | last = 1\n  |         ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let drawn = draw(&text, span(500, 501));
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines[1], format!("1 | {}X{}", "a".repeat(50), "b".repeat(99)));
        assert_eq!(lines[2], format!("  | {}^", " ".repeat(50)));
    }

    #[test]
    fn a_place_inside_a_character_is_none_to_panic_about() {
        assert_eq!(draw("äöü", span(1, 3)), "  |\n1 | äöü\n  | ^");
    }
}
