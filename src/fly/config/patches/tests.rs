//! Each spelling, and what it is made to.

use serde_json::{Value as Json, json};

use super::*;

/// Patches what JSON says. Numbers of JSON have no kinds, so whole ones are taken for TOML's.
fn patched(value: &Json) -> (Json, Vec<String>) {
    let mut tree = Node::from(value);
    whole(&mut tree);
    tree.label();
    let faults = patch(&mut tree);
    let told = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.reason));
    (plain(&tree), told.collect())
}

fn whole(node: &mut Node) {
    match &mut node.value {
        #[expect(clippy::cast_possible_truncation, reason = "tests have small numbers")]
        Value::Float(number) if number.fract() == 0.0 => {
            node.value = Value::Integer(*number as i64);
        }
        Value::List(items) => items.iter_mut().for_each(whole),
        Value::Table(table) => table.values_mut().for_each(whole),
        _ => {}
    }
}

fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Table(table) => {
            Json::Object(table.iter().map(|(name, node)| (name.clone(), plain(node))).collect())
        }
    }
}

#[test]
fn every_spelling_is_made_the_present_one() {
    for (written, wanted) in [
        // env
        (
            json!({"env": {"A": 1, "B": true, "C": 1.5, "D": "x"}}),
            json!({"env": {"A": "1", "B": "true", "C": "1.5", "D": "x"}}),
        ),
        (json!({"env": [{"A": 1, "B": 2}, {"B": 3}]}), json!({"env": {"A": "1", "B": "3"}})),
        (json!({"env": {}}), json!({"env": {}})),
        // services
        (
            json!({"services": {"internal_port": "8080"}}),
            json!({"services": [{"internal_port": 8080}]}),
        ),
        (
            json!({"services": [{"internal_port": 80.9}, {}]}),
            json!({"services": [{"internal_port": 80.0}]}),
        ),
        (
            json!({"services": [{"concurrency": "20,25"}]}),
            json!({"services": [{"concurrency":
            {"type": "requests", "soft_limit": 20, "hard_limit": 25}}]}),
        ),
        (
            json!({"services": [{"ports": {"port": "443", "start_port": 1}}]}),
            json!({"services": [{"ports": [{"port": 443, "start_port": 1}]}]}),
        ),
        (
            json!({"services": [{"tcp_checks": {"interval": 15000}, "http_checks": []}]}),
            json!({"services": [{"tcp_checks": [{"interval": "15s"}]}]}),
        ),
        (
            json!({"services": [{"http_checks": [{
            "interval": 1500.9, "timeout": "2s", "grace_period": "", "headers": {"X": 1}}]}]}),
            json!({"services": [{"http_checks": [{
            "interval": "1.5s", "timeout": "2s", "headers": {"X": "1"}}]}]}),
        ),
        (
            json!({"services": [{"http_checks": [{"headers": [
            {"name": "X", "value": true}, {"name": "Y"}]}]}]}),
            json!({"services": [{"http_checks": [{"headers": {"X": "true", "Y": ""}}]}]}),
        ),
        (
            json!({"services": [{"http_checks": [{"path": "/", "headers": []}]}]}),
            json!({"services": [{"http_checks": [{"path": "/"}]}]}),
        ),
        // checks
        (
            json!({"checks": [{"name": "a", "type": "tcp", "interval": 2000}]}),
            json!({"checks": {"a": {"type": "tcp", "interval": "2s"}}}),
        ),
        (
            json!({"checks": {"a": {"timeout": 60000, "headers": {"X": 5}}}}),
            json!({"checks": {"a": {"timeout": "1m0s", "headers": {"X": "5"}}}}),
        ),
        (json!({"checks": []}), json!({"checks": {}})),
        // processes
        (
            json!({"processes": [{"name": "web", "command": "serve"}, {"name": "w"}]}),
            json!({"processes": {"web": "serve", "w": ""}}),
        ),
        (json!({"processes": []}), json!({"processes": {}})),
        // kill_timeout and experimental
        (json!({"kill_timeout": 30}), json!({"kill_timeout": "30s"})),
        (json!({"kill_timeout": 1.5}), json!({"kill_timeout": "1s"})),
        (json!({"kill_timeout": "1m"}), json!({"kill_timeout": "1m"})),
        (json!({"kill_timeout": ""}), json!({})),
        (
            json!({"experimental": {"kill_timeout": 5}}),
            json!({"kill_timeout": "5s", "experimental": {"attached": {"secrets": {}}}}),
        ),
        (
            json!({"kill_timeout": 9, "experimental": {"kill_timeout": 5}}),
            json!({"kill_timeout": "9s", "experimental": {"attached": {"secrets": {}}}}),
        ),
        (
            json!({"experimental": {"cmd": "a b", "entrypoint": ["c"], "exec": "d"}}),
            json!({"experimental": {"cmd": ["a b"], "entrypoint": ["c"], "exec": ["d"],
            "attached": {"secrets": {}}}}),
        ),
        (
            json!({"experimental": {"metrics_port": 9091, "metrics_path": "/m"}}),
            json!({"metrics": [{"port": 9091, "path": "/m"}],
            "experimental": {"attached": {"secrets": {}}}}),
        ),
        (
            json!({"metrics": {"port": 1}, "experimental": {"metrics_port": 2}}),
            json!({"metrics": [{"port": 1}], "experimental": {"attached": {"secrets": {}}}}),
        ),
        (
            json!({"metric": {"port": 1}, "experimental": {"metrics_port": 2}}),
            json!({"metrics": [{"port": 1}, {"port": 2}],
            "experimental": {"attached": {"secrets": {}}}}),
        ),
        // lists under several names
        (
            json!({"vm": [{"size": "c"}], "computes": [{"size": "b"}], "compute": {"memory": 512}}),
            json!({"vm": [{"memory": "512"}, {"size": "b"}, {"size": "c"}]}),
        ),
        (
            json!({"mount": {"source": "a", "initial_size": 3}, "mounts": [{"source": "b"}]}),
            json!({"mounts": [{"source": "a", "initial_size": "3"}, {"source": "b"}]}),
        ),
        (
            json!({"metric": {"port": 1}, "metrics": [{"port": 2}]}),
            json!({"metrics": [{"port": 1}, {"port": 2}]}),
        ),
        // the rest
        (json!({"build": {"build_target": "x"}}), json!({"build": {"build-target": "x"}})),
        (json!({"build": {}}), json!({})),
        (
            json!({"deploy": {"release_command_timeout": "none"}}),
            json!({"deploy": {"release_command_timeout": "0s"}}),
        ),
        (
            json!({"statics": [{"guest_path": "/a"}]}),
            json!({"statics": [{"guest_path": "/a", "tigris_bucket": ""}]}),
        ),
        // what is no spelling of anything stays
        (
            json!({"http_service": {"internal_port": "80", "checks": [{"interval": 10}]}}),
            json!({"http_service": {"internal_port": "80", "checks": [{"interval": 10}]}}),
        ),
        (json!({"checks": {"a": {"port": "80"}}}), json!({"checks": {"a": {"port": "80"}}})),
        (
            json!({"mounts": [{"auto_extend_size_increment": 1}]}),
            json!({"mounts": [{"auto_extend_size_increment": 1}]}),
        ),
    ] {
        let (got, faults) = patched(&written);
        assert_eq!(faults, Vec::<String>::new(), "{written}");
        assert_eq!(got, wanted, "{written}");
    }
}

#[test]
fn what_is_of_no_accepted_form_is_told_and_taken_out() {
    for (written, rest, told) in [
        (
            json!({"env": 5}),
            json!({"env": {}}),
            "env: it must be a table, or a list of tables, and is the number 5",
        ),
        (
            json!({"env": {"A": [1], "B": "2"}}),
            json!({"env": {"B": "2"}}),
            "env.A: it must be a text, a number, true or false, and is a list",
        ),
        (
            json!({"services": [{"concurrency": 5, "internal_port": 1}]}),
            json!({"services": [{"internal_port": 1}]}),
            "services[0].concurrency: it must be a table, or a text such as `20,25`, and is the \
          number 5",
        ),
        (
            json!({"services": [{"concurrency": "20, 25", "internal_port": 1}]}),
            json!({"services": [{"internal_port": 1}]}),
            "services[0].concurrency: it must be a table, or a text such as `20,25`, and is the \
          text \"20, 25\"",
        ),
        (
            json!({"services": [{"internal_port": "http", "protocol": "tcp"}]}),
            json!({"services": [{"protocol": "tcp"}]}),
            "services[0].internal_port: it must be a whole number, or a text of digits, and is the \
          text \"http\"",
        ),
        (
            json!({"services": ["x"]}),
            json!({"services": []}),
            "services[0]: it must be a table, and is the text \"x\"",
        ),
        (
            json!({"checks": [{"type": "tcp"}]}),
            json!({"checks": {}}),
            "checks[0]: it has no `name`",
        ),
        (json!({"kill_timeout": -1}), json!({}), "kill_timeout: it is negative, or far too long"),
        (
            json!({"kill_timeout": true}),
            json!({}),
            "kill_timeout: it must be a duration such as `10s`, or a number, and is true",
        ),
    ] {
        let (got, faults) = patched(&written);
        assert_eq!(faults, [told], "{written}");
        assert_eq!(got, rest, "{written}");
    }
}
