//! What will become of a machine, and when.
//!
//! Every order that a machine gets is turned at once into the steps that follow from it, up
//! to the next end of its process. Nothing here knows what time it is; steps are due so many
//! milliseconds after another.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::exit::{End, Exit};
use super::log::{Line, line};
use super::{Machine, MachineState as State};
use crate::fly::wire::MachineConfig;
use crate::sandbox::behavior::Behavior;
use crate::sandbox::pace::Pace;

/// As long as a machine that is started again and again rests in between, at least.
const BETWEEN_STARTS: Duration = Duration::from_millis(10);

/// Something that happens to a machine at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Step {
    /// Milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) state: State,
    pub(super) event: Option<StepEvent>,
    /// Lines that are written.
    pub(super) lines: Vec<Line>,
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
    /// How often the machine has been restarted when it runs again after the last step.
    again: Option<u64>,
}

/// What a machine is launched with.
#[derive(Debug)]
pub(in crate::sandbox) struct Launch<'a> {
    pub(in crate::sandbox) config: &'a MachineConfig,
    pub(in crate::sandbox) behavior: Behavior,
    /// What is wrong with the image, if anything is.
    pub(in crate::sandbox) flaw: Option<ImageFlaw>,
}

/// Why an image is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum ImageFlaw {
    /// It cannot be fetched, for this reason.
    NotThere(String),
    /// It does not fit on the disk.
    TooLarge,
}

impl Life {
    pub(in crate::sandbox) fn from(now_ms: u64, pace: Pace) -> Self {
        Self { now_ms, pace, steps: Vec::new(), again: None }
    }

    /// Gives a machine this life, in place of the one that was ahead of it.
    pub(in crate::sandbox) fn lead(self, machine: &mut Machine) {
        machine.ahead = self.steps;
        machine.again = self.again;
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
            self.exit(State::Replacing, &Exit::wanted());
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
        self.exit(State::Stopped, &Exit::wanted());
        if auto_destroy { self.destroy("flyd") } else { self }
    }

    /// The machine is suspended.
    pub(in crate::sandbox) fn suspend(mut self) -> Self {
        self.step(State::Suspending, Some(("suspend", "user")));
        self.wait(self.pace.stopping);
        self.step(State::Suspended, None);
        self
    }

    /// The machine stops and starts again.
    pub(in crate::sandbox) fn restart(mut self, launch: &Launch<'_>) -> Self {
        self.step(State::Restarting, Some(("restart", "user")));
        self.wait(self.pace.stopping);
        self.exit(State::Restarting, &Exit::wanted());
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
        let flaw = match launch.behavior {
            Behavior::Unpullable => {
                let image = &launch.config.image;
                Some(ImageFlaw::NotThere(format!("failed to get manifest {image}: unauthorized")))
            }
            _ => launch.flaw.clone(),
        };
        if let Some(ImageFlaw::NotThere(error)) = &flaw {
            let step = self.step(State::Failed, Some(("launch", "flyd")));
            step.lines = vec![line("runner", "error", error)];
            if let Some(event) = &mut step.event {
                event.request = Some(json!({"error": error}));
            }
            return self;
        }
        let pulling = format!("Pulling container image {}", launch.config.image);
        let lines = &mut self.step(State::Starting, None).lines;
        lines.push(line("runner", "info", &pulling));
        if flaw == Some(ImageFlaw::TooLarge) {
            let text = "Not enough space to unpack image, possibly exceeds maximum of 8GB \
                        uncompressed";
            lines.push(line("runner", "error", text));
            return self;
        }
        lines.push(line("runner", "info", "Successfully prepared image"));
        lines.push(line("runner", "info", "Configuring firecracker"));
        match launch.behavior {
            Behavior::NeverStarts => return self,
            Behavior::SlowStart(more) => self.wait(more),
            _ => {}
        }
        self.run(launch.config, launch.behavior, 0)
    }

    /// The process runs, having been restarted so often, until it ends by itself.
    pub(super) fn run(mut self, config: &MachineConfig, behavior: Behavior, restarts: u64) -> Self {
        let rest = if restarts > 0 { BETWEEN_STARTS } else { Duration::ZERO };
        self.wait(self.pace.starting.max(rest));
        self.step(State::Started, Some(("start", "flyd"))).lines = vec![
            line("init", "info", " INFO Starting init (commit: 0000000)..."),
            line("init", "info", " INFO Preparing to run the command of the image as root"),
            line("app", "info", "listening"),
        ];
        let Some(end) = End::of(config, behavior, &self.pace) else { return self };
        self.wait(end.after);
        self.end(config, end, restarts)
    }

    /// The process ends, and the restart policy says what follows.
    pub(in crate::sandbox) fn end(
        mut self,
        config: &MachineConfig,
        end: End,
        restarts: u64,
    ) -> Self {
        let restarting = end.is_followed_by_a_start(config, restarts);
        let exit = Exit {
            code: end.code,
            oom_killed: end.oom_killed,
            requested_stop: false,
            restarting,
            restart_count: restarts,
        };
        self.exit(if restarting { State::Restarting } else { State::Stopped }, &exit);
        if restarting {
            self.again = Some(restarts + 1);
            self
        } else if config.auto_destroy == Some(true) {
            self.destroy("flyd")
        } else {
            self
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(life: &Life) -> Vec<String> {
        let word = |step: &Step| {
            let event = step.event.as_ref().map_or("", |event| &event.kind);
            format!("{} {} {event}", step.at_ms, step.state.as_str()).trim_end().to_owned()
        };
        life.steps.iter().map(word).collect()
    }

    fn config(json: Value) -> MachineConfig {
        serde_json::from_value(json).unwrap()
    }

    fn life() -> Life {
        Life::from(0, Pace::every(Duration::from_millis(10)))
    }

    fn launch(config: &MachineConfig, behavior: Behavior) -> Launch<'_> {
        Launch { config, behavior, flaw: None }
    }

    #[test]
    fn a_new_machine_is_created_started_and_stays() {
        let config = config(json!({"image": "i"}));
        let life = life().create(Some(&launch(&config, Behavior::Healthy)));
        assert_eq!(told(&life), ["0 created launch", "10 starting", "20 started start"]);
    }

    #[test]
    fn a_machine_that_is_not_launched_is_stopped() {
        assert_eq!(told(&life().create(None)), ["0 created launch", "10 stopped"]);
        assert_eq!(told(&life().update(false, None)), ["0 replacing update", "10 stopped"]);
    }

    #[test]
    fn an_update_ends_the_old_version_and_launches_the_new() {
        let config = config(json!({"image": "i"}));
        let life = life().update(true, Some(&launch(&config, Behavior::Healthy)));
        assert_eq!(
            told(&life),
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
            told(&life),
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
    fn a_crash_is_followed_by_another_run_as_long_as_the_policy_allows() {
        let config = config(json!({
            "image": "i", "restart": {"policy": "on-failure", "max_retries": 1},
        }));
        let crash = Behavior::CrashAtStart { exit_code: 3, oom_killed: false };
        let first = life().boot(&launch(&config, crash));
        assert_eq!(told(&first), ["0 starting", "10 started start", "20 restarting exit"]);
        assert_eq!(first.again, Some(1));
        let exit = &first.steps[2].event.as_ref().unwrap().request.as_ref().unwrap()["exit_event"];
        assert_eq!((&exit["exit_code"], &exit["restarting"]), (&json!(3), &json!(true)));
        let last = life().run(&config, crash, 1);
        assert_eq!(told(&last), ["10 started start", "20 stopped exit"]);
        assert_eq!(last.again, None);
    }

    #[test]
    fn an_image_that_is_not_there_fails_the_machine_and_one_too_large_holds_it_up() {
        let config = config(json!({"image": "i"}));
        let mut launch = launch(&config, Behavior::Healthy);
        launch.flaw = Some(ImageFlaw::NotThere("manifest unknown".to_owned()));
        assert_eq!(told(&life().create(Some(&launch))), ["0 created launch", "10 failed launch"]);
        launch.flaw = Some(ImageFlaw::TooLarge);
        let life = life().boot(&launch);
        assert_eq!(told(&life), ["0 starting"]);
        assert!(life.steps[0].lines[1].2.contains("Not enough space"));
    }
}
