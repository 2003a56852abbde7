//! Commands split into words, as flyctl splits them.
//!
//! It uses Google's shlex for Go, whose rules are not quite a shell's: within double quotes a
//! backslash takes any character as it is, and an escaped end of line stays.

/// Splits a command; fails with the reason when a quote or an escape is left open. A `#` at
/// the beginning of a word begins a comment that goes to the end of the line.
pub(super) fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                let _comment = rest.find(|c| *c == '\n');
            }
            '\\' => {
                let escaped = rest.next().ok_or("a backslash ends it")?;
                word.get_or_insert_default().push(escaped);
            }
            quote @ ('"' | '\'') => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("a quote is not closed")? {
                        c if c == quote => break,
                        '\\' if quote == '"' => {
                            word.push(rest.next().ok_or("a quote is not closed")?);
                        }
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_flyctl_splits_them() {
        for (command, words) in [
            ("", &[][..]),
            ("  \t\n", &[]),
            ("serve --name 'a b'", &["serve", "--name", "a b"]),
            ("a\"b c\"d'e'", &["ab cde"]),
            ("a '' \"\"", &["a", "", ""]),
            (r#"a \" \' \\ b\ c"#, &["a", "\"", "'", "\\", "b c"]),
            (r#""a\"b\n" 'c\n'"#, &["a\"bn", r"c\n"]),
            ("a\\\nb", &["a\nb"]),
            ("a # b 'c\nd#e", &["a", "d#e"]),
            ("sh -c \"echo $HOME; exit\"", &["sh", "-c", "echo $HOME; exit"]),
            ("ünïcode 'é è'", &["ünïcode", "é è"]),
        ] {
            assert_eq!(split(command).unwrap(), words, "{command:?}");
        }
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        for command in ["it's", "a \"b", "a \\", "\"a\\"] {
            assert!(split(command).is_err(), "{command:?}");
        }
    }
}
