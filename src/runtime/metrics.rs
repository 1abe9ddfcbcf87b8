//! What riposte counts. Labels are words of the program and names from the settings, never names of people.
//!
//! | metric | kind | labels |
//! | --- | --- | --- |
//! | `riposte_alerts_total` | counter | `source` |
//! | `riposte_unreadable_total` | counter | `source` |
//! | `riposte_actions_total` | counter | `outcome`, `verb` |
//! | `riposte_http_calls_total` | counter | `api`, `outcome` |
//! | `riposte_http_breaks_total` | counter | `api` |
//! | `riposte_notes_total` | counter | `outcome` |
//! | `riposte_moot_total` | counter | |
//! | `riposte_last_good_poll_timestamp_seconds` | gauge | `source` |
//! | `riposte_lag_seconds` | gauge | `source` |
//! | `riposte_poll_failures` | gauge | `source` |
//! | `riposte_backlog` | gauge | `kind` |
//! | `riposte_waiting` | gauge | `what` |
//! | `riposte_paused` | gauge | |
//! | `riposte_build_info` | gauge | `version` |

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::model::time::At;

/// Alerts seen for the first time.
pub const ALERTS: &str = "riposte_alerts_total";
/// Rows and alerts that could not be read.
pub const UNREADABLE: &str = "riposte_unreadable_total";
/// Actions that ended, by outcome and verb.
pub const ACTIONS: &str = "riposte_actions_total";
/// Calls to outside systems, by system and how they ended; counted where every call leaves.
pub const CALLS: &str = "riposte_http_calls_total";
/// How often an outside system was left alone for a while because it did not answer; counted by its breaker.
pub const BREAKS: &str = "riposte_http_breaks_total";
/// Incident comments, by outcome.
pub const NOTES: &str = "riposte_notes_total";
/// Votes and undos that came too late and changed nothing.
pub const MOOT: &str = "riposte_moot_total";
/// When a source last answered completely, in seconds since 1970.
pub const LAST_GOOD_POLL: &str = "riposte_last_good_poll_timestamp_seconds";
/// How far behind the present a source is read, in seconds.
pub const LAG: &str = "riposte_lag_seconds";
/// How often in a row a source could not be read; 0 after it was.
pub const POLL_FAILURES: &str = "riposte_poll_failures";
/// Sources, alerts, accounts and incidents that are due and not yet worked on.
pub const BACKLOG: &str = "riposte_backlog";
/// Actions that have not ended, by how they stand: `waiting` for a person, `parked`, `running`, `verifying`.
pub const WAITING: &str = "riposte_waiting";
/// 1 while the kill switch is on.
pub const PAUSED: &str = "riposte_paused";
/// 1, with the version as label.
pub const BUILD_INFO: &str = "riposte_build_info";

static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// The metrics of this process, in Prometheus' text form.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Another part of the process has taken the metrics.
#[derive(Debug, thiserror::Error)]
#[error("the metrics of this process belong to another recorder")]
pub struct MetricsTaken;

impl Metrics {
    /// Begins to count in this process; a second call gives the same metrics.
    ///
    /// # Errors
    /// When somebody else's recorder is installed.
    pub fn install() -> Result<Self, MetricsTaken> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = installed.as_ref() {
            return Ok(Self(handle.clone()));
        }
        let handle = PrometheusBuilder::new().install_recorder().map_err(|_| MetricsTaken)?;
        describe();
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        paused(false);
        *installed = Some(handle.clone());
        Ok(Self(handle))
    }

    /// Everything counted so far, in Prometheus' text form.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// An alert was seen for the first time. `source` is the name of a source from the settings.
pub fn alert_seen(source: &str) {
    counter!(ALERTS, "source" => source.to_owned()).increment(1);
}

/// A row or alert could not be read.
pub fn unreadable(source: &str) {
    counter!(UNREADABLE, "source" => source.to_owned()).increment(1);
}

/// An action ended.
pub fn action_ended(outcome: &'static str, verb: &'static str) {
    counter!(ACTIONS, "outcome" => outcome, "verb" => verb).increment(1);
}

/// A comment ended.
pub fn note_ended(outcome: &'static str) {
    counter!(NOTES, "outcome" => outcome).increment(1);
}

/// A vote or an undo came too late.
pub fn moot() {
    counter!(MOOT).increment(1);
}

/// A source answered completely.
pub fn good_poll(source: &str, at: At) {
    gauge!(LAST_GOOD_POLL, "source" => source.to_owned()).set(seconds(at.since(At::EPOCH)));
    gauge!(POLL_FAILURES, "source" => source.to_owned()).set(0.0);
}

/// A source could not be read.
pub fn failed_poll(source: &str) {
    gauge!(POLL_FAILURES, "source" => source.to_owned()).increment(1.0);
}

/// How far behind the present a source is read.
pub fn lag(source: &str, behind: Duration) {
    gauge!(LAG, "source" => source.to_owned()).set(seconds(behind));
}

/// How many lanes of a kind are due.
pub fn backlog(kind: &'static str, count: u64) {
    gauge!(BACKLOG, "kind" => kind).set(number(count));
}

/// How many actions stand like this.
pub fn waiting(what: &'static str, count: u64) {
    gauge!(WAITING, "what" => what).set(number(count));
}

/// Whether the kill switch is on.
pub fn paused(on: bool) {
    gauge!(PAUSED).set(if on { 1.0 } else { 0.0 });
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn describe() {
    describe_counter!(ALERTS, "Alerts seen for the first time.");
    describe_counter!(UNREADABLE, "Rows and alerts that could not be read.");
    describe_counter!(ACTIONS, "Actions that ended, by outcome and verb.");
    describe_counter!(CALLS, "Calls to outside systems, by system and how they ended.");
    describe_counter!(BREAKS, "How often an outside system was left alone for a while because it did not answer.");
    describe_counter!(NOTES, "Incident comments, by outcome.");
    describe_gauge!(LAST_GOOD_POLL, "When a source last answered completely, in seconds since 1970.");
    describe_gauge!(LAG, "How far behind the present a source is read, in seconds.");
    describe_counter!(MOOT, "Votes and undos that came too late and changed nothing.");
    describe_gauge!(POLL_FAILURES, "How often in a row a source could not be read; 0 after it was.");
    describe_gauge!(BACKLOG, "Sources, alerts, accounts and incidents that are due and not yet worked on.");
    describe_gauge!(WAITING, "Actions that have not ended, by how they stand.");
    describe_gauge!(PAUSED, "1 while the kill switch is on.");
    describe_gauge!(BUILD_INFO, "1, with the version as label.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_under_its_documented_name() {
        let metrics = Metrics::install().unwrap();
        action_ended("effective", "disable-ad-user");
        good_poll("graph", At::from_unix_seconds(1_772_330_400));
        let text = metrics.render();
        for line in [
            "riposte_actions_total{outcome=\"effective\",verb=\"disable-ad-user\"} ",
            "riposte_last_good_poll_timestamp_seconds{source=\"graph\"} 1772330400",
            "riposte_paused 0",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn every_metric_says_what_it_is() {
        let metrics = Metrics::install().unwrap();
        alert_seen("graph");
        unreadable("graph");
        action_ended("effective", "disable-ad-user");
        counter!(CALLS, "api" => "graph", "outcome" => "done").increment(1);
        counter!(BREAKS, "api" => "graph").increment(1);
        note_ended("posted");
        moot();
        good_poll("graph", At::EPOCH);
        failed_poll("graph");
        lag("graph", Duration::ZERO);
        backlog("alert", 2);
        waiting("waiting", 3);
        let text = metrics.render();
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let silent: Vec<&str> = names.filter(|name| !text.contains(&format!("# HELP {name} "))).collect();
        assert_eq!(silent, Vec::<&str>::new());
        for line in [MOOT, BACKLOG, WAITING, POLL_FAILURES] {
            assert!(text.contains(&format!("# TYPE {line} ")), "{line} is missing in {text}");
        }
    }

    #[test]
    fn a_second_install_gives_the_same_metrics() {
        let (first, second) = (Metrics::install().unwrap(), Metrics::install().unwrap());
        note_ended("posted");
        assert!(first.render().contains("riposte_notes_total") && second.render().contains("riposte_notes_total"));
    }
}
