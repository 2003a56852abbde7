//! How machines fare once they are launched.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a machine fares once it is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Behavior {
    /// It starts, and its checks pass. A command that runs once ends with exit code 0.
    #[default]
    Healthy,
    /// It starts and exits at once, again and again as the restart policy says.
    CrashAtStart {
        /// What the process exits with.
        exit_code: i32,
        /// Whether it was killed for want of memory.
        oom_killed: bool,
    },
    /// It runs well for so long and exits with code 1, after each restart anew.
    CrashLater(Duration),
    /// Its process ends by itself.
    Exit {
        /// What it exits with.
        code: i32,
        /// How long it lives; the sandbox's pace decides if nothing is said.
        after: Option<Duration>,
    },
    /// It starts, and its checks stay critical.
    ChecksNeverPass,
    /// It starts, and its checks pass and fail by turns.
    ChecksFlap,
    /// It takes this much longer to start.
    SlowStart(Duration),
    /// It stays in `starting`.
    NeverStarts,
    /// Its image cannot be pulled.
    Unpullable,
    /// Its process listens on the loopback interface alone.
    ListensOnLoopback,
}

/// The words that order a behavior.
pub(super) const WORDS: &str = "`ok`, `crash[:CODE]`, `crash-later:SECONDS`, `oom`, \
     `exit:CODE[:SECONDS]`, `unhealthy`, `flapping`, `slow:SECONDS`, `stuck`, `unpullable` or \
     `loopback`";

impl Behavior {
    /// Reads `ok`, `crash`, `crash:CODE`, `crash-later:SECONDS`, `oom`, `exit:CODE`,
    /// `exit:CODE:SECONDS`, `unhealthy`, `flapping`, `slow:SECONDS`, `stuck`, `unpullable` or
    /// `loopback`.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word, Some(argument)),
            None => (text, None),
        };
        match (word, argument) {
            ("ok", None) => Some(Self::Healthy),
            ("crash", None) => Some(Self::CrashAtStart { exit_code: 1, oom_killed: false }),
            ("crash", Some(code)) => {
                let exit_code = code.parse().ok()?;
                Some(Self::CrashAtStart { exit_code, oom_killed: false })
            }
            ("crash-later", Some(after)) => Some(Self::CrashLater(seconds(after)?)),
            ("oom", None) => Some(Self::CrashAtStart { exit_code: 137, oom_killed: true }),
            ("exit", Some(argument)) => {
                let (code, after) = match argument.split_once(':') {
                    Some((code, after)) => (code, Some(seconds(after)?)),
                    None => (argument, None),
                };
                Some(Self::Exit { code: code.parse().ok()?, after })
            }
            ("unhealthy", None) => Some(Self::ChecksNeverPass),
            ("flapping", None) => Some(Self::ChecksFlap),
            ("slow", Some(more)) => Some(Self::SlowStart(seconds(more)?)),
            ("stuck", None) => Some(Self::NeverStarts),
            ("unpullable", None) => Some(Self::Unpullable),
            ("loopback", None) => Some(Self::ListensOnLoopback),
            _ => None,
        }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// What a machine is for, by its process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It runs a group of the app.
    App,
    /// It runs the release command.
    Release,
    /// It tests a machine that was just updated.
    Test,
}

impl Role {
    /// Reads it from a machine's config.
    pub(super) fn of(config: &Value) -> Self {
        let metadata = |key| config.get("metadata")?.get(key)?.as_str();
        match (metadata("fly_process_group"), metadata("process_group")) {
            (Some("fly_app_release_command"), _) | (_, Some("release_command")) => Self::Release,
            (Some("fly_app_test_machine_command"), _) => Self::Test,
            _ => Self::App,
        }
    }

    /// Returns the variable in a machine's environment that orders how it fares.
    fn variable(self) -> &'static str {
        match self {
            Self::App => "SNOWBIRD_SANDBOX",
            Self::Release => "SNOWBIRD_SANDBOX_RELEASE",
            Self::Test => "SNOWBIRD_SANDBOX_TEST",
        }
    }
}

/// What was ordered for machines, besides what their own configs order.
#[derive(Debug, Default)]
pub(super) struct Behaviors {
    apps: BTreeMap<String, Behavior>,
    groups: BTreeMap<(String, String), Behavior>,
    machines: BTreeMap<(String, String), Behavior>,
}

impl Behaviors {
    pub(super) fn set_app(&mut self, app: &str, behavior: Behavior) {
        self.apps.insert(app.to_owned(), behavior);
    }

    pub(super) fn set_group(&mut self, app: &str, group: &str, behavior: Behavior) {
        self.groups.insert((app.to_owned(), group.to_owned()), behavior);
    }

    pub(super) fn set_machine(&mut self, app: &str, machine: &str, behavior: Behavior) {
        self.machines.insert((app.to_owned(), machine.to_owned()), behavior);
    }

    /// Decides how a machine fares: its environment goes first, then what was ordered for
    /// the machine, its group, and its app. What is ordered for an app is not for commands
    /// that run once.
    ///
    /// Fails with what the environment orders, if that is no behavior.
    pub(super) fn of(&self, app: &str, machine: &str, config: &Value) -> Result<Behavior, String> {
        let role = Role::of(config);
        let variable = role.variable();
        let ordered = config.get("env").and_then(|env| env.get(variable)).and_then(Value::as_str);
        if let Some(text) = ordered {
            return Behavior::parse(text).ok_or_else(|| format!("{variable}={text}"));
        }
        let group = config.get("metadata").and_then(|metadata| metadata.get("fly_process_group"));
        let group = group.and_then(Value::as_str).unwrap_or_default();
        let key = |name: &str| (app.to_owned(), name.to_owned());
        let ordered = self
            .machines
            .get(&key(machine))
            .or_else(|| self.groups.get(&key(group)))
            .or_else(|| self.apps.get(app).filter(|_| role == Role::App));
        Ok(ordered.copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn behavior_is_ordered_by_a_word() {
        let s = Duration::from_secs;
        for (text, expected) in [
            ("crash:3", Behavior::CrashAtStart { exit_code: 3, oom_killed: false }),
            ("oom", Behavior::CrashAtStart { exit_code: 137, oom_killed: true }),
            ("crash-later:2", Behavior::CrashLater(s(2))),
            ("exit:0", Behavior::Exit { code: 0, after: None }),
            ("exit:7:5", Behavior::Exit { code: 7, after: Some(s(5)) }),
            ("slow:1.5", Behavior::SlowStart(Duration::from_millis(1500))),
            ("unpullable", Behavior::Unpullable),
            ("flapping", Behavior::ChecksFlap),
        ] {
            assert_eq!(Behavior::parse(text), Some(expected), "{text}");
        }
        for wrong in ["slow:-1", "crash:one", "on fire", "exit", "exit:1:", "ok:1", "stuck:2"] {
            assert_eq!(Behavior::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_word_that_is_told_is_understood() {
        for word in WORDS.split('`').skip(1).step_by(2) {
            let filled = word.replace("[:CODE]", ":1").replace("[:SECONDS]", ":2");
            let filled = filled.replace("CODE", "1").replace("SECONDS", "2");
            assert!(Behavior::parse(&filled).is_some(), "{filled}");
        }
    }

    #[test]
    fn each_role_has_a_variable_of_its_own() {
        let behaviors = Behaviors::default();
        let of = |group: &str| {
            let config = json!({
                "metadata": {"fly_process_group": group},
                "env": {
                    "SNOWBIRD_SANDBOX": "unhealthy",
                    "SNOWBIRD_SANDBOX_RELEASE": "exit:1",
                    "SNOWBIRD_SANDBOX_TEST": "exit:2",
                },
            });
            behaviors.of("web", "e1", &config).unwrap()
        };
        assert_eq!(of("web"), Behavior::ChecksNeverPass);
        assert_eq!(of("fly_app_release_command"), Behavior::Exit { code: 1, after: None });
        assert_eq!(of("fly_app_test_machine_command"), Behavior::Exit { code: 2, after: None });
        let wrong = json!({"env": {"SNOWBIRD_SANDBOX": "on fire"}});
        assert_eq!(behaviors.of("web", "e1", &wrong).unwrap_err(), "SNOWBIRD_SANDBOX=on fire");
    }

    #[test]
    fn the_nearest_order_counts_and_an_apps_is_not_for_its_release_command() {
        let mut behaviors = Behaviors::default();
        behaviors.set_app("web", Behavior::ChecksNeverPass);
        behaviors.set_group("web", "worker", Behavior::NeverStarts);
        behaviors.set_machine("web", "e1", Behavior::ChecksFlap);
        let of = |app, machine, group: &str| {
            let config = json!({"metadata": {"fly_process_group": group}});
            behaviors.of(app, machine, &config).unwrap()
        };
        assert_eq!(of("web", "e1", "worker"), Behavior::ChecksFlap);
        assert_eq!(of("web", "e2", "worker"), Behavior::NeverStarts);
        assert_eq!(of("web", "e2", "app"), Behavior::ChecksNeverPass);
        assert_eq!(of("web", "e2", "fly_app_release_command"), Behavior::Healthy);
        assert_eq!(of("api", "e1", "app"), Behavior::Healthy);
    }
}
