//! On which line a key stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Returns the line, from 1, of `key`, such as `services[0].ports`; of the nearest key
/// above it where it is not written itself.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut found: Option<Range<usize>> = None;
    for part in key.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((written, value)) = table.and_then(|table| table.get_key_value(name)) else {
            break;
        };
        found = Some(written.span());
        let value = match (value.get_ref(), index) {
            (DeValue::Array(items), Some(index)) => items.get(index).inspect(|item| {
                found = Some(item.span());
            }),
            (DeValue::Array(items), None) if items.len() == 1 => items.first(),
            _ => Some(value),
        };
        table = value.map(Spanned::get_ref).and_then(DeValue::as_table);
    }
    let start = found?.start;
    Some(text.get(..start)?.bytes().filter(|byte| *byte == b'\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_key_or_of_what_holds_it_is_found() {
        let text =
            "app = 'web'\n\n[[services]]\ninternal_port = 1\n\n[[services]]\nprocesses = ['x']\n";
        for (key, line) in [
            ("app", Some(1)),
            ("services[0].internal_port", Some(4)),
            ("services[1].processes", Some(7)),
            ("services[1].ports", Some(6)),
            ("vm", None),
        ] {
            assert_eq!(line_of(text, key), line, "{key}");
        }
    }
}
