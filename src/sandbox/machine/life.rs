//! What will become of a machine, and when.
//!
//! Every order that a machine gets is turned at once into the steps that follow from it.
//! Nothing here knows what time it is; steps are due so many milliseconds after another.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::MachineState as State;
use crate::fly::wire::MachineConfig;
use crate::sandbox::options::{Behavior, Pace};

/// How often a machine that crashes is started again, unless its config says otherwise.
const MAX_RETRIES: u64 = 10;

/// Something that happens to a machine at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Step {
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) state: State,
    pub(super) event: Option<StepEvent>,
    /// Lines that are written: provider, level and text.
    pub(super) lines: Vec<(String, String, String)>,
}

/// The event that a step leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::sandbox) struct StepEvent {
    pub(super) kind: String,
    /// `user` or `flyd`.
    pub(super) source: String,
    pub(super) request: Option<Value>,
}

/// The steps that follow from an order, in order of time.
#[derive(Debug)]
pub(in crate::sandbox) struct Life {
    now_ms: u64,
    pace: Pace,
    steps: Vec<Step>,
}

/// What a machine is launched with.
#[derive(Debug)]
pub(in crate::sandbox) struct Launch<'a> {
    pub(in crate::sandbox) config: &'a MachineConfig,
    pub(in crate::sandbox) behavior: Behavior,
    /// Why the image cannot be fetched, if it cannot.
    pub(in crate::sandbox) image_error: Option<String>,
}

impl Life {
    pub(in crate::sandbox) fn from(now_ms: u64, pace: Pace) -> Self {
        Self { now_ms, pace, steps: Vec::new() }
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    fn wait(&mut self, duration: Duration) {
        self.now_ms += u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    }

    fn step(&mut self, state: State, event: Option<(&str, &str)>) -> &mut Step {
        let event = event.map(|(kind, source)| StepEvent {
            kind: kind.into(),
            source: source.into(),
            request: None,
        });
        self.steps.push(Step { at_ms: self.now_ms, state, event, lines: Vec::new() });
        let last = self.steps.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was just pushed")]
        &mut self.steps[last]
    }

    /// The machine is new: it is `created`, and then launched or stopped.
    pub(in crate::sandbox) fn create(mut self, launch: Option<&Launch<'_>>) -> Self {
        self.step(State::Created, Some(("launch", "user")));
        self.wait(self.pace.created);
        if let Some(launch) = launch {
            return self.boot(launch);
        }
        self.step(State::Stopped, None);
        self
    }

    /// The machine gets another config, and then runs it if it is to run.
    pub(in crate::sandbox) fn update(mut self, runs: bool, launch: Option<&Launch<'_>>) -> Self {
        self.step(State::Replacing, Some(("update", "user")));
        self.wait(self.pace.replacing);
        if runs {
            self.exit(State::Replacing, &Exit { requested_stop: true, ..Exit::default() });
        }
        if let Some(launch) = launch {
            self.step(State::Created, Some(("launch", "user")));
            return self.boot(launch);
        }
        self.step(State::Stopped, None);
        self
    }

    /// The machine stops, and is destroyed if its config wants that.
    pub(in crate::sandbox) fn stop(mut self, auto_destroy: bool) -> Self {
        self.step(State::Stopping, Some(("stop", "user")));
        self.wait(self.pace.stopping);
        self.exit(State::Stopped, &Exit { requested_stop: true, ..Exit::default() });
        if auto_destroy { self.destroy("flyd") } else { self }
    }

    /// The machine is suspended.
    pub(in crate::sandbox) fn suspend(mut self) -> Self {
        self.step(State::Stopping, Some(("suspend", "user")));
        self.wait(self.pace.stopping);
        self.step(State::Suspended, None);
        self
    }

    /// The machine stops and starts again.
    pub(in crate::sandbox) fn restart(mut self, launch: &Launch<'_>) -> Self {
        self.step(State::Restarting, Some(("restart", "user")));
        self.wait(self.pace.stopping);
        self.exit(State::Restarting, &Exit { requested_stop: true, ..Exit::default() });
        self.boot(launch)
    }

    /// The machine is destroyed.
    pub(in crate::sandbox) fn destroy(mut self, source: &str) -> Self {
        self.step(State::Destroying, None);
        self.wait(self.pace.destroying);
        self.step(State::Destroyed, Some(("destroy", source)));
        self
    }

    /// The machine starts; what follows is a matter of its behavior.
    pub(in crate::sandbox) fn boot(mut self, launch: &Launch<'_>) -> Self {
        if let Some(error) = &launch.image_error {
            let step = self.step(State::Failed, Some(("launch", "flyd")));
            step.lines = vec![line("runner", "error", error)];
            if let Some(event) = &mut step.event {
                event.request = Some(json!({"error": error}));
            }
            return self;
        }
        let config = launch.config;
        let pulling = format!("Pulling container image {}", config.image);
        self.step(State::Starting, None).lines = vec![
            line("runner", "info", &pulling),
            line("runner", "info", "Successfully prepared image"),
            line("runner", "info", "Configuring firecracker"),
        ];
        if let Behavior::SlowStart(more) = launch.behavior {
            self.wait(more);
        }
        let policy = config.restart.as_ref().and_then(|restart| restart.policy.as_deref());
        let once = policy == Some("no");
        let ends = once && config.auto_destroy == Some(true);
        let retries = match config.restart.as_ref().and_then(|restart| restart.max_retries) {
            _ if once => 0,
            Some(retries) if retries > 0 => retries,
            _ => MAX_RETRIES,
        };
        match launch.behavior {
            Behavior::CrashAtStart { exit_code, oom_killed } => {
                for restart_count in 0..=retries {
                    self.start();
                    self.wait(self.pace.exit);
                    let restarting = restart_count < retries;
                    let state = if restarting { State::Restarting } else { State::Stopped };
                    let exit = Exit {
                        code: exit_code,
                        oom_killed,
                        restarting,
                        restart_count,
                        ..Exit::default()
                    };
                    self.exit(state, &exit);
                }
            }
            _ if ends => {
                self.start();
                self.wait(self.pace.exit);
                self.exit(State::Stopped, &Exit::default());
            }
            _ => self.start(),
        }
        let exited = self.steps.last().is_some_and(|step| step.state == State::Stopped);
        if exited && config.auto_destroy == Some(true) { self.destroy("flyd") } else { self }
    }

    fn start(&mut self) {
        self.wait(self.pace.starting);
        self.step(State::Started, Some(("start", "flyd"))).lines = vec![
            line("init", "info", " INFO Starting init (commit: 0000000)..."),
            line("init", "info", " INFO Preparing to run the command of the image as root"),
            line("app", "info", "listening"),
        ];
    }

    fn exit(&mut self, state: State, exit: &Exit) {
        let request = exit.request(self.now_ms);
        let step = self.step(state, Some(("exit", "flyd")));
        step.lines = exit.lines();
        if let Some(event) = &mut step.event {
            event.request = Some(request);
        }
    }
}

#[derive(Debug, Default)]
struct Exit {
    code: i32,
    oom_killed: bool,
    requested_stop: bool,
    restarting: bool,
    restart_count: u64,
}

impl Exit {
    fn request(&self, at_ms: u64) -> Value {
        let signal = if self.oom_killed { 9 } else { -1 };
        let exit_event = json!({
            "exit_code": self.code,
            "guest_exit_code": self.code,
            "guest_signal": signal,
            "signal": signal,
            "oom_killed": self.oom_killed,
            "requested_stop": self.requested_stop,
            "restarting": self.restarting,
            "exited_at": super::model::timestamp(at_ms),
        });
        json!({
            "exit_event": exit_event,
            "MonitorEvent": {"exit_event": exit_event},
            "restart_count": self.restart_count,
        })
    }

    fn lines(&self) -> Vec<(String, String, String)> {
        let code = self.code;
        if self.oom_killed {
            return vec![
                line("app", "error", "Out of memory: Killed process 314 (app)"),
                line("init", "info", " INFO Main child exited with signal (with signal 'SIGKILL')"),
                line("init", "info", " INFO Process appears to have been OOM killed!"),
            ];
        }
        let mut lines = Vec::new();
        if code != 0 {
            lines.push(line("app", "error", "fatal: the sandbox was ordered to crash"));
        }
        let exited = format!(" INFO Main child exited normally with code: {code}");
        lines.push(line("init", "info", &exited));
        lines
    }
}

fn line(provider: &str, level: &str, text: &str) -> (String, String, String) {
    (provider.into(), level.into(), text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(life: Life) -> Vec<String> {
        let word = |step: &Step| {
            let event = step.event.as_ref().map_or("", |event| &event.kind);
            format!("{} {} {event}", step.at_ms, step.state.as_str()).trim_end().to_owned()
        };
        life.into_steps().iter().map(word).collect()
    }

    fn config(json: Value) -> MachineConfig {
        serde_json::from_value(json).unwrap()
    }

    fn life() -> Life {
        Life::from(0, Pace::every(Duration::from_millis(10)))
    }

    fn launch(config: &MachineConfig, behavior: Behavior) -> Launch<'_> {
        Launch { config, behavior, image_error: None }
    }

    #[test]
    fn a_new_machine_is_created_started_and_stays() {
        let config = config(json!({"image": "i"}));
        let life = life().create(Some(&launch(&config, Behavior::Healthy)));
        assert_eq!(told(life), ["0 created launch", "10 starting", "20 started start"]);
    }

    #[test]
    fn a_machine_that_is_not_launched_is_stopped() {
        assert_eq!(told(life().create(None)), ["0 created launch", "10 stopped"]);
        assert_eq!(told(life().update(false, None)), ["0 replacing update", "10 stopped"]);
    }

    #[test]
    fn an_update_ends_the_old_version_and_launches_the_new() {
        let config = config(json!({"image": "i"}));
        let life = life().update(true, Some(&launch(&config, Behavior::Healthy)));
        assert_eq!(
            told(life),
            [
                "0 replacing update",
                "10 replacing exit",
                "10 created launch",
                "10 starting",
                "20 started start"
            ]
        );
    }

    #[test]
    fn a_command_that_runs_once_ends_with_its_machine() {
        let config = config(json!({
            "image": "i", "auto_destroy": true, "restart": {"policy": "no"},
        }));
        let life = life().boot(&launch(&config, Behavior::Healthy));
        assert_eq!(
            told(life),
            [
                "0 starting",
                "10 started start",
                "20 stopped exit",
                "20 destroying",
                "30 destroyed destroy"
            ]
        );
    }

    #[test]
    fn a_crash_is_repeated_as_the_restart_policy_says() {
        let config = config(json!({
            "image": "i", "restart": {"policy": "on-failure", "max_retries": 1},
        }));
        let crash = Behavior::CrashAtStart { exit_code: 3, oom_killed: false };
        let steps = life().boot(&launch(&config, crash)).into_steps();
        let exits: Vec<_> = steps
            .iter()
            .filter_map(|step| Some((step.state, step.event.as_ref()?.request.clone()?)))
            .map(|(state, request)| {
                let exit = &request["exit_event"];
                (state, exit["exit_code"].clone(), exit["restarting"].clone())
            })
            .collect();
        assert_eq!(
            exits,
            [(State::Restarting, json!(3), json!(true)), (State::Stopped, json!(3), json!(false))]
        );
    }

    #[test]
    fn an_image_that_is_not_there_fails_the_machine() {
        let config = config(json!({"image": "i"}));
        let image_error = Some("manifest unknown".to_owned());
        let launch = Launch { config: &config, behavior: Behavior::Healthy, image_error };
        assert_eq!(told(life().create(Some(&launch))), ["0 created launch", "10 failed launch"]);
    }
}
