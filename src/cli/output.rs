//! The only way out: results to stdout, everything else to stderr.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::env::Env;
use super::exit::Failure;
use crate::error::Account;

/// Writes for the user. Clones write to the same place, a line at a time.
#[derive(Clone)]
pub(super) struct Output {
    json: bool,
    /// Where lines go while bars are shown, so that they do not break them.
    above_bars: Arc<Mutex<Option<indicatif::MultiProgress>>>,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json, above_bars: Arc::default() }
    }

    /// Sends lines over `bars` from now on, or nowhere special again.
    pub(super) fn show_above(&self, bars: Option<indicatif::MultiProgress>) {
        *self.above_bars.lock().unwrap_or_else(PoisonError::into_inner) = bars;
    }

    /// Writes the result: `text`, or with `--json` `value` as one line.
    ///
    /// # Errors
    ///
    /// Fails when stdout cannot be written, unless its reader has gone away.
    pub(super) fn result(&self, text: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.result_line(text, value).map(drop)
    }

    /// Writes a part of a result that comes bit by bit, and says whether anybody reads it.
    ///
    /// # Errors
    ///
    /// As [`Output::result`].
    pub(super) fn result_line(
        &self,
        text: &str,
        value: &impl Serialize,
    ) -> Result<Reader, Failure> {
        let text = if self.json {
            serde_json::to_string(value).map_err(|error| Failure::unforeseen(&error.to_string()))?
        } else {
            text.to_owned()
        };
        to_stdout(format!("{text}\n").as_bytes())
    }

    /// Writes a line to stderr, in the colors that its markup asks for.
    pub(super) fn line(&self, text: &str) {
        let bars = self.above_bars.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let write = || {
            let mut stderr = anstream::stderr().lock();
            // There is nowhere else to complain to.
            drop(writeln!(stderr, "{text}"));
        };
        match bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Writes the error that ends the program.
    pub(super) fn error(&self, failure: &Failure) {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            #[serde(flatten)]
            account: &'a Account,
        }
        let account = failure.account();
        if self.json {
            let line = Line { event: "error", account };
            self.line(&serde_json::to_string(&line).unwrap_or_default());
            return;
        }
        let style = anstyle::AnsiColor::Red.on_default().bold();
        let text = failure.text();
        match text.strip_prefix("error") {
            Some(rest) => self.line(&format!("{style}error{style:#}{rest}")),
            None => self.line(&text),
        }
    }
}

/// Whoever reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody may.
    There,
    /// Nobody does any more.
    Gone,
}

/// Writes bytes to stdout as they are.
///
/// # Errors
///
/// Fails when stdout cannot be written, unless its reader has gone away.
pub(super) fn to_stdout(bytes: &[u8]) -> Result<Reader, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::unforeseen(&format!("cannot write to stdout: {error}"))),
    }
}

/// Starts the developers' log, when `SNOWBIRD_LOG` asks for it.
pub(super) fn start_tracing(env: &Env) {
    let Some(filter) = env.text("SNOWBIRD_LOG") else { return };
    let started = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(io::stderr)
        .try_init();
    if let Err(error) = started {
        Output::new(false).line(&format!("SNOWBIRD_LOG: {error}"));
    }
}
