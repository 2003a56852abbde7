//! A file's values, each with its place: what TOML, JSON and YAML are read to.

use std::collections::BTreeMap;

use super::problem::Fault;
use super::text::Span;

/// A value in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    /// Where it stands, if it was read from a text.
    pub(super) span: Option<Span>,
    /// Where its name stands, if it is in a table.
    pub(super) name: Option<Span>,
    /// Its path as it was written, such as `services[0].ports`. It keeps this wherever it is
    /// moved to.
    pub(super) key: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing. Tables drop their entries that are nothing.
    Null,
    Bool(bool),
    Integer(i64),
    /// Every number of JSON, for it knows no others.
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Node {
    pub(super) fn new(value: Value, span: Option<Span>) -> Self {
        Self { value, span, name: None, key: String::new() }
    }

    /// Puts another value in this one's place.
    pub(super) fn with(&self, value: Value) -> Self {
        Self { value, span: self.span, name: self.name, key: self.key.clone() }
    }

    /// Returns what to point at: a value that is short, or the name of a table or list.
    pub(super) fn mark(&self) -> Option<Span> {
        match self.value {
            Value::List(_) | Value::Table(_) => self.name.or(self.span),
            _ => self.span.or(self.name),
        }
    }

    pub(super) fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault { key: self.key.clone(), span: self.mark(), reason: reason.into() }
    }

    /// Returns whether there is anything in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Table(table) => table.is_empty(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => false,
        }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = &self.value { Some(table) } else { None }
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        if let Value::Table(table) = &mut self.value { Some(table) } else { None }
    }

    /// Makes the fault of a value that must be something else, such as `a list`.
    pub(super) fn must_be(&self, wanted: &str) -> Fault {
        let found = match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Text(text) => format!("the text {text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        };
        self.fault(format!("it must be {wanted}, and is {found}"))
    }

    /// Writes into each node below what its path is, and drops what is nothing from tables.
    pub(super) fn label(&mut self) {
        match &mut self.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.key = format!("{}[{index}]", self.key);
                    item.label();
                }
            }
            Value::Table(table) => {
                table.retain(|_, node| node.value != Value::Null);
                for (name, node) in table {
                    node.key = join(&self.key, name);
                    node.label();
                }
            }
            _ => {}
        }
    }

    /// Makes a fault of what is wrong at `key`, a path in this tree: with the path that was
    /// written, and the place of the node, or else of the nearest one above it.
    pub(super) fn locate(&self, fault: Fault) -> Fault {
        let mut node = self;
        let mut rest = fault.key.as_str();
        while !rest.is_empty() {
            let Some((next, tail)) = node.step(rest) else {
                return Fault { span: node.mark(), ..fault };
            };
            (node, rest) = (next, tail);
        }
        Fault { key: node.key.clone(), span: node.mark(), reason: fault.reason }
    }

    /// Returns the node at `key`, a path in this tree.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let mut node = self;
        let mut rest = key;
        while !rest.is_empty() {
            (node, rest) = node.step(rest)?;
        }
        Some(node)
    }

    /// Goes to what `path` begins with; names may have dots.
    fn step<'p>(&self, path: &'p str) -> Option<(&Node, &'p str)> {
        match &self.value {
            Value::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                let node = items.get(index.parse::<usize>().ok()?)?;
                Some((node, rest.strip_prefix('.').unwrap_or(rest)))
            }
            Value::Table(table) => table.iter().rev().find_map(|(name, node)| {
                let rest = path.strip_prefix(name.as_str())?;
                match rest.strip_prefix('.') {
                    Some(rest) => Some((node, rest)),
                    None if rest.is_empty() || rest.starts_with('[') => Some((node, rest)),
                    None => None,
                }
            }),
            _ => None,
        }
    }
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// A tree without a text: what a release recorded.
impl From<&serde_json::Value> for Node {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Node::from).collect()),
            Json::Object(table) => {
                Value::Table(table.iter().map(|(n, v)| (n.clone(), Node::from(v))).collect())
            }
        };
        Self::new(value, None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_its_node_or_to_what_is_nearest_above() {
        let mut tree = Node::from(&json!({
            "services": [{"ports": [{"port": 80}], "gone": null}],
            "checks": {"a.b": {"type": "tcp"}, "a": {"type": "http"}},
        }));
        tree.label();
        for (key, found) in [
            ("services[0].ports[0].port", "services[0].ports[0].port"),
            ("checks.a.b.type", "checks.a.b.type"),
            ("checks.a.type", "checks.a.type"),
            ("services[0].gone", "services[0].gone"),
            ("vm", "vm"),
        ] {
            assert_eq!(tree.locate(Fault::of(key, "")).key, found);
        }
        assert!(tree.get("services[0].gone").is_none());
        assert_eq!(tree.get("checks.a.b.type").unwrap().value, Value::Text("tcp".into()));
        assert!(tree.get("services[1]").is_none());
    }
}
