//! What a scalar of YAML means: numbers, booleans and nothing are told by their looks.

use saphyr_parser::Tag;

use crate::fly::config::tree::Value;

/// Returns the value of a scalar, which is `plain` when it has no quotes.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Value {
    let word = match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
        Some((true, "str")) => None,
        Some((true, "int" | "float" | "bool" | "null")) => Some(text),
        _ if plain => Some(text),
        _ => None,
    };
    word.and_then(looks).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn looks(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Value::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => Some(Value::Float(f64::NAN)),
        _ => integer(text).map(Value::Integer).or_else(|| float(text).map(Value::Float)),
    }
}

/// Reads a whole number. As in Go, a zero at its beginning makes it octal.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()
}

/// Reads a number with a point or an exponent, or one that is too large for an integer.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_');
    let begins = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    (begins && digits.chars().all(number)).then(|| text.replace('_', "").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_told_by_their_looks() {
        for (text, value) in [
            ("8080", Value::Integer(8080)),
            ("-3", Value::Integer(-3)),
            ("0x1F", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("0755", Value::Integer(493)),
            ("1_000", Value::Integer(1000)),
            ("0", Value::Integer(0)),
            ("1.5", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("1e3", Value::Float(1000.0)),
            ("99999999999999999999", Value::Float(1e20)),
            ("true", Value::Bool(true)),
            ("~", Value::Null),
            ("yes", Value::Text("yes".into())),
            ("on", Value::Text("on".into())),
            ("15s", Value::Text("15s".into())),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("08", Value::Float(8.0)),
            ("2001-12-14", Value::Text("2001-12-14".into())),
            (".", Value::Text(".".into())),
            ("e5", Value::Text("e5".into())),
        ] {
            assert_eq!(resolve(text, true, None), value, "{text}");
        }
        assert_eq!(resolve("8080", false, None), Value::Text("8080".into()));
    }
}
