//! What the daemon says about its work: logs, metrics, health. People are pseudonyms above DEBUG.

use tracing::Level;

use crate::connect::trigger::MOST_ALERTS;
use crate::model::alert::SourceKey;
use crate::model::outcome::OutcomeKind;
use crate::model::reason::Reason;
use crate::model::time::Clock;
use crate::model::time::print_duration;
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::respond::listener::{Listener, News};
use crate::respond::runs::Run;
use crate::runtime::health::Health;
use crate::runtime::metrics;
use crate::runtime::telemetry::who;
use std::sync::Arc;

/// Turns news into log lines, metrics and health.
pub struct Heard {
    /// Told of good polls.
    pub health: Option<Health>,
    /// When a poll ended.
    pub clock: Arc<dyn Clock>,
}

impl Listener for Heard {
    fn hear(&self, news: &News<'_>) {
        match news {
            News::Polled { source, rows, unreadable, behind } => {
                let name = source.to_string();
                metrics::good_poll(&name, self.clock.now());
                metrics::lag(&name, *behind);
                if let Some(health) = &self.health {
                    health.good_poll(&name, self.clock.now(), *behind);
                }
                tracing::debug!(source = %name, rows, unreadable, behind_seconds = behind.as_secs(), "source read");
            }
            News::PollFailed { source, failure } => {
                metrics::failed_poll(&source.to_string());
                tracing::warn!(source = %source.to_string(), %failure, "source could not be read; the next poll tries again");
            }
            News::RunFailed { source, failure, optional: true } => {
                tracing::warn!(source = %source, %failure, "a shipped trigger cannot run here, which is said once: grant the permission or connect its table, or leave its rule out of a rules folder of your own");
            }
            News::RunFailed { source, failure, optional: false } => {
                metrics::failed_poll(&source.to_string());
                tracing::warn!(source = %source, %failure, "a trigger could not run; it is tried again");
            }
            News::RunNotWhole { source, run } => not_whole(&source.to_string(), run),
            News::AlertSeen { alert, source, new } => seen(alert, source, *new),
            News::AlertStands { alert } => {
                match &alert.phase {
                    AlertPhase::Waiting { reason: Reason::Refused { failure }, again, .. } => {
                        let until = again.to_the_second();
                        tracing::warn!(alert = %alert.id, %until, %failure, "a directory could not be asked; the alert waits");
                    }
                    AlertPhase::Waiting { reason, again, .. } => {
                        let until = again.to_the_second();
                        tracing::info!(alert = %alert.id, %until, why = %reason.waiting(), "alert waits");
                    }
                    AlertPhase::Seen
                    | AlertPhase::Planned
                    | AlertPhase::Merged { .. }
                    | AlertPhase::Unreadable { .. } => {
                        tracing::info!(alert = %alert.id, phase = alert.phase.word(), rules = ?alert.rules, "alert");
                    }
                }
                for decided in &alert.decided {
                    tracing::info!(alert = %alert.id, rule = %decided.rule, reason = %decided.reason.line(), "withheld");
                }
            }
            News::ActionStands { action, event } => stands(action, event),
            News::NotePosted { alert, .. } => {
                metrics::note_ended("posted");
                tracing::info!(%alert, "comment written");
            }
            News::NoteFailed { alert, why, last: true } => {
                metrics::note_ended("failed");
                tracing::warn!(%alert, %why, "comment not written");
            }
            News::NoteFailed { alert, why, last: false } => {
                tracing::warn!(%alert, %why, "comment not written yet; it is tried again");
            }
            News::LabelFailed { alert, why } => tracing::warn!(%alert, %why, "incident not labelled"),
            News::Sealed { seal } => {
                tracing::info!(root = %seal.root, events = seal.events, "journal sealed; keep the root to prove later that nothing was changed (riposte journal verify --expect-root)");
            }
            News::Removed { alerts, keep } => {
                tracing::info!(
                    alerts,
                    keep = print_duration(*keep),
                    "what is older than journal.keep was removed from the journal; its chains stay"
                );
            }
            News::NoIncident { alert, asks: true } => {
                tracing::warn!(alert = %alert.id, "a trigger's alert asks a person and has no incident; see `riposte status`");
            }
            News::NoIncident { alert, asks: false } => {
                tracing::info!(alert = %alert.id, "a trigger's alert is done with and has no incident; see `riposte actions list`");
            }
            News::Moot { why } => {
                metrics::moot();
                tracing::info!(%why, "a request came too late and changed nothing");
            }
        }
    }
}

fn not_whole(source: &str, run: &Run) {
    if run.partial {
        tracing::warn!(
            source,
            "the answer to a trigger was cut off: what is missing leads to nothing; narrow its query"
        );
    }
    if run.left_out > 0 {
        tracing::warn!(
            source,
            left_out = run.left_out,
            most = MOST_ALERTS,
            "a trigger found more than counts in one run: nothing comes of the oldest; let its query find what is rare"
        );
    }
    if run.dropped > 0 {
        tracing::warn!(
            source,
            rows = run.dropped,
            "a trigger found more rows of one alert than are kept of it: no rule looks at the others; let its query summarize"
        );
    }
    if run.unreadable > 0 {
        tracing::warn!(
            source,
            rows = run.unreadable,
            "rows that a trigger found cannot be read: nothing comes of them"
        );
    }
    if let Some(from) = run.missed_from {
        tracing::warn!(source, from = %from.to_the_second(), "a trigger did not run in time: what happened since then and before its lookback was not looked at");
    }
}

fn seen(alert: &AlertRecord, source: &SourceKey, new: bool) {
    let name = source.to_string();
    if new {
        metrics::alert_seen(&name);
    }
    if let AlertPhase::Unreadable { why } = &alert.phase {
        metrics::unreadable(&name);
        tracing::warn!(alert = %alert.id, source = %name, %why, "alert cannot be read; it is recorded, and nobody is acted on");
        return;
    }
    let detector = alert.best().map_or("", |seen| seen.detector.as_str());
    let detector = crate::model::text::clip(detector, 80);
    tracing::info!(alert = %alert.id, source = %name, %detector, new, "alert seen");
}

fn stands(action: &ActionRecord, event: &str) {
    let verb = action.action.key.intent.verb.word();
    if let Some(outcome) = action.outcome() {
        metrics::action_ended(outcome.kind.word(), verb);
    }
    tracing::info!(
        action = %action.action.id,
        alert = %action.action.key.alert,
        verb,
        who = %who(&action.action.subject.label, Level::INFO),
        event,
        status = action.status(),
        reason = action.reason().code(),
        "action"
    );
    if action.outcome().is_some_and(|outcome| outcome.kind == OutcomeKind::Failed) {
        tracing::warn!(action = %action.action.id, verb, reason = %action.reason().line(), "action failed");
    }
    tracing::debug!(action = %action.action.id, who = %who(&action.action.subject.label, Level::DEBUG), "who that is");
}
