//! The platform's documented rate limits.
//!
//! They are per action and per machine, or per app where no machine is addressed.
//! See "Rate limits" in <https://fly.io/docs/machines/api/>.

use std::collections::BTreeMap;

/// So many requests at once, and then one per interval.
#[derive(Debug, Clone, Copy)]
struct Limit {
    interval_ms: u64,
    burst: u64,
}

const READ_MACHINE: Limit = Limit { interval_ms: 200, burst: 10 };
const OTHER: Limit = Limit { interval_ms: 1_000, burst: 3 };
/// A hundred a minute, of all apps.
const DELETE_APP: Limit = Limit { interval_ms: 600, burst: 100 };

/// When each action on each thing will have been paid for, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Rates(BTreeMap<(String, String), u64>);

impl Rates {
    /// Counts a request below `/v1/apps`; fails with the milliseconds until it may be sent
    /// again if it is one too many. A request that fails does not count.
    pub(super) fn count(&mut self, method: &str, path: &[&str], now_ms: u64) -> Result<(), u64> {
        let (id, action, limit) = match path {
            [_, "machines", id] if method == "GET" => (id, "", READ_MACHINE),
            [_, "machines", id] => (id, "", OTHER),
            [_, "machines", id, action, ..] => (id, *action, OTHER),
            [_] if method == "DELETE" => (&"", "", DELETE_APP),
            [app, action, ..] => (app, *action, OTHER),
            [app] => (app, "", OTHER),
            [] => return Ok(()),
        };
        let key = (format!("{method} {action}"), (*id).to_owned());
        let paid_ms = self.0.get(&key).copied().unwrap_or(0).max(now_ms);
        let room_ms = limit.interval_ms * (limit.burst - 1);
        if paid_ms > now_ms + room_ms {
            return Err(paid_ms - now_ms - room_ms);
        }
        self.0.insert(key, paid_ms + limit.interval_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_at_once_and_then_one_a_second() {
        let mut rates = Rates::default();
        let mut list = |now_ms| rates.count("GET", &["web", "machines"], now_ms);
        for _ in 0..3 {
            assert_eq!(list(5_000), Ok(()));
        }
        assert_eq!(list(5_000), Err(1_000));
        assert_eq!(list(5_400), Err(600));
        assert_eq!(list(6_000), Ok(()));
        assert_eq!(list(6_000), Err(1_000));
    }

    #[test]
    fn actions_and_machines_are_counted_apart() {
        let mut rates = Rates::default();
        for machine in ["a", "b"] {
            for action in ["start", "stop"] {
                for _ in 0..3 {
                    assert_eq!(
                        rates.count("POST", &["web", "machines", machine, action], 0),
                        Ok(())
                    );
                }
                assert!(rates.count("POST", &["web", "machines", machine, action], 0).is_err());
            }
        }
    }

    #[test]
    fn apps_may_be_deleted_at_a_hundred_a_minute() {
        let mut rates = Rates::default();
        let names: Vec<_> = (0..101).map(|n| format!("app-{n}")).collect();
        let deleted = names.iter().filter(|name| rates.count("DELETE", &[name], 0).is_ok());
        assert_eq!(deleted.count(), 100);
        assert_eq!(rates.count("DELETE", &["web"], 0), Err(600));
        assert_eq!(rates.count("GET", &["web"], 0), Ok(()));
    }

    #[test]
    fn a_machine_may_be_looked_at_more_often() {
        let mut rates = Rates::default();
        let mut get = |now_ms| rates.count("GET", &["web", "machines", "a"], now_ms);
        assert_eq!((0..11).filter(|_| get(0).is_ok()).count(), 10);
        assert_eq!(get(200), Ok(()));
    }
}
