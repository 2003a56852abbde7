//! What happens, as values, for whoever wants to show it.
//!
//! The library knows no other way to speak: it never prints. `tracing` is for its
//! developers; events are for its users, and their JSON is a public format: fields are
//! added, never renamed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::image::{DiffId, Digest, Reference};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Nix begins to evaluate, which builds nothing.
    Evaluating {
        /// What is evaluated, such as `.#container`.
        installable: String,
    },
    /// Nix begins to build.
    BuildStarted {
        /// What is built, such as `.#container`.
        installable: String,
    },
    /// A derivation is being built, or has entered another phase of its build.
    Building {
        /// Name of the derivation, without hash and `.drv`.
        derivation: String,
        /// The phase, such as `buildPhase`, once one is known.
        phase: Option<String>,
    },
    /// How far the build is. The numbers are Nix's own estimates and may go back.
    BuildProgress {
        /// Derivations built.
        built: u64,
        /// Derivations that Nix expects to build in all.
        expected: u64,
        /// Bytes downloaded from binary caches, compressed.
        downloaded_bytes: u64,
        /// Bytes that Nix expects to download in all.
        expected_bytes: u64,
    },
    /// The installable has been built.
    Built {
        /// The output's store path.
        store_path: String,
        /// Milliseconds that it took.
        elapsed_ms: u64,
    },
    /// The image's bytes are about to be read.
    ImageOpened {
        /// What kind of image it is, such as `docker archive (gzip)`.
        kind: String,
        /// The file.
        path: String,
    },
    /// The registry has this very image already, under the tag of its store path: nothing is
    /// read.
    ImageFound {
        /// The image by digest.
        reference: Reference,
    },
    /// It is known which layers must be sent.
    LayersMissing {
        /// Layers in the image.
        layers: usize,
        /// Layers that the registry has not got.
        missing: usize,
        /// Bytes that are to be read for them, where that is known.
        missing_bytes: Option<u64>,
    },
    /// The registry has a layer already; it is not sent.
    LayerReused {
        /// Digest of the uncompressed tar.
        diff_id: DiffId,
        /// Digest of the blob.
        digest: Digest,
        /// Size of the blob in bytes.
        size_bytes: u64,
    },
    /// A layer has been sent and the registry has confirmed its digest.
    LayerSent {
        /// Digest of the uncompressed tar.
        diff_id: DiffId,
        /// Digest of the blob.
        digest: Digest,
        /// Size of the blob in bytes.
        size_bytes: u64,
        /// Size of the uncompressed tar in bytes.
        uncompressed_bytes: u64,
    },
    /// The image is in the registry, whole.
    Pushed {
        /// The image by digest.
        reference: Reference,
        /// The tags that point to it now.
        tags: Vec<String>,
        /// Layers in the image.
        layers: usize,
        /// Layers that were there already.
        reused: usize,
        /// Layers that were sent.
        sent: usize,
        /// Bytes of the blobs that were sent, the config included.
        sent_bytes: u64,
        /// Milliseconds from opening the image to the last answer.
        elapsed_ms: u64,
    },
    /// The app that is deployed to was found.
    AppFound {
        /// Its name.
        app: String,
        /// Machines that deploys manage.
        machines: usize,
    },
    /// It is known what is to be done with the app's machines.
    RolloutPlanned {
        /// How machines are replaced, such as `rolling`.
        strategy: String,
        /// Machines that are created, spares included.
        creates: usize,
        /// Machines that get another configuration.
        updates: usize,
        /// Machines that make way for new ones.
        replaces: usize,
        /// Machines that are destroyed.
        destroys: usize,
        /// Machines that stay as they are.
        unchanged: usize,
    },
    /// Another deploy holds a machine, and it is waited for.
    LeaseAwaited {
        /// ID of the machine.
        machine: String,
        /// Who holds the lease, as far as the platform tells.
        owner: String,
        /// When it ends by itself, RFC 3339.
        until: String,
    },
    /// An IP address was given to the app.
    AddressAssigned {
        /// The address.
        address: String,
        /// What kind, such as `shared_v4`.
        kind: String,
    },
    /// A volume was made.
    VolumeCreated {
        /// The platform's ID of it.
        volume: String,
        /// Its name.
        name: String,
        /// The process group that it is for.
        group: String,
        /// Where it is.
        region: String,
        /// Its size in GB.
        size_gb: u64,
    },
    /// A machine was made that runs one command: the release command, or a machine check.
    CommandStarted {
        /// ID of the machine.
        machine: String,
        /// The command.
        command: String,
    },
    /// The command came to a good end.
    CommandSucceeded {
        /// ID of the machine.
        machine: String,
        /// The command.
        command: String,
        /// Milliseconds that it took.
        elapsed_ms: u64,
    },
    /// A deploy failed, and machines get back what they ran before.
    GoingBack {
        /// Why, in one sentence.
        reason: String,
        /// Machines that were changed or made.
        machines: usize,
    },
    /// It is known to which release's image an app goes back.
    ReleaseChosen {
        /// The app.
        app: String,
        /// Number of the release.
        version: u64,
        /// Its image, by digest where that is known.
        image: String,
    },
    /// The deploy is left to another program.
    HandedOver {
        /// The app.
        app: String,
        /// The image, as the program is told of it.
        image: String,
        /// The program.
        program: String,
    },
    /// The platform has recorded a release.
    ReleaseCreated {
        /// Number of the release, from 1.
        version: u64,
    },
    /// A machine has come a step further.
    Machine {
        /// The machine's ID.
        machine: String,
        /// Its process group.
        group: String,
        /// What happened to it.
        #[serde(flatten)]
        step: MachineStep,
    },
    /// A line that a machine wrote, shown because something failed or because the machine runs
    /// one command.
    MachineLog {
        /// The machine's ID.
        machine: String,
        /// The line, cleaned of control characters.
        line: String,
    },
    /// The app runs the image.
    Deployed {
        /// The app.
        app: String,
        /// The image by digest.
        image: String,
        /// Number of the release, if the platform recorded one.
        version: Option<u64>,
        /// Machines that were updated or created.
        changed: usize,
        /// Machines that ran this image and configuration already.
        unchanged: usize,
        /// Where the app can be reached, if it has a public HTTP service.
        url: Option<String>,
        /// Milliseconds from the first request to the last machine.
        elapsed_ms: u64,
    },
    /// A request failed and will be sent again.
    Retrying {
        /// What was attempted, such as `PUT manifest`.
        what: String,
        /// Why it failed.
        reason: String,
        /// Number of the attempt that failed, from 1.
        attempt: u32,
        /// Milliseconds until the next attempt.
        after_ms: u64,
    },
    /// Something that the user should know, though the work goes on.
    Warning {
        /// A stable word, such as `fly.release-not-recorded`.
        code: &'static str,
        /// The text, a sentence without a full stop.
        message: String,
    },
}

/// What happened to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MachineStep {
    /// It was created.
    Created {
        /// The region it runs in.
        region: String,
    },
    /// It is being given the new configuration.
    Updating,
    /// It is in this state now.
    State {
        /// The platform's word, such as `started`.
        state: String,
    },
    /// Its health checks were looked at.
    Checks {
        /// Checks that pass.
        passing: usize,
        /// Checks that it has.
        total: usize,
    },
    /// Its process ended, and nobody had asked for that.
    Exited {
        /// How, in one sentence.
        reason: String,
        /// Exit code of the process.
        exit_code: i64,
        /// The signal that ended it.
        signal: Option<i64>,
        /// Whether the kernel killed it for want of memory.
        oom_killed: bool,
        /// How often the machine has been restarted, if the platform tells.
        restart_count: Option<u64>,
        /// Whether the platform starts it again.
        restarting: bool,
    },
    /// It makes way for a new machine.
    Replacing {
        /// Why, in half a sentence.
        reason: String,
    },
    /// The proxy sends requests to it from now on.
    Uncordoned,
    /// The proxy sends no more requests to it.
    Cordoned,
    /// It is being stopped.
    Stopping,
    /// It is gone.
    Destroyed,
    /// It is being given back what it ran before.
    Restoring,
    /// It runs what it ran before.
    Restored,
    /// It could not be given back what it ran before.
    NotRestored {
        /// Why, in one sentence.
        reason: String,
    },
    /// It runs the new image and is healthy, or is stopped and will run it.
    Done,
    /// It will not become healthy.
    Failed {
        /// Why, in one sentence.
        reason: String,
    },
}

/// Receives events.
pub trait Reporter: Send + Sync {
    /// Takes one event. It must return at once: it is called from the pipeline.
    fn report(&self, event: Event);

    /// Begins to measure one transfer. The reporter samples the meter when it draws;
    /// `total_bytes` is the size of the blob, where it is known beforehand.
    fn transfer(&self, name: &str, total_bytes: Option<u64>) -> Meter;
}

/// Counts the bytes of one transfer. The transfer is over when the last clone that the
/// pipeline holds is dropped.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Adds bytes that were handed to the connection.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes counted so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns whether only one holder, the reporter, is left.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Tells nobody anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _event: Event) {}

    fn transfer(&self, _name: &str, _total_bytes: Option<u64>) -> Meter {
        Meter::default()
    }
}

/// Keeps every event, for whoever wants to look at them afterwards.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// Returns the events so far, in their order.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn transfer(&self, _name: &str, _total_bytes: Option<u64>) -> Meter {
        Meter::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_events_is_pinned() {
        let digest = Digest::of(b"");
        let events = [
            Event::LayerReused { diff_id: DiffId(digest), digest, size_bytes: 3 },
            Event::Machine {
                machine: "e784".into(),
                group: "app".into(),
                step: MachineStep::Checks { passing: 1, total: 2 },
            },
            Event::Warning { code: "fly.release-not-recorded", message: "no".into() },
        ];
        let lines: Vec<_> = events.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"event":"layer_reused","diff_id":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size_bytes":3}
        {"event":"machine","machine":"e784","group":"app","step":"checks","passing":1,"total":2}
        {"event":"warning","code":"fly.release-not-recorded","message":"no"}
        "#);
    }
}
