//! Answers, read as strictly as flyctl's client reads them: a field of another type than it
//! has there is a failure.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Machine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) region: String,
    pub(super) image_ref: ImageRef,
    pub(super) instance_id: String,
    pub(super) private_ip: String,
    pub(super) created_at: String,
    pub(super) config: Option<Value>,
    pub(super) incomplete_config: Option<Value>,
    pub(super) events: Vec<Event>,
    #[serde(default)]
    pub(super) checks: Vec<Check>,
    pub(super) nonce: Option<String>,
    pub(super) host_status: String,
    pub(super) cordoned: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ImageRef {
    pub(super) registry: String,
    pub(super) repository: String,
    #[serde(default)]
    pub(super) tag: String,
    #[serde(default)]
    pub(super) digest: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) source: String,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) request: Option<EventRequest>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventRequest {
    pub(super) exit_event: Option<ExitEvent>,
    #[serde(rename = "MonitorEvent")]
    pub(super) monitor_event: Option<MonitorEvent>,
    #[serde(default)]
    pub(super) restart_count: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MonitorEvent {
    pub(super) exit_event: Option<ExitEvent>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ExitEvent {
    pub(super) exit_code: i64,
    pub(super) requested_stop: bool,
    pub(super) restarting: bool,
    pub(super) oom_killed: bool,
    pub(super) exited_at: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) status: String,
}

impl Machine {
    pub(super) fn known_config(&self) -> &Value {
        self.config.as_ref().or(self.incomplete_config.as_ref()).expect("one of the configs")
    }

    pub(super) fn metadata(&self, key: &str) -> &str {
        self.known_config()["metadata"][key].as_str().unwrap_or_default()
    }

    /// Whether deploys care for it.
    pub(super) fn is_managed(&self) -> bool {
        self.metadata("fly_platform_version") == "v2"
            && !matches!(self.state.as_str(), "destroyed" | "destroying")
            && self.metadata("fly_process_group") != "fly_app_console"
            && !self.is_release_command()
    }

    pub(super) fn is_release_command(&self) -> bool {
        self.metadata("fly_process_group") == "fly_app_release_command"
    }

    /// Returns the newest `exit`. Its request is dereferenced without a look, as flyctl does.
    pub(super) fn newest_exit(&self) -> Option<(&ExitEvent, i64)> {
        let event = self.events.iter().find(|event| event.kind == "exit")?;
        let request = event.request.as_ref().expect("an exit event has a request");
        let exit = request.exit_event.as_ref().expect("an exit event has an exit_event");
        humantime::parse_rfc3339(&exit.exited_at).expect("exited_at is a time");
        Some((exit, request.restart_count))
    }

    /// Whether it crashes again and again.
    pub(super) fn is_constantly_restarting(&self) -> bool {
        self.newest_exit().is_some_and(|(exit, restarts)| {
            !exit.requested_stop && exit.restarting && restarts > 1 && exit.exit_code != 0
        })
    }

    /// Returns when it was started after its last launch, unless it has exited since.
    pub(super) fn started_after_launch(&self) -> Option<i64> {
        let (mut start, mut launch, mut exit) = (None, None, None);
        for (index, event) in self.events.iter().enumerate() {
            match event.kind.as_str() {
                "start" => start = Some(index),
                "launch" => launch = Some(index),
                "exit" => exit = Some(index),
                _ => {}
            }
            if start.is_some() && launch.is_some() {
                break;
            }
        }
        let start = start.filter(|start| launch.is_some_and(|launch| *start < launch))?;
        let running = exit.is_none_or(|exit| exit > start);
        running.then(|| self.events[start].timestamp)
    }

    /// Returns the newest event of one kind that is newer than the newest of another.
    pub(super) fn newest_after(&self, kind: &str, after: &str) -> Option<&Event> {
        let first = self.events.iter().position(|event| event.kind == after)?;
        self.events[..first].iter().find(|event| event.kind == kind)
    }

    /// Returns how many of its checks pass, and how many there are.
    pub(super) fn checks_passing(&self) -> (usize, usize) {
        let passing = self.checks.iter().filter(|check| check.status == "passing").count();
        (passing, self.checks.len())
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.kind.as_str()).collect()
    }
}

impl EventRequest {
    /// Returns the monitor's exit code, or that of the event itself.
    pub(super) fn exit_code(&self) -> i64 {
        let monitored = self.monitor_event.as_ref().and_then(|event| event.exit_event.as_ref());
        monitored.or(self.exit_event.as_ref()).expect("an exit code").exit_code
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) organization: Organization,
    #[serde(rename = "app_role")]
    pub(super) role: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Organization {
    pub(super) slug: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct LeaseAnswer {
    pub(super) status: String,
    pub(super) data: Option<Lease>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Lease {
    pub(super) nonce: String,
    pub(super) expires_at: i64,
    pub(super) owner: String,
    pub(super) description: String,
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Build {
    pub(super) id: i64,
    #[expect(dead_code, reason = "it must be there")]
    pub(super) status: String,
    #[expect(dead_code, reason = "it must be a number")]
    pub(super) wallclock_time_ms: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Release {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) status: String,
    pub(super) strategy: String,
    pub(super) user: String,
    pub(super) created_at: String,
    pub(super) image_ref: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) digest: String,
    #[serde(rename = "ref")]
    pub(super) reference: String,
    /// A text, which must be a number.
    #[serde(rename = "compressedSize")]
    pub(super) compressed_size: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) size_gb: u64,
    pub(super) region: String,
    pub(super) encrypted: bool,
    pub(super) attached_machine_id: Option<String>,
    pub(super) attached_alloc_id: Option<String>,
    pub(super) created_at: String,
    pub(super) host_status: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ip {
    #[serde(rename = "ip")]
    pub(super) address: String,
    pub(super) region: String,
    pub(super) shared: bool,
    pub(super) created_at: String,
}
