//! YAML: one document, with anchors and merge keys.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::fly::config::problem::Fault;
use crate::fly::config::text::Span;
use crate::fly::config::tree::{Node, Table, Value};

use super::MAX_DEPTH;
use super::yaml_scalar::resolve;

/// The most values that a file may hold when its aliases are replaced by what they mean.
const MAX_NODES: usize = 100_000;

pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut builder = Builder::new(text);
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let start = builder.byte(*error.marker());
            let span = Some(Span { start, end: start + 1 });
            Fault { key: String::new(), span, reason: error.info().to_owned() }
        })?;
        let span = Span { start: builder.byte(span.start), end: builder.byte(span.end) };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
        }
        if documents > 1 {
            return Err(fault(span, "there is more than one document"));
        }
        builder.take(event, span)?;
    }
    // A file of comments is one without settings.
    let root = builder.root.filter(|root| root.value != Value::Null);
    Ok(root.unwrap_or_else(|| Node::new(Value::Table(Table::new()), None)))
}

/// What has begun and not ended yet.
enum Open {
    List(Vec<Node>),
    Table {
        entries: Table,
        /// A name whose value has not come yet.
        name: Option<(String, Span)>,
        /// What `<<` names: entries for which the table has none of its own.
        merged: Vec<Node>,
    },
}

struct Frame {
    open: Open,
    anchor: usize,
    start: Span,
}

struct Builder {
    /// The first byte of each character: the parser counts characters.
    bytes: Vec<usize>,
    open: Vec<Frame>,
    /// What is named by anchors, and how many values that is.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn new(text: &str) -> Self {
        let mut bytes: Vec<_> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        Self { bytes, open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None }
    }

    fn byte(&self, marker: Marker) -> usize {
        let last = self.bytes.last().copied().unwrap_or_default();
        self.bytes.get(marker.index()).copied().unwrap_or(last)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain && tag.is_none() && self.expects_name() && &*text == "<<" {
                    return self.name("<<".to_owned(), span);
                }
                if self.expects_name() {
                    return self.name(text.into_owned(), span);
                }
                let node = Node::new(resolve(&text, plain, tag.as_deref()), Some(span));
                self.count(1, span)?;
                self.add(node, anchor, span)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List(Vec::new()), anchor, span),
            Event::MappingStart(anchor, _) => {
                let entries = Table::new();
                self.begin(Open::Table { entries, name: None, merged: Vec::new() }, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(fault(span, "the alias names something that has not ended yet"));
                };
                self.count(size, span)?;
                self.add(Node { span: Some(span), name: None, ..node }, 0, span)
            }
            _ => Ok(()),
        }
    }

    fn expects_name(&self) -> bool {
        let frame = self.open.last();
        matches!(frame, Some(Frame { open: Open::Table { name: None, .. }, .. }))
    }

    fn name(&mut self, text: String, span: Span) -> Result<(), Fault> {
        let Some(Frame { open: Open::Table { name, entries, .. }, .. }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if entries.contains_key(&text) {
            return Err(fault(span, &format!("`{text}` is there already")));
        }
        *name = Some((text, span));
        Ok(())
    }

    fn begin(&mut self, open: Open, anchor: usize, start: Span) -> Result<(), Fault> {
        if self.expects_name() {
            return Err(fault(start, "a name must be a text"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(fault(start, "it is nested too deeply"));
        }
        self.count(1, start)?;
        self.open.push(Frame { open, anchor, start });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Fault> {
        let Some(Frame { open, anchor, start }) = self.open.pop() else { return Ok(()) };
        let span = Span { start: start.start, end: end.end.max(start.start) };
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Table { mut entries, merged, .. } => {
                for node in merged {
                    merge(&mut entries, node)?;
                }
                Value::Table(entries)
            }
        };
        self.add(Node::new(value, Some(span)), anchor, start)
    }

    /// Puts a value that has ended into what is open.
    fn add(&mut self, node: Node, anchor: usize, span: Span) -> Result<(), Fault> {
        if anchor > 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Table { entries, name, merged }) => match name.take() {
                Some((name, _)) if name == "<<" => merged.push(node),
                Some((name, at)) => {
                    entries.insert(name, Node { name: Some(at), ..node });
                }
                None => return Err(fault(span, "a name must be a text")),
            },
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(fault(span, "there are too many values"));
        }
        Ok(())
    }
}

/// Takes the entries of a table, or of several, that `entries` does not have.
fn merge(entries: &mut Table, node: Node) -> Result<(), Fault> {
    match node.value {
        Value::Table(table) => {
            for (name, node) in table {
                entries.entry(name).or_insert(node);
            }
            Ok(())
        }
        Value::List(tables) => tables.into_iter().try_for_each(|table| merge(entries, table)),
        _ => Err(node.fault("`<<` must name a table")),
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Table(table) => 1 + table.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn fault(span: Span, reason: &str) -> Fault {
    Fault { key: String::new(), span: Some(span), reason: reason.to_owned() }
}
