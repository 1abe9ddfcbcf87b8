//! What is left to do, and how long it will take at the pace of the last minutes.

use std::time::Duration;

use serde::Serialize;

use crate::journal::lane::LaneKind;
use crate::journal::{Ended, Fault, Journal, LaneCounts};
use crate::model::time::At;
use crate::record::event::StreamKind;

/// The pace is taken from this time before now, or from the first thing in it that moved.
const WINDOW: Duration = Duration::from_secs(300);
/// Nothing can be said from less.
const LEAST: Duration = Duration::from_secs(20);

/// Work that could be done now, by kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Backlog {
    /// Alerts to be decided on.
    pub(super) alerts: Stage,
    /// Notes to be written, of those alerts too.
    pub(super) notes: Stage,
    /// Accounts with something to do; they go before both.
    pub(super) accounts: u64,
    /// A source has more to show than is counted here.
    pub(super) still_reading: bool,
    /// Seconds until all of it is done; null while that cannot be said, and when nothing is left.
    pub(super) about_seconds: Option<u64>,
}

/// Work of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Stage {
    /// How much of it.
    pub(super) left: u64,
    /// How much was done a minute lately; null when too little was done to say.
    pub(super) per_minute: Option<f64>,
}

/// Asks the journal.
pub(super) async fn backlog(
    journal: &dyn Journal,
    lanes: &LaneCounts,
    still_reading: bool,
    now: At,
) -> Result<Backlog, Fault> {
    let since = now.minus(WINDOW);
    let alerts = journal.ended(StreamKind::Alert, since).await?;
    let notes = journal.ended(StreamKind::Note, since).await?;
    Ok(estimate(lanes, alerts, notes, still_reading, now))
}

/// From what is due and what has ended lately. Effects go before new decisions, so accounts keep up with them;
/// a note is still to come for every alert that is to be decided on.
fn estimate(lanes: &LaneCounts, alerts: Ended, notes: Ended, still_reading: bool, now: At) -> Backlog {
    let due = |kind| lanes.due.get(&kind).copied().unwrap_or_default();
    let to_decide = due(LaneKind::Alert);
    let to_tell = due(LaneKind::Incident) + if notes.count > 0 { to_decide } else { 0 };
    let alerts = Stage { left: to_decide, per_minute: pace(alerts, now) };
    let notes = Stage { left: to_tell, per_minute: pace(notes, now) };
    let stages = [alerts, notes].into_iter().filter(|stage| stage.left > 0);
    let seconds: Option<Vec<u64>> = stages.map(Stage::seconds).collect();
    let about_seconds = seconds.and_then(|seconds| seconds.into_iter().max());
    Backlog { alerts, notes, accounts: due(LaneKind::Account), still_reading, about_seconds }
}

/// How much a minute.
fn pace(ended: Ended, now: At) -> Option<f64> {
    let span = now.since(ended.first?);
    if ended.count == 0 || span < LEAST {
        return None;
    }
    let count = u32::try_from(ended.count).unwrap_or(u32::MAX);
    Some(f64::from(count) * 60.0 / span.as_secs_f64())
}

impl Stage {
    fn seconds(self) -> Option<u64> {
        let left = u32::try_from(self.left).unwrap_or(u32::MAX);
        let seconds = f64::from(left) * 60.0 / self.per_minute?;
        // A pace is above nothing and the count is finite.
        Some(Duration::try_from_secs_f64(seconds.ceil()).map_or(u64::MAX, |long| long.as_secs()))
    }

    fn text(self, what: &str) -> Option<String> {
        let pace = self.per_minute.map(|pace| format!(" ({pace:.0} a minute)")).unwrap_or_default();
        let many = if self.left == 1 { "" } else { "s" };
        (self.left > 0).then(|| format!("{} {what}{many}{pace}", thousands(self.left)))
    }
}

impl Backlog {
    /// For people, with a line end; empty when nothing is left.
    pub(super) fn text(&self) -> String {
        let stages: Vec<String> = [self.alerts.text("alert"), self.notes.text("note")].into_iter().flatten().collect();
        let accounts = (self.accounts > 0).then(|| format!("{} accounts are due now", thousands(self.accounts)));
        if stages.is_empty() {
            return accounts.map(|accounts| format!("backlog: {accounts}\n")).unwrap_or_default();
        }
        let time = self
            .about_seconds
            .map_or_else(|| "how long is unknown yet".to_owned(), |seconds| format!("about {}", roughly(seconds)));
        let mut lines = vec![format!("{time} for {}", stages.join(" and "))];
        let why = "too little has ended in the last 5 minutes; is a daemon running?".to_owned();
        lines.extend(self.about_seconds.is_none().then_some(why));
        lines.extend(accounts);
        lines.extend(self.still_reading.then(|| "more is still being read".to_owned()));
        format!("backlog: {}\n", lines.join("\n         "))
    }
}

/// No more exact than an estimate is.
fn roughly(seconds: u64) -> String {
    match seconds {
        0..60 => "a minute".to_owned(),
        60..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::seconds;

    fn due(alerts: u64, accounts: u64, incidents: u64) -> LaneCounts {
        let due = [(LaneKind::Alert, alerts), (LaneKind::Account, accounts), (LaneKind::Incident, incidents)];
        LaneCounts { due: due.into_iter().collect(), ..LaneCounts::default() }
    }

    fn ended(count: u64, first: i64) -> Ended {
        Ended { count, first: Some(seconds(first)) }
    }

    const NOTHING: Ended = Ended { count: 0, first: None };

    #[test]
    fn the_time_is_what_is_left_by_the_pace_since_work_began() {
        let backlog = estimate(&due(1_200, 0, 0), ended(96, 0), NOTHING, false, seconds(120));
        assert_eq!((backlog.alerts.per_minute, backlog.about_seconds), (Some(48.0), Some(1_500)));
        assert_eq!(backlog.text(), "backlog: about 25 min for 1,200 alerts (48 a minute)\n");
    }

    #[test]
    fn the_time_falls_as_work_is_done_at_a_steady_pace() {
        let at = |minute: u64| {
            let (done, now) = (48 * minute, seconds(i64::try_from(minute).unwrap() * 60));
            let backlog = estimate(&due(1_200 - done, 0, 0), ended(done, 0), NOTHING, false, now);
            backlog.about_seconds.unwrap()
        };
        assert!((1..20).all(|minute| at(minute) == at(minute + 1) + 60));
    }

    #[test]
    fn the_slower_of_decisions_and_notes_says_how_long() {
        let backlog = estimate(&due(100, 3, 20), ended(100, 0), ended(10, 0), true, seconds(60));
        assert_eq!((backlog.notes.left, backlog.about_seconds), (120, Some(720)));
        let text = backlog.text();
        assert!(
            text.starts_with("backlog: about 12 min for 100 alerts (100 a minute) and 120 notes (10 a minute)"),
            "{text}"
        );
        assert!(text.contains("3 accounts are due now") && text.contains("more is still being read"), "{text}");
    }

    #[test]
    fn nothing_is_said_from_too_little_or_of_nothing() {
        for (alerts, now) in [(NOTHING, 300), (ended(5, 290), 300)] {
            let backlog = estimate(&due(10, 0, 0), alerts, NOTHING, false, seconds(now));
            assert_eq!(backlog.about_seconds, None);
            assert!(backlog.text().contains("unknown yet"), "{}", backlog.text());
        }
        let rests = estimate(&due(0, 0, 0), ended(5, 0), NOTHING, false, seconds(300));
        assert_eq!((rests.about_seconds, rests.text()), (None, String::new()));
    }

    #[test]
    fn an_estimate_is_rounded() {
        assert_eq!([5, 61, 3_600, 9_000].map(roughly), ["a minute", "2 min", "60 min", "3 h"]);
        assert_eq!([7, 1_240, 1_000_000].map(thousands), ["7", "1,240", "1,000,000"]);
    }
}
