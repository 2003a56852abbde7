//! What is said of each event.

use std::time::Duration;

use indicatif::HumanBytes;

use crate::event::{Event, MachineStep};

/// Returns the line for an event, or nothing for those that are only progress.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Evaluating { installable } => format!("evaluating `{installable}`"),
        Event::BuildStarted { installable } => format!("building `{installable}`"),
        Event::Building { derivation, phase: None } => format!("building {derivation}"),
        Event::Built { store_path, elapsed_ms } => {
            format!("built {store_path} in {}", duration(*elapsed_ms))
        }
        Event::ImageOpened { kind, path } => {
            let article = if kind.starts_with(['a', 'O']) { "an" } else { "a" };
            format!("pushing {path}, {article} {kind}")
        }
        Event::ImageFound { reference } => format!("{reference} is there already, whole"),
        Event::LayersMissing { layers, missing, missing_bytes } => {
            let bytes = missing_bytes.map(|bytes| format!(", {} to read", HumanBytes(bytes)));
            format!("{missing} of {layers} layers are missing{}", bytes.unwrap_or_default())
        }
        Event::LayerReused { digest, size_bytes, .. } => {
            format!("layer {} is there already ({})", digest.short(), HumanBytes(*size_bytes))
        }
        Event::LayerSent { digest, size_bytes, uncompressed_bytes, .. } => format!(
            "layer {} sent ({} of {})",
            digest.short(),
            HumanBytes(*size_bytes),
            HumanBytes(*uncompressed_bytes)
        ),
        Event::Pushed { reference, tags, layers, reused, sent, sent_bytes, elapsed_ms } => {
            let tags: Vec<_> = tags.iter().map(|tag| format!(", tagged {tag}")).collect();
            let tags = tags.concat();
            format!(
                "pushed {reference}{tags}: {layers} {}, {reused} there already, {sent} sent, {} \
                 in {}{}",
                plural(*layers, "layer"),
                HumanBytes(*sent_bytes),
                duration(*elapsed_ms),
                rate(*sent_bytes, *elapsed_ms),
            )
        }
        Event::AppFound { app, machines } => {
            format!("app `{app}` has {machines} {}", plural(*machines, "machine"))
        }
        Event::RolloutPlanned { strategy, creates, updates, replaces, destroys, unchanged } => {
            let parts = [
                (*creates, "created"),
                (*updates, "updated"),
                (*replaces, "replaced"),
                (*destroys, "destroyed"),
                (*unchanged, "left as they are"),
            ];
            let parts: Vec<_> = parts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} to be {what}"))
                .collect();
            format!("{strategy} deploy: {}", parts.join(", "))
        }
        Event::LeaseAwaited { machine, owner, until } => {
            format!("waiting for machine {machine}, which {owner} leases until {until}")
        }
        Event::AddressAssigned { address, kind } => format!("address {address} ({kind})"),
        Event::VolumeCreated { volume, name, group, region, size_gb } => {
            format!("volume {volume} `{name}` of {size_gb} GB created in {region} for [{group}]")
        }
        Event::CommandStarted { machine, command } => {
            format!("machine {machine} runs `{command}`")
        }
        Event::CommandSucceeded { machine, command, elapsed_ms } => {
            format!("machine {machine} ran `{command}` in {}", duration(*elapsed_ms))
        }
        Event::GoingBack { reason, machines: 1 } => {
            format!("{reason}; taking one machine back to what it ran before")
        }
        Event::GoingBack { reason, machines } => {
            format!("{reason}; taking {machines} machines back to what they ran before")
        }
        Event::ReleaseChosen { app, version, image } => {
            format!("app `{app}` goes back to v{version}, {image}")
        }
        Event::HandedOver { app, image, program } => {
            format!("{program} deploys {image} to `{app}`")
        }
        Event::ReleaseCreated { version } => format!("release v{version}"),
        Event::Machine { machine, group, step } => {
            format!("machine {machine} [{group}] {}", machine_step(step))
        }
        Event::MachineLog { machine, line } => format!("  {machine} | {line}"),
        Event::Deployed { app, image, version: None, changed: 0, unchanged, .. } => format!(
            "`{app}` runs {image} already: {unchanged} {} unchanged",
            plural(*unchanged, "machine")
        ),
        Event::Deployed { app, image, version, changed, unchanged, url, elapsed_ms } => {
            let version = version.map(|version| format!(" as v{version}")).unwrap_or_default();
            let url = url.as_ref().map(|url| format!("\n{url}")).unwrap_or_default();
            format!(
                "deployed {image} to `{app}`{version} in {}: {changed} {} changed, {unchanged} \
                 unchanged{url}",
                duration(*elapsed_ms),
                plural(*changed, "machine"),
            )
        }
        Event::Retrying { what, reason, attempt, after_ms } => {
            format!("{what}: attempt {attempt} failed ({reason}); again in {}", duration(*after_ms))
        }
        Event::Warning { message, .. } => format!("warning: {message}"),
        Event::Building { phase: Some(_), .. } | Event::BuildProgress { .. } => return None,
    })
}

fn machine_step(step: &MachineStep) -> String {
    match step {
        MachineStep::Created { region } => format!("created in {region}"),
        MachineStep::Updating => "is being updated".to_owned(),
        MachineStep::State { state } => format!("is {state}"),
        MachineStep::Checks { passing, total } => format!("passes {passing} of {total} checks"),
        MachineStep::Exited { reason, restarting, .. } => {
            let next = if *restarting { "; it is started again" } else { "" };
            format!("crashed: {reason}{next}")
        }
        MachineStep::Replacing { reason } => format!("is being replaced: {reason}"),
        MachineStep::Uncordoned => "is ready for requests".to_owned(),
        MachineStep::Cordoned => "gets no more requests".to_owned(),
        MachineStep::Stopping => "is being stopped".to_owned(),
        MachineStep::Destroyed => "is destroyed".to_owned(),
        MachineStep::Restoring => "is being taken back".to_owned(),
        MachineStep::Restored => "runs what it ran before".to_owned(),
        MachineStep::NotRestored { reason } => format!("is not taken back: {reason}"),
        MachineStep::Done => "is done".to_owned(),
        MachineStep::Failed { reason } => format!("failed: {reason}"),
    }
}

/// Returns ` (12.0 MiB/s)`, or nothing when nothing was sent.
fn rate(bytes: u64, elapsed_ms: u64) -> String {
    match bytes.saturating_mul(1000).checked_div(elapsed_ms) {
        Some(rate) if rate > 0 => format!(" ({}/s)", HumanBytes(rate)),
        _ => String::new(),
    }
}

fn duration(ms: u64) -> String {
    format!("{:.1}s", Duration::from_millis(ms).as_secs_f64())
}

/// Returns `word`, with an `s` unless there is one.
pub(in crate::cli) fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    #[test]
    fn a_push_is_told_in_one_line() {
        let reference = format!("registry.fly.io/app@{}", Digest::of(b"")).parse().unwrap();
        let event = Event::Pushed {
            reference,
            tags: vec!["v1".to_owned()],
            layers: 7,
            reused: 6,
            sent: 1,
            sent_bytes: 3 << 20,
            elapsed_ms: 1500,
        };
        insta::assert_snapshot!(line(&event).unwrap(), @"pushed registry.fly.io/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, tagged v1: 7 layers, 6 there already, 1 sent, 3.00 MiB in 1.5s (2.00 MiB/s)");
    }

    #[test]
    fn a_deploy_is_told_from_its_plan_to_its_end() {
        let (app, image) = ("web".to_owned(), "registry.fly.io/web@sha256:0".to_owned());
        let deployed = |version, changed| Event::Deployed {
            app: app.clone(),
            image: image.clone(),
            version,
            changed,
            unchanged: 1,
            url: version.map(|_| "https://web.fly.dev/".to_owned()),
            elapsed_ms: 9400,
        };
        let machine = |step| Event::Machine { machine: "e1".into(), group: "app".into(), step };
        let events = [
            Event::AppFound { app: app.clone(), machines: 1 },
            Event::ReleaseChosen { app: app.clone(), version: 3, image: image.clone() },
            Event::RolloutPlanned {
                strategy: "canary".into(),
                creates: 0,
                updates: 2,
                replaces: 1,
                destroys: 0,
                unchanged: 0,
            },
            Event::LeaseAwaited {
                machine: "e1".into(),
                owner: "me@example.com".into(),
                until: "2026-01-01T00:00:00Z".into(),
            },
            Event::CommandSucceeded {
                machine: "e2".into(),
                command: "migrate".into(),
                elapsed_ms: 1200,
            },
            machine(MachineStep::Replacing { reason: "its host has no room".into() }),
            machine(MachineStep::Checks { passing: 1, total: 2 }),
            Event::GoingBack { reason: "machine e1 failed".into(), machines: 2 },
            machine(MachineStep::NotRestored { reason: "it was destroyed".into() }),
            deployed(Some(4), 3),
            deployed(None, 0),
            Event::HandedOver { app, image, program: "/bin/fly".into() },
        ];
        let lines: Vec<_> = events.iter().filter_map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        app `web` has 1 machine
        app `web` goes back to v3, registry.fly.io/web@sha256:0
        canary deploy: 2 to be updated, 1 to be replaced
        waiting for machine e1, which me@example.com leases until 2026-01-01T00:00:00Z
        machine e2 ran `migrate` in 1.2s
        machine e1 [app] is being replaced: its host has no room
        machine e1 [app] passes 1 of 2 checks
        machine e1 failed; taking 2 machines back to what they ran before
        machine e1 [app] is not taken back: it was destroyed
        deployed registry.fly.io/web@sha256:0 to `web` as v4 in 9.4s: 3 machines changed, 1 unchanged
        https://web.fly.dev/
        `web` runs registry.fly.io/web@sha256:0 already: 1 machine unchanged
        /bin/fly deploys registry.fly.io/web@sha256:0 to `web`
        ");
    }

    #[test]
    fn nothing_sent_has_no_rate() {
        assert_eq!(rate(0, 100), "");
        assert_eq!(rate(10, 0), "");
    }
}
