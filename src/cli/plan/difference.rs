//! Where two JSON values differ.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::http::clean;

/// The most characters that are shown of a value.
const SHOWN_CHARS: usize = 160;

/// A place where two JSON values differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    path: Vec<Step>,
    /// What is there now, if anything is.
    from: Option<Value>,
    /// What shall be there, if anything.
    to: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Returns where two values differ, in their own order. What one side lacks altogether is told
/// leaf by leaf, as is what has changed; lists are compared place by place.
pub(super) fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), Some(from), Some(to), &mut found);
    found
}

fn compare(
    path: &mut Vec<Step>,
    from: Option<&Value>,
    to: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if from == to {
        return;
    }
    let steps = match (from, to) {
        (Some(Value::Object(_)) | None, Some(Value::Object(_)) | None)
        | (Some(Value::Array(_)) | None, Some(Value::Array(_)) | None) => steps(from, to),
        _ => Vec::new(),
    };
    if steps.is_empty() {
        found.push(Difference { path: path.clone(), from: from.cloned(), to: to.cloned() });
        return;
    }
    for step in steps {
        let (from, to) = (from.and_then(|v| step.of(v)), to.and_then(|v| step.of(v)));
        path.push(step);
        compare(path, from, to, found);
        path.pop();
    }
}

/// Returns all steps that lead on from either of two objects, or of two lists.
fn steps(from: Option<&Value>, to: Option<&Value>) -> Vec<Step> {
    let both = || from.into_iter().chain(to);
    let keys: BTreeSet<_> = both().filter_map(Value::as_object).flat_map(|o| o.keys()).collect();
    let length = both().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
    keys.into_iter().cloned().map(Step::Key).chain((0..length).map(Step::Index)).collect()
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(index) => value.get(index),
        }
    }
}

/// As people read it: `services[0].internal_port: 80 -> 8080`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.path.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if place > 0 {
                        f.write_char('.')?;
                    }
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                    if !key.is_empty() && key.chars().all(plain) {
                        f.write_str(key)?;
                    } else {
                        f.write_str(&clean(&format!("{key:?}")))?;
                    }
                }
            }
        }
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, ": {}", shown(to)),
            (Some(from), None) => write!(f, ": {} -> nothing", shown(from)),
            (Some(from), Some(to)) => write!(f, ": {} -> {}", shown(from), shown(to)),
            (None, None) => Ok(()),
        }
    }
}

fn shown(value: &Value) -> String {
    let text = clean(&value.to_string());
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("{start}… ({} characters)", text.chars().count())
        }
    }
}

/// As programs read it: `path` by RFC 6901, and `from` and `to` where there is something.
impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let path: String = self
            .path
            .iter()
            .map(|step| match step {
                Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => format!("/{index}"),
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &path)?;
        if let Some(from) = &self.from {
            map.serialize_entry("from", from)?;
        }
        if let Some(to) = &self.to {
            map.serialize_entry("to", to)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_told_with_its_place() {
        let from = json!({
            "env": {"A": "1", "GONE": "x", "same": "s"},
            "services": [{"internal_port": 80, "ports": [{"port": 443}]}],
            "init": {},
        });
        let to = json!({
            "env": {"A": "2", "same": "s", "with.dot": "y"},
            "services": [{"internal_port": 8080, "ports": [{"port": 443}, {"port": 80}]}],
            "init": {},
            "guest": {"cpus": 2},
            "files": [],
        });
        let lines: Vec<_> = differences(&from, &to).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        env.A: "1" -> "2"
        env.GONE: "x" -> nothing
        env."with.dot": "y"
        files: []
        guest.cpus: 2
        services[0].internal_port: 80 -> 8080
        services[0].ports[1].port: 80
        "#);
        assert_eq!(differences(&to, &to), []);
    }

    #[test]
    fn a_value_of_another_kind_is_told_as_a_whole() {
        let lines = differences(&json!({"a": [1]}), &json!({"a": {"b": null}}));
        assert_eq!(lines[0].to_string(), r#"a: [1] -> {"b":null}"#);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn foreign_text_is_capped_and_cannot_command_the_terminal() {
        let to = json!({"k\u{1b}[2J": format!("\u{9b}{}", "x".repeat(500))});
        let line = differences(&json!({}), &to)[0].to_string();
        assert!(line.chars().count() < 250 && line.ends_with("(502 characters)"), "{line}");
        assert!(!line.contains(char::is_control), "{line}");
    }

    #[test]
    fn programs_get_a_pointer_and_what_is_there() {
        let found = differences(&json!({"a/b": [null, 1]}), &json!({"a/b": [null, 2], "c": 3}));
        assert_eq!(
            serde_json::to_value(found).unwrap(),
            json!([{"path": "/a~1b/1", "from": 1, "to": 2}, {"path": "/c", "to": 3}])
        );
    }
}
