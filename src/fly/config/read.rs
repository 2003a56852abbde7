//! From a tree to types, with every wrong value and every unknown key.
//!
//! Types are decided as Go's JSON does, for flyctl reads its files so: a number is no text,
//! a whole number may be written `2.0`, names of fields match in any case.

use std::cell::RefCell;
use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::problem::Fault;
use super::tree::{Node, Value};

/// More wrong values are not looked for.
const MAX_FAULTS: usize = 20;

/// What became of a tree.
#[derive(Debug)]
pub(super) struct Reading<T> {
    /// What was read, unless the tree as a whole is wrong. Values with faults are left out.
    pub(super) value: Option<T>,
    pub(super) faults: Vec<Fault>,
    /// Keys that the type does not have.
    pub(super) unknown: Vec<Fault>,
}

/// Reads a tree. A wrong value is taken out and the rest read again, so that all of them are
/// told at once.
pub(super) fn read<T: DeserializeOwned>(tree: &Node) -> Reading<T> {
    let mut rest = tree.clone();
    let mut faults = Vec::new();
    loop {
        let unknown = RefCell::default();
        let (value, last) = match T::deserialize(Reader { node: &rest, unknown: &unknown }) {
            Ok(value) => (Some(value), true),
            Err(wrong) => {
                let fault = wrong.fault(&rest);
                let last = faults.len() >= MAX_FAULTS || !take_out(&mut rest, &fault);
                faults.push(fault);
                (None, last)
            }
        };
        if last {
            return Reading { value, faults, unknown: unknown.into_inner() };
        }
    }
}

/// Takes the node of a fault out of the tree; returns whether it was there.
fn take_out(tree: &mut Node, fault: &Fault) -> bool {
    let is = |node: &Node| node.key == fault.key && node.mark() == fault.span;
    match &mut tree.value {
        Value::List(items) => {
            let count = items.len();
            items.retain(|item| !is(item));
            items.len() < count || items.iter_mut().any(|item| take_out(item, fault))
        }
        Value::Table(table) => {
            let count = table.len();
            table.retain(|_, node| !is(node));
            table.len() < count || table.values_mut().any(|node| take_out(node, fault))
        }
        _ => false,
    }
}

#[derive(Clone, Copy)]
struct Reader<'t> {
    node: &'t Node,
    unknown: &'t RefCell<Vec<Fault>>,
}

impl<'t> Reader<'t> {
    fn of(self, node: &'t Node) -> Self {
        Self { node, ..self }
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V, fields: Fields) -> Result<V::Value, Wrong> {
        let node = self.node;
        let result = match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => match whole(*number) {
                Some(number) => visitor.visit_i64(number),
                None => visitor.visit_f64(*number),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), reader: self }),
            Value::Table(table) => {
                let rest = table.iter();
                visitor.visit_map(Entries { rest, value: None, fields, reader: self })
            }
        };
        result.map_err(|wrong| wrong.at(node))
    }
}

/// Returns a number without a fraction as an integer.
fn whole(number: f64) -> Option<i64> {
    // All whole numbers up to here are exact.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}

/// The fields of a type, where any other name is unknown.
type Fields = Option<&'static [&'static str]>;

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // Serde would take a list of its fields, too.
        if let Value::List(_) = self.node.value {
            let wrong: Wrong = de::Error::invalid_type(Unexpected::Seq, &visitor);
            return Err(wrong.at(self.node));
        }
        self.visit(visitor, Some(fields))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Items<'t> {
    items: std::slice::Iter<'t, Node>,
    reader: Reader<'t>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Wrong> {
        self.items.next().map(|item| seed.deserialize(self.reader.of(item))).transpose()
    }
}

struct Entries<'t> {
    rest: std::collections::btree_map::Iter<'t, String, Node>,
    value: Option<&'t Node>,
    fields: Fields,
    reader: Reader<'t>,
}

impl Entries<'_> {
    /// Returns the name by which the type knows an entry.
    fn field<'n>(&self, name: &'n str) -> Option<&'n str>
    where
        'static: 'n,
    {
        let Some(fields) = self.fields else { return Some(name) };
        let exact = fields.iter().find(|field| **field == name);
        exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(name))).copied()
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Wrong> {
        while let Some((name, node)) = self.rest.next() {
            if let Some(name) = self.field(name) {
                self.value = Some(node);
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            let span = node.name.or(node.span);
            let reason = "is not known and has no effect".to_owned();
            let unknown = Fault { key: node.key.clone(), span, reason };
            self.reader.unknown.borrow_mut().push(unknown);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        match self.value.take() {
            Some(node) => seed.deserialize(self.reader.of(node)).map_err(|wrong| wrong.at(node)),
            None => Err(de::Error::custom("a value comes after its name")),
        }
    }
}

/// Why a value cannot be read.
#[derive(Debug)]
enum Wrong {
    /// It must be something else.
    Unlike(String),
    /// This is the matter with it.
    Matter(String),
    /// It is known which node it is about.
    At(Fault),
}

impl Wrong {
    /// Says which node it is about, unless that is known already.
    fn at(self, node: &Node) -> Self {
        Self::At(self.fault(node))
    }

    fn fault(self, node: &Node) -> Fault {
        match self {
            Self::Unlike(wanted) => node.must_be(&wanted),
            Self::Matter(reason) => node.fault(reason),
            Self::At(fault) => fault,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike(wanted) => write!(f, "it must be {wanted}"),
            Self::Matter(reason) | Self::At(Fault { reason, .. }) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Matter(text.to_string())
    }

    fn invalid_type(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Unlike(wanted(expected))
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Unlike(wanted(expected))
    }
}

/// Says in plain words what a type is called in Rust.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" => "a whole number that is not negative".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        text if text.starts_with("struct ") => "a table".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Shop {
        name: String,
        open: bool,
        count: u64,
        port: Option<u16>,
        part: Option<f64>,
        tags: Vec<String>,
        env: BTreeMap<String, String>,
        inner: Option<Box<Shop>>,
    }

    fn reading(value: &serde_json::Value) -> Reading<Shop> {
        let mut tree = Node::from(value);
        tree.label();
        read(&tree)
    }

    fn faults(value: &serde_json::Value) -> Vec<String> {
        let told = |fault: &Fault| format!("{}: {}", fault.key, fault.reason);
        reading(value).faults.iter().map(told).collect()
    }

    #[test]
    fn numbers_are_read_as_go_reads_them_and_names_in_any_case() {
        let read = reading(&json!({"Count": 2.0, "port": 80, "part": 1, "INNER": {"name": "x"}}));
        assert_eq!(read.faults, []);
        let shop = read.value.unwrap();
        assert_eq!((shop.count, shop.port, shop.part), (2, Some(80), Some(1.0)));
        assert_eq!(shop.inner.unwrap().name, "x");
    }

    #[test]
    fn every_wrong_value_is_told_in_plain_words() {
        assert_eq!(
            faults(&json!({
                "name": 1, "open": "yes", "count": -1, "port": 70000, "part": "much",
                "tags": "one", "env": {"A": 1, "B": "2", "C": true},
                "inner": {"count": 1.5, "inner": []},
            })),
            [
                "count: it must be a whole number that is not negative, and is the number -1",
                "env.A: it must be a text, and is the number 1",
                "env.C: it must be a text, and is true",
                "inner.count: it must be a whole number that is not negative, and is the number 1.5",
                "inner.inner: it must be a table, and is a list",
                "name: it must be a text, and is the number 1",
                "open: it must be true or false, and is the text \"yes\"",
                "part: it must be a number, and is the text \"much\"",
                "port: it must be a whole number from 0 to 65535, and is the number 70000",
                "tags: it must be a list, and is the text \"one\"",
            ]
        );
        assert_eq!(faults(&json!([])), [": it must be a table, and is a list"]);
    }

    #[test]
    fn so_many_wrong_values_are_enough() {
        let values: BTreeMap<_, _> = (0..1000).map(|n| (format!("{n:04}"), 1)).collect();
        assert_eq!(faults(&json!({"env": values})).len(), MAX_FAULTS + 1);
    }

    #[test]
    fn keys_that_the_type_does_not_have_are_told_with_their_paths() {
        let read =
            reading(&json!({"nam": 1, "inner": {"inner": {"ports": 1}}, "env": {"any": "1"}}));
        let keys: Vec<_> = read.unknown.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["inner.inner.ports", "nam"]);
        assert!(read.value.is_some());
    }
}
