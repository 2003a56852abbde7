//! The several spellings that fly.toml has, made one.
//!
//! Some are older than the present ones, some are for convenience; flyctl takes them at these
//! places and at no others. What comes of it is read as the types of `model` say.

mod scalars;
mod services;

use super::problem::Fault;
use super::tree::{Node, Table, Value};

use scalars::duration;
pub(super) use scalars::text;
use services::{check, services};

/// A second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Changes the tree to the present spellings. What cannot be changed is told and taken out.
pub(super) fn patch(tree: &mut Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(root) = tree.table_mut() else { return faults };
    env(root, &mut faults);
    services(root, &mut faults);
    processes(root, &mut faults);
    experimental(root, &mut faults);
    checks(root, &mut faults);
    joined(root, &["compute", "computes", "vm"], "vm", &mut faults);
    each(root, "vm", |vm| change(vm, "memory", &mut faults, text));
    joined(root, &["mount", "mounts"], "mounts", &mut faults);
    each(root, "mounts", |mount| change(mount, "initial_size", &mut faults, text));
    joined(root, &["metric", "metrics"], "metrics", &mut faults);
    change(root, "kill_timeout", &mut faults, |node| duration(node, SECOND));
    build(root);
    deploy(root);
    // flyctl always writes this one.
    each(root, "statics", |folder| {
        let nothing = || Node::new(Value::Text(String::new()), None);
        folder.entry("tigris_bucket".to_owned()).or_insert_with(nothing);
    });
    faults
}

/// Changes the entry `name` of a table, or takes it out: when it comes to nothing, or to a
/// fault.
fn change(
    table: &mut Table,
    name: &str,
    faults: &mut Vec<Fault>,
    change: impl FnOnce(&Node) -> Result<Option<Value>, Fault>,
) {
    let Some(node) = table.get_mut(name) else { return };
    match change(node) {
        Ok(Some(value)) => node.value = value,
        Ok(None) => {
            table.remove(name);
        }
        Err(fault) => {
            faults.push(fault);
            table.remove(name);
        }
    }
}

/// Calls `work` with each table of the list `name`.
fn each(table: &mut Table, name: &str, mut work: impl FnMut(&mut Table)) {
    let Some(Value::List(items)) = table.get_mut(name).map(|node| &mut node.value) else { return };
    items.iter_mut().filter_map(Node::table_mut).for_each(&mut work);
}

/// Takes a table for a list of one.
fn tables(node: Node, faults: &mut Vec<Fault>) -> Vec<Node> {
    match node.value {
        Value::Table(_) => vec![node],
        Value::List(items) => {
            let (tables, others): (Vec<_>, Vec<_>) =
                items.into_iter().partition(|item| item.table().is_some());
            faults.extend(others.iter().map(|other| other.must_be("a table")));
            tables
        }
        _ => {
            faults.push(node.must_be("a table, or a list of tables"));
            Vec::new()
        }
    }
}

/// Joins what stands under several names, in their order, to one list.
fn joined(root: &mut Table, names: &[&str], name: &str, faults: &mut Vec<Fault>) {
    let mut found = names.iter().filter_map(|name| root.remove(*name)).peekable();
    let Some(first) = found.peek() else { return };
    let mut list = first.with(Value::Null);
    list.value = Value::List(found.flat_map(|node| tables(node, faults)).collect());
    root.insert(name.to_owned(), list);
}

/// `[env]`: a table, or a list of tables of which later ones win.
fn env(root: &mut Table, faults: &mut Vec<Fault>) {
    let Some(node) = root.remove("env") else { return };
    let mut merged = node.with(Value::Null);
    let mut entries = Table::new();
    for table in tables(node, faults) {
        let Value::Table(mut table) = table.value else { continue };
        let names: Vec<_> = table.keys().cloned().collect();
        for name in names {
            change(&mut table, &name, faults, text);
        }
        entries.append(&mut table);
    }
    merged.value = Value::Table(entries);
    root.insert("env".to_owned(), merged);
}

/// Makes a table of a list whose entries hold their names; a table stays as it is.
fn by_name(
    node: Node,
    faults: &mut Vec<Fault>,
    mut entry: impl FnMut(&mut Table, &Node) -> Node,
) -> Node {
    let list = match node.value {
        Value::List(_) => node.with(Value::Null),
        _ => return node,
    };
    let mut entries = Table::new();
    for mut item in tables(node, faults) {
        let shell = item.with(Value::Null);
        let Some(table) = item.table_mut() else { continue };
        match table.remove("name").map(|name| text(&name)) {
            Some(Ok(Some(Value::Text(name)))) => {
                entries.insert(name, entry(table, &shell));
            }
            Some(Err(fault)) => faults.push(fault),
            _ => faults.push(shell.fault("it has no `name`")),
        }
    }
    list.with(Value::Table(entries))
}

fn processes(root: &mut Table, faults: &mut Vec<Fault>) {
    let Some(node) = root.remove("processes") else { return };
    let node = by_name(node, faults, |table, shell| match table.remove("command") {
        Some(command) => match text(&command) {
            Ok(Some(value)) => command.with(value),
            _ => command,
        },
        None => shell.with(Value::Text(String::new())),
    });
    root.insert("processes".to_owned(), node);
}

fn checks(root: &mut Table, faults: &mut Vec<Fault>) {
    let Some(node) = root.remove("checks") else { return };
    let mut node =
        by_name(node, faults, |table, shell| shell.with(Value::Table(std::mem::take(table))));
    for item in node.table_mut().into_iter().flat_map(|table| table.values_mut()) {
        if let Some(table) = item.table_mut() {
            check(table, faults);
        }
    }
    root.insert("checks".to_owned(), node);
}

fn experimental(root: &mut Table, faults: &mut Vec<Fault>) {
    let Some(mut node) = root.remove("experimental") else { return };
    let mut metrics = Table::new();
    let mut kill_timeout = None;
    if let Some(table) = node.table_mut() {
        for name in ["cmd", "entrypoint", "exec"] {
            change(table, name, faults, |node| {
                Ok(Some(match &node.value {
                    Value::Text(_) => Value::List(vec![node.clone()]),
                    other => other.clone(),
                }))
            });
        }
        kill_timeout = table.remove("kill_timeout");
        for name in ["port", "path"] {
            if let Some(node) = table.remove(&format!("metrics_{name}")) {
                metrics.insert(name.to_owned(), node);
            }
        }
        // flyctl always writes these two.
        let nothing = || Node::new(Value::Table(Table::new()), None);
        let attached = table.entry("attached".to_owned()).or_insert_with(nothing);
        if let Some(attached) = attached.table_mut() {
            attached.entry("secrets".to_owned()).or_insert_with(nothing);
        }
    }
    if !metrics.is_empty() && !root.contains_key("metrics") {
        root.insert("metrics".to_owned(), node.with(Value::Table(metrics)));
    }
    if let (Some(kill_timeout), false) = (kill_timeout, root.contains_key("kill_timeout")) {
        root.insert("kill_timeout".to_owned(), kill_timeout);
    }
    root.insert("experimental".to_owned(), node);
}

fn build(root: &mut Table) {
    let Some(node) = root.get_mut("build") else { return };
    let Some(table) = node.table_mut() else { return };
    if let Some(target) = table.remove("build_target") {
        table.insert("build-target".to_owned(), target);
    }
    if table.is_empty() {
        root.remove("build");
    }
}

/// flyctl's flag takes `none` for no limit, so it is taken here, too.
fn deploy(root: &mut Table) {
    let deploy = root.get_mut("deploy").and_then(Node::table_mut);
    if let Some(node) = deploy.and_then(|deploy| deploy.get_mut("release_command_timeout"))
        && node.value == Value::Text("none".to_owned())
    {
        node.value = Value::Text("0s".to_owned());
    }
}

#[cfg(test)]
mod tests;
