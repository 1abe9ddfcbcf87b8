//! The vendors' documented limits, counted by the lab's clock over sliding windows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::At;

/// One documented limit: so many calls in such a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) calls: usize,
    pub(crate) window: Duration,
}

const fn limit(name: &'static str, calls: usize, seconds: u64) -> Limit {
    Limit { name, calls, window: Duration::from_secs(seconds) }
}

/// 200 queries in 30 s for one service principal (Azure Monitor query limits).
pub(crate) const LOG_ANALYTICS: Limit = limit("log-analytics", 200, 30);
/// 150 requests a minute on `/security` alert operations (Graph throttling limits).
pub(crate) const SECURITY_ALERTS: Limit = limit("security-alerts", 150, 60);
/// 45 calls a minute for a tenant (advanced hunting limits).
pub(crate) const HUNTING: Limit = limit("hunting", 45, 60);
/// One request a second for a tenant over all its apps, without `Retry-After` (Graph throttling limits).
pub(crate) const IDENTITY_PROTECTION: Limit = limit("identity-protection", 1, 1);
/// 5 requests in 10 s on audit logs (Graph throttling limits).
pub(crate) const REPORTS: Limit = limit("reports", 5, 10);
/// 3,500 units in 10 s for a tenant under 50 users (Graph throttling limits); a call counts as one.
pub(crate) const DIRECTORY: Limit = limit("directory", 3_500, 10);
/// 1,200 writes an hour for a principal and subscription (ARM throttling).
pub(crate) const ARM_WRITES: Limit = limit("arm-writes", 1_200, 3_600);
/// 12,000 reads an hour for a principal and subscription (ARM throttling).
pub(crate) const ARM_READS: Limit = limit("arm-reads", 12_000, 3_600);
/// Okta's usual ceiling of its management endpoints, a minute.
pub(crate) const OKTA: Limit = limit("okta", 600, 60);
/// Okta's usual ceiling of the system log, a minute.
pub(crate) const OKTA_LOGS: Limit = limit("okta-logs", 120, 60);

/// Where a caller stands with a limit after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) allowed: bool,
    pub(crate) remaining: usize,
    /// When the oldest counted call leaves the window.
    pub(crate) resets: At,
}

/// Calls counted per limit.
pub(crate) struct Limits {
    unlimited: bool,
    calls: BTreeMap<&'static str, Counted>,
}

/// What was counted for one limit.
struct Counted {
    limit: Limit,
    /// The calls that are still within the window.
    within: VecDeque<At>,
    most: usize,
    allowed: u64,
    refused: u64,
}

/// How a limit was used, as `/_lab/limits` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUse {
    /// What is limited, such as `hunting`.
    pub name: String,
    /// So many calls are allowed in a window.
    pub calls: usize,
    /// How long the window is, in seconds.
    pub window_seconds: u64,
    /// The most calls that were allowed within one window.
    pub most: usize,
    /// All calls that were allowed.
    pub allowed: u64,
    /// Calls that were answered with 429.
    pub refused: u64,
}

impl Limits {
    pub(crate) fn new(unlimited: bool) -> Self {
        Self { unlimited, calls: BTreeMap::new() }
    }

    /// Counts a call, unless it is over the limit.
    pub(crate) fn count(&mut self, limit: Limit, now: At) -> Standing {
        let new = || Counted { limit, within: VecDeque::new(), most: 0, allowed: 0, refused: 0 };
        let counted = self.calls.entry(limit.name).or_insert_with(new);
        let calls = &mut counted.within;
        while calls.front().is_some_and(|at| at.plus(limit.window) <= now) {
            calls.pop_front();
        }
        let allowed = self.unlimited || calls.len() < limit.calls;
        if allowed && !self.unlimited {
            calls.push_back(now);
        }
        counted.most = counted.most.max(calls.len());
        *if allowed { &mut counted.allowed } else { &mut counted.refused } += 1;
        let resets = calls.front().map_or(now.plus(limit.window), |at| at.plus(limit.window));
        Standing { allowed, remaining: limit.calls.saturating_sub(calls.len()), resets }
    }

    /// How each limit was used that anything was counted for; empty where there are none.
    pub(crate) fn uses(&self) -> Vec<LimitUse> {
        let used = |counted: &Counted| LimitUse {
            name: counted.limit.name.to_owned(),
            calls: counted.limit.calls,
            window_seconds: counted.limit.window.as_secs(),
            most: counted.most,
            allowed: counted.allowed,
            refused: counted.refused,
        };
        if self.unlimited { Vec::new() } else { self.calls.values().map(used).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_and_says_when_it_frees() {
        let mut limits = Limits::new(false);
        let limit = limit("two", 2, 10);
        let at = |s| At::from_unix_seconds(s);
        assert!(limits.count(limit, at(0)).allowed);
        assert!(limits.count(limit, at(4)).allowed);
        let refused = limits.count(limit, at(5));
        assert_eq!(refused, Standing { allowed: false, remaining: 0, resets: at(10) });
        assert!(limits.count(limit, at(10)).allowed, "the first call has left the window");
        assert!(!limits.count(limit, at(11)).allowed);
        let used = LimitUse { name: "two".into(), calls: 2, window_seconds: 10, most: 2, allowed: 3, refused: 2 };
        assert_eq!(limits.uses(), [used]);
    }

    #[test]
    fn unlimited_never_refuses() {
        let mut limits = Limits::new(true);
        assert!((0..1_000).all(|_| limits.count(IDENTITY_PROTECTION, At::EPOCH).allowed));
        assert_eq!(limits.uses(), [], "there is no limit to be told of");
    }
}
