//! The platform's rate limits, kept before it has to enforce them.
//!
//! They are documented per action and per machine, or per app where no machine is addressed:
//! one request a second and three at once; five a second and ten at once for reading a
//! machine. See "Rate limits" in <https://fly.io/docs/machines/api/working-with-machines-api/>.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use tokio::time::{Instant, sleep_until};

use super::endpoints::Service;

/// So many requests at once, and then one per interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    interval: Duration,
    burst: u32,
}

const READ_MACHINE: Limit = Limit { interval: Duration::from_millis(200), burst: 10 };
const OTHER: Limit = Limit { interval: Duration::from_secs(1), burst: 3 };

/// How much later than a request was sent the platform may count it: the first ones make the
/// connection and are overtaken by those after them. Who has to wait waits so much longer.
const ON_THE_WAY: Duration = Duration::from_millis(200);

/// The requests that the platform counts together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: Service,
    method: String,
    action: String,
    id: String,
}

/// When the next request of a kind may be sent.
#[derive(Debug, Default)]
struct Lane {
    /// Who waits holds the lock, so that requests go in the order in which they came.
    account: tokio::sync::Mutex<Account>,
    /// Until when the platform wants to hear nothing.
    quiet_until: Mutex<Option<Instant>>,
}

/// What a kind of requests has spent.
#[derive(Debug, Default)]
struct Account {
    /// When all requests that were sent will have been paid for.
    paid: Option<Instant>,
    /// Whether [`ON_THE_WAY`] is in that already.
    is_late: bool,
}

impl Account {
    /// Returns when there is room for another request, if there is none at `now`.
    fn full_until(&mut self, limit: Limit, now: Instant) -> Option<Instant> {
        let paid = self.paid.filter(|paid| *paid > now);
        self.is_late &= paid.is_some();
        let room = limit.interval * (limit.burst - 1);
        let mut free = paid?.checked_sub(room).filter(|free| *free > now)?;
        if !self.is_late {
            self.is_late = true;
            free += ON_THE_WAY;
            self.paid = Some(free + room);
        }
        Some(free)
    }

    fn spend(&mut self, limit: Limit, now: Instant) {
        self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + limit.interval);
    }
}

/// Lets requests pass at the rate that the platform grants.
///
/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates(Arc<Mutex<BTreeMap<Key, Arc<Lane>>>>);

/// A kind of requests, to wait for and to keep quiet about.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    lane: Arc<Lane>,
    limit: Option<Limit>,
}

impl Rates {
    /// Returns the turn that a request must wait for.
    pub(super) fn turn(&self, service: Service, method: &Method, path: &[&str]) -> Turn {
        let (key, limit) = key(service, method, path);
        let mut lanes = lock(&self.0);
        Turn { lane: Arc::clone(lanes.entry(key).or_default()), limit }
    }
}

impl Turn {
    /// Waits until the request may be sent, and counts it as sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping it counts nothing.
    pub(super) async fn take(&self) {
        let mut account = self.lane.account.lock().await;
        loop {
            let now = Instant::now();
            let quiet = lock(&self.lane.quiet_until).filter(|until| *until > now);
            let full = self.limit.and_then(|limit| account.full_until(limit, now));
            match quiet.max(full) {
                Some(until) => sleep_until(until).await,
                None => break,
            }
        }
        if let Some(limit) = self.limit {
            account.spend(limit, Instant::now());
        }
    }

    /// Keeps all requests of the kind for `pause`, as the platform has asked; at least for as
    /// long as it grants one request.
    pub(super) fn keep_quiet(&self, pause: Duration) {
        let least = self.limit.map_or(Duration::ZERO, |limit| limit.interval);
        let until = Instant::now() + pause.max(least);
        let mut quiet = lock(&self.lane.quiet_until);
        *quiet = (*quiet).max(Some(until));
    }
}

fn key(service: Service, method: &Method, path: &[&str]) -> (Key, Option<Limit>) {
    let (id, action, limit) = match (service, path) {
        (Service::Machines, ["apps", _, "machines", id]) if method == Method::GET => {
            (*id, "", Some(READ_MACHINE))
        }
        (Service::Machines, ["apps", _, "machines", id]) => (*id, "", Some(OTHER)),
        (Service::Machines, ["apps", _, "machines", id, action, ..]) => (*id, *action, Some(OTHER)),
        (Service::Machines, ["apps", app]) => (*app, "", Some(OTHER)),
        (Service::Machines, ["apps", app, action, ..]) => (*app, *action, Some(OTHER)),
        (Service::Machines, [first, ..]) => ("", *first, Some(OTHER)),
        // No limit of the others is known.
        (_, path) => ("", path.first().copied().unwrap_or_default(), None),
    };
    let key =
        Key { service, method: method.to_string(), action: action.to_owned(), id: id.to_owned() };
    (key, limit)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    async fn times(rates: &Rates, requests: usize, method: Method, path: &[&str]) -> Vec<u64> {
        let start = Instant::now();
        let turn = rates.turn(Service::Machines, &method, path);
        let all = (0..requests).map(async |_| {
            turn.take().await;
            u64::try_from(start.elapsed().as_millis()).unwrap()
        });
        join_all(all).await
    }

    #[tokio::test(start_paused = true)]
    async fn three_go_at_once_and_then_one_a_second() {
        let create = ["apps", "web", "machines"];
        let rates = Rates::default();
        let sent = times(&rates, 6, Method::POST, &create).await;
        assert_eq!(sent, [0, 0, 0, 1_200, 2_200, 3_200]);
        // A clone knows of them.
        assert_eq!(times(&rates.clone(), 1, Method::POST, &create).await, [1_000]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(times(&rates, 4, Method::POST, &create).await, [0, 0, 0, 1_200]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_is_read_ten_times_at_once_and_then_five_times_a_second() {
        let read = ["apps", "web", "machines", "e1"];
        let sent = times(&Rates::default(), 13, Method::GET, &read).await;
        assert_eq!(sent[9..], [0, 400, 600, 800]);
    }

    #[tokio::test(start_paused = true)]
    async fn machines_and_actions_do_not_hinder_one_another() {
        let rates = Rates::default();
        let start = Instant::now();
        let machines: Vec<String> = (0..30).map(|number| format!("e{number}")).collect();
        join_all(machines.iter().map(async |machine| {
            for action in ["lease", "start", "stop"] {
                times(&rates, 3, Method::POST, &["apps", "web", "machines", machine, action]).await;
            }
            times(&rates, 3, Method::POST, &["apps", "web", "machines", machine]).await;
            times(&rates, 10, Method::GET, &["apps", "web", "machines", machine]).await;
        }))
        .await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_given_up_counts_for_nothing() {
        let rates = Rates::default();
        let create = ["apps", "web", "machines"];
        times(&rates, 3, Method::POST, &create).await;
        let turn = rates.turn(Service::Machines, &Method::POST, &create);
        tokio::time::timeout(Duration::from_millis(900), turn.take()).await.unwrap_err();
        assert_eq!(times(&rates, 2, Method::POST, &create).await, [300, 1_300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_asked_for_holds_for_all_who_wait_and_for_no_others() {
        let rates = Rates::default();
        let read =
            |id| rates.turn(Service::Machines, &Method::GET, &["apps", "web", "machines", id]);
        let start = Instant::now();
        times(&rates, 10, Method::GET, &["apps", "web", "machines", "e1"]).await;
        let (turn, other) = (read("e1"), read("e1"));
        // One waits already when another is told to keep quiet.
        let asked = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            other.keep_quiet(Duration::from_secs(7));
        };
        tokio::join!(turn.take(), asked);
        assert_eq!(start.elapsed(), Duration::from_millis(7_100));
        read("e2").take().await;
        assert_eq!(start.elapsed(), Duration::from_millis(7_100));
    }
}
