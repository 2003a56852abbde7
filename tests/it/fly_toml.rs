//! fly.toml gives the machines that flyctl would give.
//!
//! `tests/fixtures/fly-toml/` has a folder for each case, with what is expected written down by
//! hand; its README says which rule is in which case.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use snowbird::fly::config::AppConfig;
use snowbird::fly::wire::MachineConfig;

use crate::support::World;

/// The image of every expectation.
const IMAGE: &str =
    "registry.fly.io/acme@sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// What a configuration file may be called.
const NAMES: [&str; 4] = ["fly.toml", "fly.json", "fly.yaml", "fly.yml"];

/// Where a case says what is expected of it.
const EXPECTATIONS: [&str; 4] =
    ["expected.json", "expected-update.json", "expected-error.json", "expected-warnings.json"];

/// Metadata that tells one release from another: no case is about it.
const OF_A_RELEASE: [&str; 3] = ["fly_release_id", "fly_release_version", "fly_flyctl_version"];

/// One folder of the corpus.
struct Case {
    name: String,
    folder: PathBuf,
}

impl Case {
    /// Reads a file of the folder as JSON, if it is there.
    fn read<T: DeserializeOwned>(&self, file: &str) -> Option<T> {
        let text = fs::read_to_string(self.folder.join(file)).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}/{file}: {e}", self.name)))
    }

    /// Returns the names of the configuration files, of which there should be one.
    fn config_files(&self) -> Vec<&'static str> {
        NAMES.into_iter().filter(|name| self.folder.join(name).exists()).collect()
    }

    /// Returns the name of the configuration file.
    fn config_file(&self) -> &'static str {
        self.config_files()[0]
    }

    /// Lays the case's files out, without what is expected of them.
    fn world(&self) -> World {
        let world = World::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.folder).unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if !EXPECTATIONS.contains(&name) && name != "existing.json" {
                    world.file(name, fs::read(&path).unwrap());
                }
            }
        }
        world
    }
}

/// Returns all cases in the order of their names.
fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fly-toml");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let case = |folder: PathBuf| Case {
        name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
        folder,
    };
    let mut cases: Vec<_> = folders.filter(|path| path.is_dir()).map(case).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// A machine of a group, as a case describes the one that is updated.
#[derive(Deserialize)]
struct Existing {
    group: String,
    config: MachineConfig,
}

/// What an error or a warning must say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    code: Option<String>,
    mentions: Vec<String>,
    #[serde(default)]
    line: Option<usize>,
}

impl Said {
    /// Returns what is missing from a message.
    fn missing_from(&self, code: &str, text: &str) -> Vec<String> {
        let mut missing: Vec<String> = (self.mentions.iter())
            .filter(|mention| !text.contains(mention.as_str()))
            .map(|mention| format!("`{mention}`"))
            .collect();
        missing
            .extend(self.line.filter(|line| !names_line(text, *line)).map(|n| format!("line {n}")));
        missing.extend(self.code.iter().filter(|wanted| *wanted != code).cloned());
        missing
    }
}

/// Returns what an error tells people: message, causes and hint.
fn texts(error: &Value) -> Vec<String> {
    let causes = error["causes"].as_array().cloned().unwrap_or_default();
    let all = [error["message"].clone()].into_iter().chain(causes).chain([error["hint"].clone()]);
    all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Whether a message points to a line, as `line 3`, `fly.toml:3` or in a quotation of it.
fn names_line(text: &str, line: usize) -> bool {
    Regex::new(&format!(r"(?m)(\bline |:|^\s*){line}\b")).unwrap().is_match(text)
}

/// Returns where two JSON values differ, a line for each place.
///
/// Where flyctl gives an order by chance, it is left out of account.
fn differences(path: &str, wanted: &Value, got: &Value) -> Vec<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let mut found = Vec::new();
            for (key, value) in wanted {
                match got.get(key) {
                    Some(other) => {
                        found.extend(differences(&format!("{path}.{key}"), value, other));
                    }
                    None => found.push(format!("{path}.{key}: missing, wanted {value}")),
                }
            }
            let extra = got.iter().filter(|(key, _)| !wanted.contains_key(*key));
            found
                .extend(extra.map(|(key, value)| format!("{path}.{key}: not wanted, got {value}")));
            found
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            let (wanted, got) = (in_one_order(path, wanted), in_one_order(path, got));
            let pairs = wanted.iter().zip(&got).enumerate();
            pairs.flat_map(|(n, (a, b))| differences(&format!("{path}[{n}]"), a, b)).collect()
        }
        _ if wanted == got => Vec::new(),
        _ => vec![format!("{path}: wanted {wanted}, got {got}")],
    }
}

/// Sorts headers, containers and what they wait for by their names; all else is left as it is.
fn in_one_order(path: &str, list: &[Value]) -> Vec<Value> {
    let mut list = list.to_vec();
    if [".headers", ".containers", ".depends_on"].iter().any(|end| path.ends_with(end)) {
        list.sort_by_key(|item| item["name"].as_str().map(str::to_owned));
    }
    list
}

/// Takes away what tells one release from another.
fn without_release(mut machine: Value) -> Value {
    if let Some(metadata) = machine["metadata"].as_object_mut() {
        metadata.retain(|key, _| !OF_A_RELEASE.contains(&key.as_str()));
    }
    machine
}

/// Fails with all that was found, case by case.
#[track_caller]
fn assert_none(found: &[(String, Vec<String>)]) {
    let wrong: Vec<_> = found.iter().filter(|(_, lines)| !lines.is_empty()).collect();
    let told: Vec<_> =
        wrong.iter().map(|(name, lines)| format!("{name}\n  {}", lines.join("\n  "))).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), found.len(), told.join("\n"));
}

/// Looks at every case that has `file`.
fn each<T: DeserializeOwned>(
    file: &str,
    look: impl Fn(&Case, T) -> Vec<String>,
) -> Vec<(String, Vec<String>)> {
    let with = |case: Case| Some((case.name.clone(), look(&case, case.read(file)?)));
    cases().into_iter().filter_map(with).collect()
}

#[test]
fn a_new_machine_is_configured_as_flyctl_would() {
    let found = each("expected.json", |case, wanted: BTreeMap<String, Value>| {
        let file = case.config_file();
        let shown = case.world().run(&["config", "show", "--config", file, "--image", IMAGE]);
        if shown.code != Some(0) {
            return vec![shown.to_string()];
        }
        let got: BTreeMap<String, Value> = match serde_json::from_str(&shown.stdout) {
            Ok(got) => got,
            Err(error) => return vec![format!("{error}: {shown}")],
        };
        let plain = |machines: BTreeMap<String, Value>| {
            machines.into_iter().map(|(group, machine)| (group, without_release(machine))).collect()
        };
        differences("", &plain(wanted), &plain(got))
    });
    assert_none(&found);
}

#[test]
fn what_flyctl_accepts_is_valid() {
    let found = each("expected.json", |case, _: Value| {
        let checked = case.world().run(&["config", "validate", "--config", case.config_file()]);
        if checked.code == Some(0) { Vec::new() } else { vec![checked.to_string()] }
    });
    assert_none(&found);
}

#[test]
fn a_machine_is_updated_as_flyctl_would() {
    let found = each("expected-update.json", |case, wanted: Value| {
        let path = case.folder.join(case.config_file());
        let text = fs::read_to_string(&path).unwrap();
        let Existing { group, config } = case.read("existing.json").unwrap();
        let updated = AppConfig::parse(&text, &path)
            .and_then(|(app, _)| app.machine_config(&group, IMAGE, Some(&config)));
        match updated {
            Ok(updated) => {
                let updated = without_release(serde_json::to_value(updated).unwrap());
                differences("", &without_release(wanted), &updated)
            }
            Err(error) => vec![error.to_string()],
        }
    });
    assert_none(&found);
}

#[test]
fn what_flyctl_refuses_is_refused_with_the_reason() {
    let found = each("expected-error.json", |case, wanted: Said| {
        let file = case.config_file();
        let refused = case.world().run(&["config", "validate", "--config", file, "--json"]);
        if refused.code != Some(10) || !refused.stdout.is_empty() {
            return vec![refused.to_string()];
        }
        let errors = refused.events_named("error");
        let code = errors.first().and_then(|error| error["code"].as_str()).unwrap_or_default();
        let text = errors.iter().flat_map(texts).collect::<Vec<_>>().join("\n");
        let mut missing = wanted.missing_from(code, &text);
        missing.extend((!code.starts_with("config.")).then(|| format!("`config.` in `{code}`")));
        if missing.is_empty() { missing } else { vec![format!("no {missing:?} in: {text}")] }
    });
    assert_none(&found);
}

#[test]
fn traps_are_told_and_the_file_is_taken_as_it_is() {
    let found = each("expected-warnings.json", |case, wanted: Vec<Said>| {
        let (world, file) = (case.world(), case.config_file());
        let arguments = ["config", "validate", "--config", file];
        let plain = world.run(&arguments);
        let checked = world.run(&[&arguments[..], &["--json"]].concat());
        if checked.code != Some(0) || plain.code != Some(0) {
            return vec![plain.to_string(), checked.to_string()];
        }
        let warnings: Vec<(String, String)> = (checked.events_named("warning").iter())
            .map(|event| {
                let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                (field("code"), field("message"))
            })
            .collect();
        let told = |said: &&Said| {
            let in_one = |(code, text): &(String, String)| said.missing_from(code, text).is_empty();
            warnings.iter().any(in_one)
        };
        let mut wrong: Vec<_> = (wanted.iter().filter(|said| !told(said)))
            .map(|said| format!("none of {:?}, line {:?}: {warnings:?}", said.mentions, said.line))
            .collect();
        let untold = warnings.iter().filter(|(_, text)| !plain.stderr.contains(text.as_str()));
        wrong.extend(untold.map(|(_, text)| format!("only with --json: {text}")));
        wrong
    });
    assert_none(&found);
}

#[test]
fn every_case_says_what_is_expected() {
    let cases = cases();
    assert!(cases.len() >= 45, "{} cases", cases.len());
    for case in &cases {
        let name = &case.name;
        assert_eq!(case.config_files().len(), 1, "{name} has one configuration file");
        let has = |file: &str| case.folder.join(file).exists();
        assert!(has("expected.json") != has("expected-error.json"), "{name} is used or refused");
        assert_eq!(has("existing.json"), has("expected-update.json"), "{name}");
        assert!(!(has("expected-error.json") && has("expected-update.json")), "{name}");
    }
    for (format, least) in [("fly.toml", 45), ("fly.json", 5), ("fly.yaml", 5), ("fly.yml", 1)] {
        let of_it = cases.iter().filter(|case| case.config_file() == format).count();
        assert!(of_it >= least, "{of_it} of {format}");
    }
}

#[test]
fn what_is_expected_holds_together() {
    for case in cases() {
        let name = &case.name;
        let machines: BTreeMap<String, Value> = case.read("expected.json").unwrap_or_default();
        let update = case.read::<Value>("expected-update.json").into_iter().map(|machine| {
            let Existing { group, .. } = case.read("existing.json").unwrap();
            assert!(machines.contains_key(&group), "{name}: no group `{group}`");
            (group, machine)
        });
        for (group, machine) in machines.clone().into_iter().chain(update) {
            assert_eq!(machine["image"], IMAGE, "{name}, {group}");
            assert_eq!(machine["env"]["FLY_PROCESS_GROUP"], *group, "{name}, {group}");
            assert_eq!(machine["metadata"]["fly_process_group"], *group, "{name}, {group}");
            assert_eq!(machine["metadata"]["fly_platform_version"], "v2", "{name}, {group}");
            assert!(machine["init"].is_object() && machine["guest"].is_object(), "{name}, {group}");
            // Everything the client types know is in its place: nothing is left over but what
            // flyctl keeps without managing it.
            let read: MachineConfig = serde_json::from_value(machine.clone()).unwrap();
            let kept = ["containers", "processes", "rootfs", "schedule"];
            for key in read.rest.keys() {
                assert!(kept.contains(&key.as_str()), "{name}, {group}: `{key}`");
            }
            let again = serde_json::to_value(&read).unwrap();
            assert_eq!(differences("", &machine, &again), [""; 0], "{name}, {group}");
        }
        for file in ["expected-error.json", "expected-warnings.json"] {
            let all: Option<Value> = case.read(file);
            let all = all.map(|all| if all.is_array() { all } else { Value::Array(vec![all]) });
            let said: Vec<Said> =
                all.map_or_else(Vec::new, |all| serde_json::from_value(all).unwrap());
            for Said { mentions, line, .. } in said {
                let text = fs::read_to_string(case.folder.join(case.config_file())).unwrap();
                assert!(line.is_none_or(|line| text.lines().count() >= line), "{name}");
                assert!(
                    !mentions.is_empty() || line.is_some() || name.contains("syntax"),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    use serde_json::json;
    let wanted = json!({"app": {
        "init": {},
        "checks": {"a": {"headers": [{"name": "A", "values": ["1"]}, {"name": "B", "values": ["2"]}]}},
        "services": [{"internal_port": 1, "force_instance_key": null}, {"internal_port": 2}],
    }});
    assert_eq!(differences("", &wanted, &wanted), [""; 0]);

    let mut turned = wanted.clone();
    turned["app"]["checks"]["a"]["headers"].as_array_mut().unwrap().reverse();
    assert_eq!(differences("", &wanted, &turned), [""; 0], "headers are a set");

    let mut turned = wanted.clone();
    turned["app"]["services"].as_array_mut().unwrap().reverse();
    let found = differences("", &wanted, &turned);
    assert!(
        found.contains(&".app.services[0].internal_port: wanted 1, got 2".to_owned()),
        "{found:?}"
    );

    for (pointer, value, told) in [
        ("/app/init", json!([]), ".app.init: wanted {}, got []"),
        (
            "/app/services/1/internal_port",
            json!("2"),
            r#".app.services[1].internal_port: wanted 2, got "2""#,
        ),
        (
            "/app/services/0/force_instance_key",
            json!(0),
            ".app.services[0].force_instance_key: wanted null, got 0",
        ),
        (
            "/app/checks/a/headers/1/values/0",
            json!("3"),
            r#".app.checks.a.headers[1].values[0]: wanted "2", got "3""#,
        ),
        (
            "/app/services",
            json!([{}]),
            r#".app.services: wanted [{"force_instance_key":null,"internal_port":1},{"internal_port":2}], got [{}]"#,
        ),
        (
            "/app/checks",
            json!({}),
            r#".app.checks.a: missing, wanted {"headers":[{"name":"A","values":["1"]},{"name":"B","values":["2"]}]}"#,
        ),
        ("/app/init", json!({"tty": true}), ".app.init.tty: not wanted, got true"),
        (
            "/app/services/1",
            json!({"internal_port": 2, "force_instance_key": null}),
            ".app.services[1].force_instance_key: not wanted, got null",
        ),
    ] {
        let mut other = wanted.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_eq!(differences("", &wanted, &other), [told]);
    }
}

#[test]
fn a_line_is_named_in_several_ways() {
    for text in ["at line 12, column 3", "fly.toml:12: no", "no\n 12 | key = 1", "12 | key"] {
        assert!(names_line(text, 12), "{text}");
    }
    for text in ["at line 120", "fly.toml:1", "within 12 hours", "line 2"] {
        assert!(!names_line(text, 12), "{text}");
    }
    let said =
        Said { code: Some("config.invalid".into()), mentions: vec!["port".into()], line: Some(3) };
    assert_eq!(said.missing_from("config.invalid", "line 3: port"), [""; 0]);
    let missing = said.missing_from("config.unusable", "line 4: path");
    assert_eq!(missing, ["`port`", "line 3", "config.invalid"]);
}
