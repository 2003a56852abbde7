//! JSON. `serde_json` tells no places, but it hands out slices of the text.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fly::config::problem::Fault;
use crate::fly::config::text::Span;
use crate::fly::config::tree::{Node, Table, Value};

use super::MAX_DEPTH;

pub(super) fn read(text: &str) -> Result<Node, Fault> {
    // A mark of Unicode may begin the file.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = Reader { text };
    let raw: &RawValue = serde_json::from_str(body).map_err(|error| {
        let skipped = text.len() - body.len();
        reader.fault(&error, skipped)
    })?;
    reader.node(raw, 0)
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn node(&self, raw: &RawValue, depth: usize) -> Result<Node, Fault> {
        let span = self.span(raw.get());
        let wrong = |reason: &str| Fault {
            key: String::new(),
            span: Some(span),
            reason: reason.to_owned(),
        };
        if depth > MAX_DEPTH {
            return Err(wrong("it is nested too deeply"));
        }
        let within = |error| self.fault(&error, span.start);
        let value = match raw.get().bytes().next() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(raw.get()).map_err(within)?;
                let mut table = Table::new();
                for (name, value) in members {
                    let mut node = self.node(value, depth + 1)?;
                    let at = self.span(name.get());
                    node.name = Some(at);
                    let name: String = serde_json::from_str(name.get())
                        .map_err(|error| self.fault(&error, at.start))?;
                    table.insert(name, node);
                }
                Value::Table(table)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(within)?;
                let items: Result<_, _> =
                    items.into_iter().map(|item| self.node(item, depth + 1)).collect();
                Value::List(items?)
            }
            Some(b'"') => Value::Text(serde_json::from_str(raw.get()).map_err(within)?),
            Some(b'n') => Value::Null,
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            _ => Value::Float(raw.get().parse().map_err(|_none| wrong("this is no number"))?),
        };
        Ok(Node::new(value, Some(span)))
    }

    /// Returns where `part`, a slice of the text, stands in it.
    fn span(&self, part: &str) -> Span {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        Span { start, end: start + part.len() }
    }

    /// Finds the place of an error that was met in the text from `from` on.
    fn fault(&self, error: &serde_json::Error, from: usize) -> Fault {
        let (line, column) = (error.line(), error.column());
        let rest = self.text.get(from..).unwrap_or_default();
        let lines: usize = rest.split_inclusive('\n').take(line.max(1) - 1).map(str::len).sum();
        let start = from + lines + column.max(1) - 1;
        let reason = error.to_string();
        let place = format!(" at line {line} column {column}");
        let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
        Fault { key: String::new(), span: Some(Span { start, end: start + 1 }), reason }
    }
}

/// The members of an object, as they are written.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
