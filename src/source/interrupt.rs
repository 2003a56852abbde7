//! Ending a reading that blocks, from another thread.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Ends a reading from outside.
///
/// A reader that waits for a script's next bytes cannot look at a flag, so the script is
/// killed, and the reader sees the end of its pipe.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    fired: bool,
    group: Option<Pid>,
}

impl Interrupt {
    /// Ends the reading that this interrupt was given to, and every later one.
    pub fn fire(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.fired = true;
        if let Some(group) = state.group.take() {
            kill(group);
        }
    }

    /// Returns an error when the interrupt has been fired.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).fired {
            // Not `Interrupted`: readers take that for a call to try again.
            return Err(io::Error::other("the reading was interrupted"));
        }
        Ok(())
    }

    /// Makes the interrupt kill the processes of `group` too. The guard forgets the group,
    /// and kills what is left of it.
    pub(super) fn guard(&self, group: Pid) -> Guard<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fired {
            kill(group);
        } else {
            state.group = Some(group);
        }
        Guard { interrupt: self, group }
    }
}

pub(super) struct Guard<'a> {
    interrupt: &'a Interrupt,
    group: Pid,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.interrupt.0.lock().unwrap_or_else(PoisonError::into_inner).group = None;
        kill(self.group);
    }
}

/// Kills a process group. That it is gone already is the usual case.
fn kill(group: Pid) {
    if let Err(error) = kill_process_group(group, Signal::KILL) {
        tracing::debug!(?group, %error, "process group not killed");
    }
}

/// A reader that looks at an interrupt before each read.
#[derive(Debug)]
pub(super) struct Interruptible<R> {
    inner: R,
    interrupt: Interrupt,
}

impl<R> Interruptible<R> {
    pub(super) fn new(inner: R, interrupt: Interrupt) -> Self {
        Self { inner, interrupt }
    }
}

impl<R: Read> Read for Interruptible<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check()?;
        self.inner.read(buffer)
    }
}
