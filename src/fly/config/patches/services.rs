//! The spellings of services and of their checks.

use crate::fly::config::problem::Fault;
use crate::fly::config::tree::{Node, Table, Value};

use super::scalars::{MILLISECOND, duration, integer, text};
use super::{by_name, change, each, tables};

/// `services`: one table or a list; empty ones do not count.
pub(super) fn services(root: &mut Table, faults: &mut Vec<Fault>) {
    let Some(node) = root.remove("services") else { return };
    let mut list = node.with(Value::Null);
    let mut services = tables(node, faults);
    for service in services.iter_mut().filter_map(Node::table_mut) {
        patch(service, faults);
    }
    services.retain(|service| !service.is_empty());
    list.value = Value::List(services);
    root.insert("services".to_owned(), list);
}

fn patch(service: &mut Table, faults: &mut Vec<Fault>) {
    change(service, "concurrency", faults, concurrency);
    change(service, "internal_port", faults, integer);
    for name in ["ports", "tcp_checks", "http_checks"] {
        if let Some(node) = service.remove(name) {
            let list = node.with(Value::Null);
            let items = tables(node, faults);
            service.insert(name.to_owned(), list.with(Value::List(items)));
        }
    }
    each(service, "ports", |port| change(port, "port", faults, integer));
    for name in ["tcp_checks", "http_checks"] {
        each(service, name, |table| check(table, faults));
        if service.get(name).is_some_and(Node::is_empty) {
            service.remove(name);
        }
    }
}

/// A table, or `"soft,hard"`.
fn concurrency(node: &Node) -> Result<Option<Value>, Fault> {
    let Value::Text(limits) = &node.value else {
        return match node.value {
            Value::Table(_) => Ok(Some(node.value.clone())),
            _ => Err(node.must_be("a table, or a text such as `20,25`")),
        };
    };
    let limits = limits
        .split_once(',')
        .and_then(|(soft, hard)| Some((soft.parse::<i64>().ok()?, hard.parse::<i64>().ok()?)));
    let (soft, hard) = limits.ok_or_else(|| node.must_be("a table, or a text such as `20,25`"))?;
    let entries = [
        ("type", Value::Text("requests".to_owned())),
        ("soft_limit", Value::Integer(soft)),
        ("hard_limit", Value::Integer(hard)),
    ];
    let entries = entries.map(|(name, value)| (name.to_owned(), node.with(value)));
    Ok(Some(Value::Table(entries.into())))
}

/// A check of a service or of `[checks]`: bare numbers count milliseconds.
pub(super) fn check(table: &mut Table, faults: &mut Vec<Fault>) {
    for name in ["interval", "timeout", "grace_period"] {
        change(table, name, faults, |node| duration(node, MILLISECOND));
    }
    headers(table, faults);
}

/// `headers`: a table, or a list of tables with `name` and `value`.
fn headers(check: &mut Table, faults: &mut Vec<Fault>) {
    let Some(node) = check.remove("headers") else { return };
    let mut node = by_name(node, faults, |table, shell| match table.remove("value") {
        Some(value) => value,
        None => shell.with(Value::Text(String::new())),
    });
    match node.table_mut() {
        None => faults.push(node.must_be("a table, or a list of tables with `name` and `value`")),
        Some(table) => {
            let names: Vec<_> = table.keys().cloned().collect();
            for name in names {
                change(table, &name, faults, text);
            }
            if !table.is_empty() {
                check.insert("headers".to_owned(), node);
            }
        }
    }
}
