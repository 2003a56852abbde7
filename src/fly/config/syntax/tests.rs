//! The same values from each language, and what cannot be read.

use proptest::prelude::*;

use super::*;
use crate::fly::config::text::place;

const TOML: &str = r#"app = "web"
kill_timeout = 5
[env]
A = "1"
[[services]]
ports = [ { port = 80, handlers = ["http"] } ]
[deploy]
max_unavailable = 0.5
"#;
const JSON: &str = r#"{
  "app": "web", "gone": null, "kill_timeout": 5,
  "env": {"A": "1"},
  "services": [{"ports": [{"port": 80, "handlers": ["http"]}]}],
  "deploy": {"max_unavailable": 0.5}
}"#;
const YAML: &str = "app: web
kill_timeout: 5
gone:
env: {A: '1'}
services:
- ports:
  - port: 80
    handlers: [http]
deploy: {max_unavailable: 0.5}
";

/// Draws a tree without places, and whole numbers alike.
fn shown(node: &Node) -> String {
    use crate::fly::config::tree::Value;
    match &node.value {
        Value::Integer(number) => format!("{number}"),
        Value::Float(number) => format!("{number}"),
        Value::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        Value::Table(table) => {
            let entries = table.iter().map(|(name, node)| format!("{name}={}", shown(node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn each_language_is_told_by_the_name_of_the_file() {
    for (name, syntax) in [
        ("fly.toml", Some(Syntax::Toml)),
        ("fly.TOML", Some(Syntax::Toml)),
        ("fly", Some(Syntax::Toml)),
        ("fly.json", Some(Syntax::Json)),
        ("fly.yaml", Some(Syntax::Yaml)),
        ("a/fly.production.yml", Some(Syntax::Yaml)),
        ("fly.ini", None),
    ] {
        assert_eq!(Syntax::of(Path::new(name)), syntax, "{name}");
    }
}

#[test]
fn all_languages_say_the_same() {
    let [toml, json, yaml] = [(Syntax::Toml, TOML), (Syntax::Json, JSON), (Syntax::Yaml, YAML)]
        .map(|(syntax, text)| syntax.read(text).unwrap());
    assert_eq!(shown(&toml), shown(&json));
    assert_eq!(shown(&toml), shown(&yaml));
}

#[test]
fn every_value_knows_its_line_and_its_path() {
    for (syntax, text, key, line, column, name_line) in [
        (Syntax::Toml, TOML, "services[0].ports[0].port", 6, 20, 6),
        (Syntax::Toml, TOML, "env.A", 4, 5, 4),
        (Syntax::Json, JSON, "services[0].ports[0].port", 4, 36, 4),
        (Syntax::Json, JSON, "deploy.max_unavailable", 5, 33, 5),
        (Syntax::Yaml, YAML, "services[0].ports[0].port", 7, 11, 7),
        (Syntax::Yaml, YAML, "deploy.max_unavailable", 9, 27, 9),
    ] {
        let tree = syntax.read(text).unwrap();
        let node = tree.get(key).unwrap();
        assert_eq!(node.key, key);
        let at = place(text, node.span.unwrap());
        assert_eq!((at.line, at.column), (line, column), "{syntax:?} {key}");
        assert_eq!(place(text, node.name.unwrap()).line, name_line, "{syntax:?} {key}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (syntax, text, line, column, reason) in [
        (Syntax::Toml, "app = \n[env\n", 1, 7, "string values must be quoted"),
        (Syntax::Toml, "a = 1\na = 2\n", 2, 1, "duplicate key"),
        (Syntax::Toml, "a = 99999999999999999999", 1, 5, "the number is too large"),
        (Syntax::Json, "{\"a\": 1,\n  b}", 2, 3, "key must be a string"),
        (Syntax::Json, "{\n", 2, 1, "EOF while parsing an object"),
        (Syntax::Json, "{\"a\": \"\\ud800\"}", 1, 14, "unexpected end of hex escape"),
        (Syntax::Yaml, "a: 1\n b: 2\n", 2, 3, "mapping values are not allowed"),
        (Syntax::Yaml, "a: 1\na: 2\n", 2, 1, "`a` is there already"),
        (Syntax::Yaml, "a: 1\n---\nb: 1\n", 2, 1, "there is more than one document"),
        (Syntax::Yaml, "a: *b\n", 1, 4, "unknown anchor"),
        (Syntax::Yaml, "[a]: b\n", 1, 1, "a name must be a text"),
    ] {
        let faults = syntax.read(text).unwrap_err();
        let fault = faults.into_iter().min_by_key(|fault| fault.span).unwrap();
        let at = fault.span.map(|span| place(text, span));
        let at = at.map(|at| (at.line, at.column));
        assert_eq!(at, Some((line, column)), "{text:?}: {fault:?}");
        assert!(fault.reason.contains(reason), "{text:?}: {fault:?}");
    }
}

#[test]
fn every_error_of_a_toml_file_is_told() {
    let faults = Syntax::Toml.read("a = \nb = 1\nb = 2\nc = [\n").unwrap_err();
    assert!(faults.len() >= 2, "{faults:?}");
}

#[test]
fn anchors_and_merge_keys_are_what_they_name() {
    let text = "
base: &base {interval: 5, timeout: 2}
checks:
  a: *base
  b: {<<: *base, timeout: 3}
  c: {<<: [{timeout: 4}, *base]}
";
    let tree = Syntax::Yaml.read(text).unwrap();
    assert_eq!(
        shown(tree.get("checks").unwrap()),
        "{a={interval=5 timeout=2} b={interval=5 timeout=3} c={interval=5 timeout=4}}"
    );
    assert_eq!(tree.get("checks.a.interval").unwrap().key, "checks.a.interval");
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut lines = vec!["a0: &a0 [x,x,x,x,x,x,x,x,x,x]".to_owned()];
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(",");
        lines.push(format!("a{n}: &a{n} [{aliases}]"));
    }
    let fault = Syntax::Yaml.read(&lines.join("\n")).unwrap_err().remove(0);
    assert_eq!(fault.reason, "there are too many values");
}

#[test]
fn deep_nesting_ends_in_an_error_in_every_language() {
    for (syntax, open) in [(Syntax::Toml, "a = "), (Syntax::Json, ""), (Syntax::Yaml, "")] {
        let text = format!("{open}{}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(syntax.read(&text).is_err(), "{syntax:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "[-\\[\\]{}:,.*&!|>'\"#%@`~<=\\\\ \\n\\ta-c0-9é]{0,80}") {
        for syntax in [Syntax::Toml, Syntax::Json, Syntax::Yaml] {
            // What is found out is not of interest, but its place can be told.
            for fault in syntax.read(&text).err().into_iter().flatten() {
                let _told = fault.told(Some(&text)).to_string();
            }
        }
    }
}
