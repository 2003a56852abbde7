//! Which machines run what after a deploy that failed, one a line.

use std::collections::BTreeMap;

use super::exit::Failure;
use super::table::columns;
use crate::deploy;
use crate::rollout::{Error, LeftAlone, Standing};

/// So many machines are told within the sentence.
const IN_A_SENTENCE: usize = 3;

/// Makes a failure of a deploy's error. Where it is about many machines, people get a list of
/// them.
pub(super) fn failure(error: deploy::Error) -> Failure {
    let listed = error.rollout().and_then(|rollout| {
        let (short, rows) = listed(rollout)?;
        let sentence = error.to_string().replacen(&rollout.to_string(), &short, 1);
        let list = columns(&rows).replace('\n', "\n  ");
        Some(format!("{sentence}\n  {list}"))
    });
    let failure = Failure::of(error);
    match listed {
        Some(text) => failure.told_as(&text),
        None => failure,
    }
}

/// Returns what went wrong, without the machines, and a row for each of them.
fn listed(error: &Error) -> Option<(String, Vec<[String; 2]>)> {
    let (short, machines) = match error {
        Error::RolledBack { failure, restored_machines } => {
            let machine = |machine: &String| (machine.clone(), "taken back".to_owned());
            let machines: BTreeMap<_, _> = restored_machines.iter().map(machine).collect();
            (format!("{failure}; all machines run what they ran before"), machines)
        }
        Error::Unhealthy { failure, standing, left } => {
            let mut machines = runs(standing);
            for LeftAlone { machine, reason } in left {
                let runs = machines.entry(machine.clone()).or_default();
                let parting = if runs.is_empty() { "" } else { ", " };
                *runs = format!("{runs}{parting}not taken back: {reason}");
            }
            (failure.to_string(), machines)
        }
        Error::Interrupted { standing } => ("interrupted".to_owned(), runs(standing)),
        _ => return None,
    };
    (machines.len() > IN_A_SENTENCE)
        .then(|| (short, machines.into_iter().map(|(machine, runs)| [machine, runs]).collect()))
}

/// Returns the image that each machine has.
fn runs(standing: &Standing) -> BTreeMap<String, String> {
    let all = |machines: &[String], runs: &str| -> Vec<_> {
        machines.iter().map(|machine| (machine.clone(), runs.to_owned())).collect()
    };
    let (new, old) =
        (all(&standing.changed, "the new image"), all(&standing.unchanged, "the old image"));
    new.into_iter().chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout;

    fn unhealthy(changed: &[&str], unchanged: &[&str], left: &[&str]) -> Error {
        let list = |machines: &[&str]| machines.iter().map(|&m| m.to_owned()).collect();
        Error::Unhealthy {
            failure: Box::new(rollout::Failure::Machine {
                machine: "e1".to_owned(),
                group: "app".to_owned(),
                reason: "its process exited with code 3".to_owned(),
            }),
            standing: Standing { changed: list(changed), unchanged: list(unchanged) },
            left: left
                .iter()
                .map(|&machine| LeftAlone {
                    machine: machine.to_owned(),
                    reason: "its host is gone".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn many_machines_are_told_one_a_line() {
        let error = unhealthy(&["e1", "e2"], &["e3", "e4000"], &["e2"]);
        let failure = failure(deploy::Error::from(error));
        insta::assert_snapshot!(failure.text(), @r"
        error: machine e1 of `app` is not healthy: its process exited with code 3
          e1     the new image
          e2     the new image, not taken back: its host is gone
          e3     the old image
          e4000  the old image

        hint: mend it and deploy again, or go back to an earlier release with `snowbird rollback`
        ");
        assert!(failure.account().message.contains("with the new image: e1, e2"));
    }

    #[test]
    fn a_few_machines_are_told_in_the_sentence() {
        let failure = failure(deploy::Error::from(unhealthy(&["e1"], &["e3"], &[])));
        assert_eq!(failure.text(), failure.account().to_string());
    }

    #[test]
    fn of_several_apps_the_list_comes_after_the_others() {
        let app = |name: &str| name.parse().unwrap();
        let error = deploy::Error::OneOfSeveral {
            app: app("cron"),
            deployed: vec![app("web")],
            not_begun: Vec::new(),
            error: Box::new(unhealthy(&["e1", "e2", "e3"], &["e4"], &[])),
        };
        let text = failure(error).text();
        let expected = "app `cron`: machine e1 of `app` is not healthy: its process exited with \
                        code 3; deployed before: `web`\n  e1  the new image";
        assert!(text.contains(expected), "{text}");
    }
}
