//! Foreign text, made fit to be shown.

/// The most that is kept of one line, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// Returns `text` without terminal escapes, control characters and characters that turn
/// the reading direction round. Line ends stay; a tab becomes a space.
///
/// Builders and evaluated code write what they like, and Nix colors its messages even
/// when it is told not to.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push(' '),
            c if c.is_control() || turns_direction(c) => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// Returns `line` cleaned and cut to a length that can be shown.
pub(super) fn clean_line(line: &str) -> String {
    // A bar that redraws itself by carriage returns: only its last state matters.
    let last = line.trim_end().rsplit('\r').next().unwrap_or_default();
    let mut cleaned = clean(last).replace('\n', " ");
    if cleaned.len() > MAX_LINE_BYTES {
        cleaned.truncate(cleaned.floor_char_boundary_at(MAX_LINE_BYTES));
        cleaned.push('…');
    }
    cleaned
}

/// Skips what follows an escape character.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => skip_parameters(rest),
        // A string for the terminal, such as its title or a link: up to BEL or ESC \.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = rest.next() {
                if c == '\u{1b}' {
                    rest.next();
                    break;
                }
                if c == '\u{7}' {
                    break;
                }
            }
        }
        Some('(' | ')' | '#' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

/// Skips the parameters of a control sequence and the letter that ends it.
fn skip_parameters(rest: &mut std::str::Chars<'_>) {
    rest.find(|c| ('\u{40}'..='\u{7e}').contains(c));
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `str::floor_char_boundary`, which is younger than our oldest compiler.
trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        (0..=index).rev().find(|i| self.is_char_boundary(*i)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colors_titles_and_links_are_taken_out() {
        assert_eq!(clean("\u{1b}[31;1merror:\u{1b}[0m no"), "error: no");
        assert_eq!(clean("\u{1b}]0;owned\u{7}title"), "title");
        assert_eq!(clean("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(clean("\u{9b}2Jgone\u{1b}(B"), "gone");
    }

    #[test]
    fn what_could_mislead_a_reader_is_taken_out() {
        assert_eq!(clean("a\u{202e}b\u{8}c\0d\te\nf"), "abcd e\nf");
    }

    #[test]
    fn of_a_line_that_redraws_itself_the_last_state_stays() {
        assert_eq!(clean_line("10 %\r50 %\r100 %\r\n"), "100 %");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = clean_line(&"é".repeat(4000));
        assert_eq!(line.chars().count(), MAX_LINE_BYTES / 2 + 1);
        assert!(line.ends_with("é…"));
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in any::<String>()) {
            prop_assert!(clean(&text).chars().all(|c| c == '\n' || !c.is_control()));
            prop_assert!(clean_line(&text).len() <= MAX_LINE_BYTES + '…'.len_utf8());
        }
    }
}
