//! Keys that do nothing here, and texts that say something else than they seem to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fly::config::go;
use crate::fly::config::model::Document;
use crate::fly::config::tree::{Node, Value};

use super::{Findings, Note};

const BUILDS: &str = "the image is built by Nix";
const FLAG: &str = "the `--compression` flag says it";

/// Keys that have no effect, whatever their values.
const IDLE: [(&str, &str); 13] = [
    ("build.builder", BUILDS),
    ("build.args", BUILDS),
    ("build.buildpacks", BUILDS),
    ("build.settings", BUILDS),
    ("build.builtin", BUILDS),
    ("build.dockerfile", BUILDS),
    ("build.ignorefile", BUILDS),
    ("build.build-target", BUILDS),
    ("build.build_target", BUILDS),
    ("build.compression", FLAG),
    ("build.compression_level", FLAG),
    ("deploy.seed_command", "only `fly launch` runs it"),
    ("experimental.lazy_load_images", "the platform does it no more"),
];

pub(super) fn look(findings: &mut Findings, document: &Document, written: &Node) {
    for (key, why) in IDLE {
        if written.get(key).is_some_and(|node| !node.is_empty()) {
            findings.notes.push(Note::idle(key, why));
        }
    }
    if let (Some(node), Some(_)) =
        (written.get("experimental.kill_timeout"), written.get("kill_timeout"))
    {
        findings.notes.push(Note::idle(&node.key, "`kill_timeout` takes its place"));
    }
    for (n, file) in document.files.iter().enumerate() {
        if !file.processes.is_empty() {
            let why = "files are written into the machines of every process group";
            findings.notes.push(Note::idle(format!("files[{n}].processes"), why));
        }
        if looks_encoded(&file.raw_value) {
            let text = "it seems to be base64, but is taken as it is and encoded once more";
            findings.note("config.encoded-twice", format!("files[{n}].raw_value"), text);
        }
    }
    for (n, folder) in document.statics.iter().enumerate() {
        if !folder.guest_path.starts_with('/') {
            let text = "it must begin with `/`: a folder of this machine is not uploaded";
            findings.note("config.static-not-uploaded", format!("statics[{n}].guest_path"), text);
        }
    }
    exponents(findings, written);
}

/// Whether a text is base64 of a text that can be read: that of a plain word is none.
fn looks_encoded(text: &str) -> bool {
    let decoded = (text.len() >= 8).then(|| STANDARD.decode(text.trim()).ok()).flatten();
    let readable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .is_some_and(|text| text.is_ascii() && text.chars().all(readable))
}

/// flyctl makes a text of a large number in its own way.
fn exponents(findings: &mut Findings, written: &Node) {
    let env = written.get("env").and_then(Node::table);
    for node in env.into_iter().flat_map(|table| table.values()) {
        if let Value::Float(number) = node.value
            && go::float(number).contains('e')
        {
            let text = go::float(number);
            let text = format!("it becomes the text `{text}`; write the number in quotes");
            findings.note("config.exponent", &node.key, text);
        }
    }
}
