//! Bars that move: for somebody who watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use super::super::output::Output;
use super::words;
use crate::event::{Event, MachineStep, Meter, Reporter};

/// A line that says what is going on.
const LINE: &str = "{spinner:.dim} {wide_msg}";

/// How often meters are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Draws a bar for each transfer, a line for each machine that is worked on, and one line for
/// what Nix does. What stays true is written above them.
pub(super) struct Bars {
    output: Output,
    shared: Arc<Shared>,
}

struct Shared {
    bars: MultiProgress,
    build: ProgressBar,
    transfers: Mutex<Vec<(Meter, ProgressBar)>>,
    machines: Mutex<BTreeMap<String, ProgressBar>>,
    over: Mutex<bool>,
}

/// The thread that draws. Dropping it takes the bars away.
pub(in super::super) struct Display {
    output: Output,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Starts to draw on stderr.
pub(super) fn start(output: Output) -> (Arc<Bars>, Display) {
    let bars = MultiProgress::new();
    let build = bars.add(ProgressBar::new_spinner());
    build.set_style(style(LINE));
    output.show_above(Some(bars.clone()));
    let shared = Arc::new(Shared {
        bars,
        build,
        transfers: Mutex::default(),
        machines: Mutex::default(),
        over: Mutex::new(false),
    });
    let drawn = Arc::clone(&shared);
    let thread = thread::spawn(move || {
        while !*drawn.over.lock().unwrap_or_else(PoisonError::into_inner) {
            drawn.tick();
            thread::sleep(TICK);
        }
    });
    let bars = Bars { output: output.clone(), shared: Arc::clone(&shared) };
    (Arc::new(bars), Display { output, shared, thread: Some(thread) })
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Shared {
    fn tick(&self) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.retain(|(meter, bar)| {
            bar.set_position(meter.bytes());
            if meter.is_over() {
                bar.finish_and_clear();
                self.bars.remove(bar);
            }
            !meter.is_over()
        });
        if !self.build.message().is_empty() {
            self.build.tick();
        }
        self.machines().values().for_each(ProgressBar::tick);
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what a machine does now.
    fn show_machine(&self, machine: &str, doing: String) {
        let bar = self
            .machines()
            .entry(machine.to_owned())
            .or_insert_with(|| self.bars.add(ProgressBar::new_spinner().with_style(style(LINE))))
            .clone();
        bar.set_message(doing);
    }

    /// Shows nothing of a machine any more.
    fn hide_machine(&self, machine: &str) {
        if let Some(bar) = self.machines().remove(machine) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn hide_machines(&self) {
        let all: Vec<_> = self.machines().keys().cloned().collect();
        for machine in all {
            self.hide_machine(&machine);
        }
    }
}

/// What a step of a machine means for whoever watches.
enum Shown {
    /// It goes on.
    Meanwhile,
    /// It should be read afterwards, but the machine goes on.
    Noteworthy,
    /// The machine is at an end.
    Last,
}

impl Shown {
    fn of(step: &MachineStep) -> Self {
        match step {
            MachineStep::Created { .. }
            | MachineStep::Exited { .. }
            | MachineStep::Replacing { .. } => Self::Noteworthy,
            MachineStep::Done
            | MachineStep::Failed { .. }
            | MachineStep::Destroyed
            | MachineStep::Restored
            | MachineStep::NotRestored { .. } => Self::Last,
            MachineStep::Updating
            | MachineStep::State { .. }
            | MachineStep::Checks { .. }
            | MachineStep::Uncordoned
            | MachineStep::Cordoned
            | MachineStep::Stopping
            | MachineStep::Restoring => Self::Meanwhile,
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        // A bar that is dropped unfinished draws itself once more.
        let mut transfers = self.shared.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.drain(..).for_each(|(_, bar)| bar.finish_and_clear());
        drop(transfers);
        self.shared.hide_machines();
        self.shared.build.finish_and_clear();
        drop(self.shared.bars.clear());
        self.output.show_above(None);
    }
}

impl Reporter for Bars {
    fn report(&self, event: Event) {
        let build = &self.shared.build;
        match &event {
            Event::Building { derivation, phase } => {
                let phase = phase.as_deref().map(|phase| format!(" ({phase})")).unwrap_or_default();
                build.set_message(format!("building {derivation}{phase}"));
                return;
            }
            Event::BuildProgress { built, expected, downloaded_bytes, expected_bytes } => {
                if *expected_bytes > 0 {
                    build.set_message(format!(
                        "{built} of {expected} built, {} of {} downloaded",
                        HumanBytes(*downloaded_bytes),
                        HumanBytes(*expected_bytes)
                    ));
                }
                return;
            }
            Event::Built { .. } => build.set_message(""),
            Event::Deployed { .. } | Event::HandedOver { .. } => self.shared.hide_machines(),
            Event::Machine { machine, step, .. } => match Shown::of(step) {
                Shown::Meanwhile => {
                    let doing = words::line(&event).unwrap_or_default();
                    return self.shared.show_machine(machine, doing);
                }
                Shown::Noteworthy => {}
                Shown::Last => self.shared.hide_machine(machine),
            },
            _ => {}
        }
        if let Some(line) = words::line(&event) {
            self.output.line(&line);
        }
    }

    fn transfer(&self, name: &str, total_bytes: Option<u64>) -> Meter {
        let meter = Meter::default();
        let bar = match total_bytes {
            Some(total) => ProgressBar::new(total).with_style(style(
                "  {prefix} {bar:30.cyan/dim} {bytes:>10} of {total_bytes:<10} {bytes_per_sec}",
            )),
            None => ProgressBar::new_spinner()
                .with_style(style("  {prefix} {spinner} {bytes:>10} {bytes_per_sec}")),
        };
        let bar = self.shared.bars.add(bar.with_prefix(name.to_owned()));
        let mut transfers = self.shared.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.push((meter.clone(), bar));
        meter
    }
}
