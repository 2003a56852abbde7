//! A machine, as it is kept.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ulid::Ulid;

use super::life::Step;
use super::{Leased, Life, LogLine, MachineState as State};
use crate::fly::wire::{ImageRef, MachineConfig, MachineEvent};
use crate::sandbox::behavior::Behavior;
use crate::sandbox::pace::Pace;

/// As many events of a machine are kept.
const MAX_EVENTS: usize = 100;

/// What happened longer ago and was not seen by anybody is left out, in milliseconds.
const MAX_BACKLOG_MS: u64 = 60_000;

/// A machine, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::sandbox) struct Machine {
    pub(in crate::sandbox) id: String,
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) region: String,
    pub(in crate::sandbox) private_ip: String,
    pub(in crate::sandbox) state: State,
    pub(in crate::sandbox) instance_id: String,
    /// Versions that came before, oldest first.
    pub(in crate::sandbox) former: Vec<String>,
    /// As it was sent: what is not understood here is given back all the same.
    pub(in crate::sandbox) config: Value,
    /// Newest first.
    pub(in crate::sandbox) events: Vec<MachineEvent>,
    pub(in crate::sandbox) cordoned: bool,
    pub(in crate::sandbox) lease: Option<Leased>,
    pub(in crate::sandbox) image_ref: ImageRef,
    /// How it fares in this run.
    pub(in crate::sandbox) behavior: Behavior,
    /// What is known of the host that it is on.
    pub(in crate::sandbox) host: Host,
    pub(in crate::sandbox) created_at_ms: u64,
    pub(in crate::sandbox) updated_at_ms: u64,
    /// How often it was restarted since it was launched.
    pub(in crate::sandbox) restarts: u64,
    /// What is still to come, in order of time.
    pub(in crate::sandbox) ahead: Vec<Step>,
    /// How often it was restarted when it runs again after all that.
    pub(in crate::sandbox) again: Option<u64>,
}

/// What the platform knows of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// It answers.
    #[default]
    Ok,
    /// It does not say how it is. Its machines are told in part and get no orders.
    Unknown,
    /// It is off the net. Its machines are told in part and get no orders.
    Unreachable,
}

impl Host {
    /// Returns Fly's word.
    pub(in crate::sandbox) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            region: String::new(),
            private_ip: String::new(),
            state: State::Created,
            instance_id: String::new(),
            former: Vec::new(),
            config: Value::Null,
            events: Vec::new(),
            cordoned: false,
            lease: None,
            image_ref: ImageRef::default(),
            behavior: Behavior::default(),
            host: Host::default(),
            created_at_ms: 0,
            updated_at_ms: 0,
            restarts: 0,
            ahead: Vec::new(),
            again: None,
        }
    }
}

impl Machine {
    /// Gives it its first version.
    pub(in crate::sandbox) fn begin(&mut self, now_ms: u64) {
        self.instance_id = Ulid::generate().to_string();
        self.updated_at_ms = now_ms;
        self.restarts = 0;
    }

    /// Gives it another version.
    pub(in crate::sandbox) fn renew(&mut self, now_ms: u64) {
        self.former.push(std::mem::take(&mut self.instance_id));
        self.begin(now_ms);
    }

    /// Lets everything happen that is due; returns what was written, or nothing if nothing
    /// was due.
    pub(in crate::sandbox) fn advance(&mut self, now_ms: u64, pace: &Pace) -> Option<Vec<LogLine>> {
        let (mut written, mut anything) = (Vec::new(), false);
        loop {
            let due = self.ahead.iter().take_while(|step| step.at_ms <= now_ms).count();
            let steps: Vec<Step> = self.ahead.drain(..due).collect();
            anything |= due > 0;
            written.extend(steps.into_iter().flat_map(|step| self.take(step)));
            if !self.ahead.is_empty() {
                break;
            }
            let Some(restarts) = self.again.take() else { break };
            self.restarts = restarts;
            let from_ms = self.updated_at_ms.max(now_ms.saturating_sub(MAX_BACKLOG_MS));
            let config = self.parsed_config();
            Life::from(from_ms, *pace).run(&config, self.behavior, restarts).lead(self);
        }
        anything.then_some(written)
    }

    fn take(&mut self, step: Step) -> Vec<LogLine> {
        self.state = step.state;
        self.updated_at_ms = step.at_ms;
        if let Some(event) = step.event {
            let event = MachineEvent {
                id: Ulid::generate().to_string(),
                kind: event.kind,
                status: step.state.as_str().into(),
                source: event.source,
                timestamp: step.at_ms,
                request: event.request,
            };
            self.events.insert(0, event);
            self.events.truncate(MAX_EVENTS);
        }
        let lines = step.lines.into_iter().map(|(provider, level, message)| LogLine {
            number: 0,
            at_ms: step.at_ms,
            machine: self.id.clone(),
            region: self.region.clone(),
            level,
            provider,
            message,
        });
        lines.collect()
    }

    /// Returns when the next thing happens to it, in milliseconds since 1970.
    pub(in crate::sandbox) fn next_at_ms(&self) -> Option<u64> {
        self.ahead.first().map(|step| step.at_ms)
    }

    /// Returns the config as far as it is understood.
    pub(in crate::sandbox) fn parsed_config(&self) -> MachineConfig {
        MachineConfig::deserialize(&self.config).unwrap_or_default()
    }

    /// Returns a value of its metadata.
    pub(in crate::sandbox) fn metadata(&self, key: &str) -> Option<&str> {
        self.config.get("metadata")?.get(key)?.as_str()
    }
}

/// Returns an ID of the form that machines have.
pub(in crate::sandbox) fn new_id() -> String {
    format!("{:014x}", Ulid::generate().random() & 0xff_ffff_ffff_ffff)
}

/// Returns milliseconds since 1970 as RFC 3339 has them.
pub(in crate::sandbox) fn timestamp(at_ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(at_ms)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::machine::Launch;

    #[test]
    fn a_machine_that_is_always_restarted_goes_on_crashing_and_counts() {
        let pace = Pace::every(Duration::from_millis(10));
        let config = json!({"image": "i", "restart": {"policy": "always"}});
        let parsed: MachineConfig = serde_json::from_value(config.clone()).unwrap();
        let behavior = Behavior::CrashAtStart { exit_code: 2, oom_killed: false };
        let mut machine = Machine { config, behavior, ..Machine::default() };
        Life::from(0, pace)
            .boot(&Launch { config: &parsed, behavior, flaw: None })
            .lead(&mut machine);
        machine.advance(1_000, &pace);
        let exits = machine.events.iter().filter(|event| event.kind == "exit");
        let counts: Vec<_> = exits.filter_map(MachineEvent::restart_count).collect();
        assert!(counts.len() > 40 && counts.is_sorted_by(|newer, older| newer > older));
        assert!(machine.next_at_ms().unwrap() > 1_000);
        // A pause that nobody saw is left out.
        machine.advance(1_000_000_000, &pace);
        assert!(machine.restarts < 5_000, "{}", machine.restarts);
        assert!(machine.next_at_ms().unwrap() > 1_000_000_000);
    }
}
