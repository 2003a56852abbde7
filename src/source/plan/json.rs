//! JSON whose members keep their order, written as Python writes it.
//!
//! Python's `dict` remembers the order in which a file had its members, and the config of
//! an image is hashed as it is written. `serde_json`'s own maps are sorted, on purpose.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number. Others do not occur, and Python writes them in a way of its own.
    Integer(i128),
    String(String),
    Array(Vec<Self>),
    Object(Members),
}

/// The members of a JSON object, in their order, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Members(Vec<(String, Json)>);

impl Members {
    /// Makes an object of members with different names.
    pub(super) fn of<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Returns the member called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Puts `value` where the member called `name` is, or at the end.
    pub(super) fn set(&mut self, name: &str, value: Json) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl Json {
    /// Returns the text that Python's `json.dumps` gives with an indent of four: everything
    /// is ASCII, and there is no line feed at the end.
    pub(super) fn python_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, depth: usize) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => text.push_str(&value.to_string()),
            Self::String(value) => write_string(text, value),
            Self::Array(items) => write_all(text, depth, "[]", items, |text, item| {
                item.write(text, depth + 1);
            }),
            Self::Object(members) => write_all(text, depth, "{}", &members.0, |text, member| {
                write_string(text, &member.0);
                text.push_str(": ");
                member.1.write(text, depth + 1);
            }),
        }
    }
}

fn write_all<T>(
    text: &mut String,
    depth: usize,
    brackets: &str,
    items: &[T],
    write: impl Fn(&mut String, &T),
) {
    if items.is_empty() {
        text.push_str(brackets);
        return;
    }
    let (open, close) = brackets.split_at(1);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.push_str(&"    ".repeat(depth));
    };
    text.push_str(open);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        line(text, depth + 1);
        write(text, item);
    }
    line(text, depth);
    text.push_str(close);
}

fn write_string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    text.extend(format!("\\u{unit:04x}").chars());
                }
            }
        }
    }
    text.push('"');
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Object(members) => Ok(members),
            _ => Err(D::Error::custom("expected an object")),
        }
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        // As in Python, the last of two members has the value, and the first the place.
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut places = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            let place = *places.entry(name.clone()).or_insert(object.len());
            match object.get_mut(place) {
                Some((_, old)) => *old = value,
                None => object.push((name, value)),
            }
        }
        Ok(Json::Object(Members(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_the_last_of_two_wins() {
        let text = parse(r#"{"b": 1, "a": {}, "b": [true, null], "c": []}"#).python_text();
        let expected = [
            "{",
            "    \"b\": [",
            "        true,",
            "        null",
            "    ],",
            "    \"a\": {},",
            "    \"c\": []",
            "}",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn what_is_not_ascii_is_escaped() {
        let text = parse("\"\\u0000\\u007f/\\b\\f\\n\\r\\t\\\\ \\\" é → 😀\"").python_text();
        let expected = r#""\u0000\u007f/\b\f\n\r\t\\ \" \u00e9 \u2192 \ud83d\ude00""#;
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_that_python_writes_in_its_own_way_are_refused() {
        assert_eq!(parse("[-5, 18446744073709551615]").python_text().len(), 36);
        for text in ["1.0", "1e3", "-0", "18446744073709551616", "NaN"] {
            assert!(serde_json::from_str::<Json>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_is_replaced_in_its_place() {
        let Json::Object(mut members) = parse(r#"{"a": 1, "b": 2}"#) else { panic!() };
        members.set("a", Json::Bool(true));
        members.set("c", Json::Null);
        let expected = [("a", Json::Bool(true)), ("b", Json::Integer(2)), ("c", Json::Null)];
        assert_eq!(members, Members::of(expected));
        assert_eq!(members.get("b"), Some(&Json::Integer(2)));
        assert_eq!(members.get("d"), None);
    }
}
