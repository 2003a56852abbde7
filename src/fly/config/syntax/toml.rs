//! TOML, with all of its errors at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fly::config::problem::Fault;
use crate::fly::config::text::Span;
use crate::fly::config::tree::{Node, Value};

use super::MAX_DEPTH;

pub(super) fn read(text: &str) -> Result<Node, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<_> = errors
        .iter()
        .map(|error| Fault {
            key: String::new(),
            span: error.span().map(part),
            reason: error.message().to_owned(),
        })
        .collect();
    let tree = entries(table.get_ref(), None, 0, &mut faults);
    if faults.is_empty() { Ok(tree) } else { Err(faults) }
}

fn entries(table: &DeTable<'_>, span: Option<Span>, depth: usize, faults: &mut Vec<Fault>) -> Node {
    let entries = table.iter().map(|(name, value)| {
        let mut node = node(value, depth, faults);
        node.name = Some(part(name.span()));
        (name.get_ref().to_string(), node)
    });
    Node::new(Value::Table(entries.collect()), span)
}

fn node(value: &Spanned<DeValue<'_>>, depth: usize, faults: &mut Vec<Fault>) -> Node {
    let span = part(value.span());
    let mut fault = |reason: &str| {
        let reason = reason.to_owned();
        faults.push(Fault { key: String::new(), span: Some(span), reason });
        Value::Null
    };
    if depth > MAX_DEPTH {
        return Node::new(fault("it is nested too deeply"), Some(span));
    }
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => fault("the number is too large"),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => fault("this is no number"),
        },
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item, depth + 1, faults)).collect())
        }
        DeValue::Table(table) => return entries(table, Some(span), depth + 1, faults),
    };
    Node::new(value, Some(span))
}

fn part(range: Range<usize>) -> Span {
    Span { start: range.start, end: range.end }
}
