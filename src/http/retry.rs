//! When a request is sent again, and after how long.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, iter};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::event::{Event, Reporter};

/// Returns the last cause of a failure: what was attempted is known already.
fn root_cause(failure: &dyn StdError) -> String {
    iter::successors(Some(failure), |&cause| cause.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// What a failure says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Trying again cannot help.
    Final,
    /// Trying again may help, after at least this long.
    Transient(Duration),
}

/// A failure that can tell whether it will pass.
pub trait Judge: StdError {
    /// Returns whether trying again may help.
    fn verdict(&self) -> Verdict;
}

/// The longest that a server's `Retry-After` is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Returns what an answer with this status and these headers says about trying again.
///
/// A 401 is final here: who holds credentials to refresh asks again by itself.
pub fn status_verdict(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Verdict {
    match status.as_u16() {
        408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524 => {
            Verdict::Transient(retry_after(headers, now).unwrap_or_default())
        }
        _ => Verdict::Final,
    }
}

/// Reads `Retry-After` in either form, RFC 9110 section 10.2.3.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// How often a request is tried, and how long the pauses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all.
    pub attempts: usize,
    /// The first pause, before jitter; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Patience {
    /// For the first request to a service: a wrong address should be told within seconds.
    pub const FIRST_CONTACT: Self = Self {
        attempts: 2,
        first_pause: Duration::from_millis(300),
        longest_pause: Duration::from_secs(1),
    };
    /// For a service that has answered before: long enough for one that is restarted.
    pub const STEADY: Self = Self {
        attempts: 7,
        first_pause: Duration::from_millis(500),
        longest_pause: Duration::from_secs(20),
    };
}

/// Tries requests to one service again, and tells the user of it.
///
/// Clones share the pause that the service has asked for, so that a `Retry-After` given to
/// one worker is kept by all.
#[derive(Clone)]
pub struct Retry {
    reporter: Arc<dyn Reporter>,
    quiet_until: Arc<Mutex<Option<Instant>>>,
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("quiet_until", &self.quiet_until).finish_non_exhaustive()
    }
}

impl Retry {
    /// Makes the loop for a service.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, quiet_until: Arc::default() }
    }

    /// Returns a loop with the same reporter and a pause of its own, for requests that others
    /// need not wait for.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { reporter: Arc::clone(&self.reporter), quiet_until: Arc::default() }
    }

    /// Runs `attempt` until it succeeds, its failure is final or the attempts are spent.
    ///
    /// `what` names the work for the user, such as `PUT manifest`. `attempt` is given its
    /// number, from 1.
    ///
    /// # Errors
    ///
    /// Returns the last attempt's failure.
    pub async fn run<T, E: Judge>(
        &self,
        patience: Patience,
        what: &str,
        mut attempt: impl AsyncFnMut(u32) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(patience.first_pause)
            .with_max_delay(patience.longest_pause)
            .with_max_times(patience.attempts.saturating_sub(1))
            .with_jitter()
            .build();
        let mut number = 1;
        loop {
            self.keep_quiet().await;
            let failure = match attempt(number).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let (Verdict::Transient(least), Some(pause)) = (failure.verdict(), pauses.next())
            else {
                return Err(failure);
            };
            let pause = pause.max(least);
            if !least.is_zero() {
                self.ask_quiet(least);
            }
            self.reporter.report(Event::Retrying {
                what: what.to_owned(),
                reason: root_cause(&failure),
                attempt: number,
                after_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            });
            tokio::time::sleep(pause).await;
            number += 1;
        }
    }

    async fn keep_quiet(&self) {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    fn ask_quiet(&self, least: Duration) {
        let until = Instant::now() + least;
        let mut quiet = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet = Some(quiet.map_or(until, |earlier| earlier.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("busy")]
    struct Busy(Verdict);

    impl Judge for Busy {
        fn verdict(&self) -> Verdict {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_waits_at_least_as_long_as_the_server_asked() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let result = Retry::new(Arc::new(Silent))
            .run(Patience::STEADY, "GET", async |number| {
                if number < 3 { Err(Busy(Verdict::Transient(minute))) } else { Ok(number) }
            })
            .await;
        assert_eq!(result, Ok(3));
        assert!(start.elapsed() >= 2 * minute);
    }

    #[tokio::test(start_paused = true)]
    async fn one_worker_keeps_the_pause_that_another_was_asked_for() {
        let retry = Retry::new(Arc::new(Silent));
        let start = Instant::now();
        retry.ask_quiet(Duration::from_secs(30));
        let result: Result<u32, Busy> =
            retry.clone().run(Patience::STEADY, "GET", async |number| Ok(number)).await;
        assert_eq!(result, Ok(1));
        assert!(start.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_failure_is_not_tried_again_and_a_passing_one_not_for_ever() {
        for (verdict, expected) in [(Verdict::Final, 1), (Verdict::Transient(Duration::ZERO), 7)] {
            let mut calls = 0;
            let result: Result<(), _> = Retry::new(Arc::new(Silent))
                .run(Patience::STEADY, "GET", async |_| {
                    calls += 1;
                    Err(Busy(verdict))
                })
                .await;
            assert_eq!((result, calls), (Err(Busy(verdict)), expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_away_for_twenty_seconds_is_outlived() {
        let back = Instant::now() + Duration::from_secs(20);
        let result = Retry::new(Arc::new(Silent))
            .run(Patience::STEADY, "GET", async |_| {
                if Instant::now() < back {
                    Err(Busy(Verdict::Transient(Duration::ZERO)))
                } else {
                    Ok(())
                }
            })
            .await;
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn statuses_and_both_forms_of_retry_after_are_judged() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (status, header, verdict) in [
            (429, Some("7"), Verdict::Transient(Duration::from_secs(7))),
            (
                503,
                Some("Sun, 06 Nov 1994 08:49:37 GMT"),
                Verdict::Transient(Duration::from_secs(7)),
            ),
            (503, Some("99999"), Verdict::Transient(LONGEST_RETRY_AFTER)),
            (502, Some("soon"), Verdict::Transient(Duration::ZERO)),
            (500, None, Verdict::Transient(Duration::ZERO)),
            (400, None, Verdict::Final),
            (401, None, Verdict::Final),
            (404, Some("7"), Verdict::Final),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(text) = header {
                headers.insert(RETRY_AFTER, text.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(status_verdict(status, &headers, now), verdict, "{status} {header:?}");
        }
    }
}
