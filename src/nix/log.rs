//! The records that `--log-format internal-json` writes.
//!
//! One record a line, after `@nix `. Versions and forks add numbers, and two of them even
//! gave the same number to different things; what is unknown here is left alone.

use serde::Deserialize;
use serde_json::Value;

/// The number of one activity. Nix never uses it twice in a run.
pub(super) type ActivityId = u64;

/// One line of Nix's standard error.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// A record.
    Record(Record),
    /// A record that says nothing we know.
    Unknown,
    /// What is no record: git, ssh, or Nix before its logger begins.
    Text(String),
}

/// A record, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Start { id: ActivityId, activity: Activity },
    Stop { id: ActivityId },
    Result { id: ActivityId, outcome: Outcome },
    Message(Message),
}

/// What is being done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Activity {
    /// One derivation is being built.
    Build { derivation: String },
    /// All that is built.
    Builds,
    /// All that is built and copied; expected sizes are told on it.
    Realise,
    /// The archive of one store path is being downloaded.
    Download,
    /// Anything else.
    Other,
}

/// What an activity tells while it lasts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The builder wrote a line.
    LogLine(String),
    /// The builder has entered a phase.
    Phase(String),
    /// How far the activity is; of `Builds` in derivations, of a `Download` in bytes.
    Progress { done: u64, expected: u64 },
    /// How many bytes all downloads together will be.
    ExpectedDownload { bytes: u64 },
}

/// Something that Nix says in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// 0 error, 1 warning, 2 notice, 3 information, and finer ones.
    pub(super) level: u64,
    /// The text as on a terminal, with the trace and the lines of code.
    pub(super) text: String,
    /// The innermost text alone, where Nix gives it.
    pub(super) brief: Option<String>,
}

const PREFIX: &str = "@nix ";

/// Reads one line, with or without its end. No line is an error.
pub(super) fn parse(line: &str) -> Line {
    let Some(json) = line.strip_prefix(PREFIX) else {
        return Line::Text(line.to_owned());
    };
    match serde_json::from_str::<Raw>(json) {
        Ok(raw) => raw.read().map_or(Line::Unknown, Line::Record),
        Err(error) => {
            tracing::debug!(%error, "a record of Nix that cannot be read");
            Line::Unknown
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Raw {
    Start {
        id: ActivityId,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Stop {
        id: ActivityId,
    },
    Result {
        id: ActivityId,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Msg {
        level: u64,
        msg: String,
        #[serde(default)]
        raw_msg: Option<String>,
    },
    #[serde(other)]
    Unknown,
}

impl Raw {
    fn read(self) -> Option<Record> {
        Some(match self {
            Self::Start { id, kind, fields } => {
                Record::Start { id, activity: activity(kind, &fields) }
            }
            Self::Stop { id } => Record::Stop { id },
            Self::Result { id, kind, fields } => {
                Record::Result { id, outcome: outcome(kind, &fields)? }
            }
            Self::Msg { level, msg, raw_msg } => {
                Record::Message(Message { level, text: msg, brief: raw_msg })
            }
            Self::Unknown => return None,
        })
    }
}

/// <https://github.com/NixOS/nix/blob/master/src/libutil/include/nix/util/logging.hh>
fn activity(kind: u64, fields: &[Value]) -> Activity {
    match (kind, fields.first().and_then(Value::as_str)) {
        // What else is transferred is no part of the expected size: questions to a cache, and
        // flakes. Only the URL tells, for Nix 2.8 names no parents.
        (101, Some(url)) if url.contains("/nar/") => Activity::Download,
        (102, _) => Activity::Realise,
        (104, _) => Activity::Builds,
        (105, Some(derivation)) => Activity::Build { derivation: derivation.to_owned() },
        _ => Activity::Other,
    }
}

fn outcome(kind: u64, fields: &[Value]) -> Option<Outcome> {
    let text = |i: usize| fields.get(i).and_then(Value::as_str).map(str::to_owned);
    let number = |i: usize| fields.get(i).and_then(Value::as_u64);
    Some(match kind {
        101 => Outcome::LogLine(text(0)?),
        104 => Outcome::Phase(text(0)?),
        105 => Outcome::Progress { done: number(0)?, expected: number(1)? },
        // The first field is the type of activity that the number is about.
        106 if number(0)? == 101 => Outcome::ExpectedDownload { bytes: number(1)? },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_records_that_matter_are_read() {
        for (line, wanted) in [
            (
                r#"@nix {"action":"start","fields":["/nix/store/x.drv","",1,1],"id":7,"level":3,"parent":2,"text":"building","type":105}"#,
                Record::Start {
                    id: 7,
                    activity: Activity::Build { derivation: "/nix/store/x.drv".into() },
                },
            ),
            (
                r#"@nix {"action":"start","id":18446744073709551615,"level":0,"text":"","type":102}"#,
                Record::Start { id: u64::MAX, activity: Activity::Realise },
            ),
            (
                r#"@nix {"action":"start","fields":["https://cache/nar/x.nar.xz"],"id":8,"level":4,"type":101}"#,
                Record::Start { id: 8, activity: Activity::Download },
            ),
            (
                r#"@nix {"action":"start","fields":["https://cache/x.narinfo"],"id":8,"level":4,"type":101}"#,
                Record::Start { id: 8, activity: Activity::Other },
            ),
            (r#"@nix {"action":"stop","id":7}"#, Record::Stop { id: 7 }),
            (
                r#"@nix {"action":"result","fields":["buildPhase"],"id":7,"type":104}"#,
                Record::Result { id: 7, outcome: Outcome::Phase("buildPhase".into()) },
            ),
            (
                r#"@nix {"action":"result","fields":[1,7,2,0],"id":4,"type":105}"#,
                Record::Result { id: 4, outcome: Outcome::Progress { done: 1, expected: 7 } },
            ),
            (
                r#"@nix {"action":"result","fields":[101,5000],"id":3,"type":106}"#,
                Record::Result { id: 3, outcome: Outcome::ExpectedDownload { bytes: 5000 } },
            ),
            (
                r#"@nix {"action":"msg","level":1,"msg":"warning: dirty"}"#,
                Record::Message(Message { level: 1, text: "warning: dirty".into(), brief: None }),
            ),
        ] {
            assert_eq!(parse(line), Line::Record(wanted), "{line}");
        }
    }

    #[test]
    fn what_a_later_version_may_say_is_left_alone() {
        for line in [
            // What upstream calls 109, and what Determinate does.
            r#"@nix {"action":"result","fields":["/nix/store/x"],"id":1,"type":109}"#,
            r#"@nix {"action":"result","fields":["/nix/store/x.drv","sha256-A","sha256-B"],"id":1,"type":109}"#,
            r#"@nix {"action":"result","fields":[{"a":1},null],"id":1,"type":110}"#,
            r#"@nix {"action":"result","fields":[100,5000],"id":3,"type":106}"#,
            r#"@nix {"action":"result","fields":[],"id":3,"type":105}"#,
            r#"@nix {"action":"applaud","id":1}"#,
            r#"@nix {"action":"start","#,
            "@nix ",
            "@nix 7",
        ] {
            assert_eq!(parse(line), Line::Unknown, "{line}");
        }
        assert_eq!(
            parse(r#"@nix {"action":"start","id":1,"type":999,"more":[]}"#),
            Line::Record(Record::Start { id: 1, activity: Activity::Other })
        );
    }

    #[test]
    fn what_is_no_record_is_passed_on() {
        assert_eq!(parse("Cloning into 'x'..."), Line::Text("Cloning into 'x'...".into()));
        assert_eq!(parse("@nixos"), Line::Text("@nixos".into()));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in "(@nix )?.*") {
            let _any = parse(&line);
        }

        #[test]
        fn no_record_makes_the_parser_panic(
            action in prop::sample::select(vec!["start", "stop", "result", "msg", "x"]),
            id in any::<i64>(),
            kind in prop_oneof![99u64..115, any::<u64>()],
            fields in prop::collection::vec(
                prop_oneof![any::<u64>().prop_map(Value::from), any::<String>().prop_map(Value::from)],
                0..4
            ),
            text in any::<String>(),
        ) {
            let record = serde_json::json!({
                "action": action, "id": id, "type": kind, "fields": fields, "msg": text, "level": kind
            });
            let _any = parse(&format!("@nix {record}"));
        }
    }
}
