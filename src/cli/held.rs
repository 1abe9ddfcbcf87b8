//! What is held up, and for what: told in `riposte status` by reason.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::pages::each;
use super::report::{Terminal, wrapped};
use crate::journal::{Fault, Filter, Journal};
use crate::model::time::At;
use crate::record::action::{ActionRecord, ActionState};
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::StreamKind;
use crate::respond::write;

/// An alert whose incident has no comment is told of for so long.
const TOLD_FOR: Duration = Duration::from_secs(24 * 3_600);
/// So many reasons are shown to people.
const MOST: usize = 10;

/// How many are held up, by reason.
#[derive(Debug, Default)]
pub(super) struct Held {
    actions: BTreeMap<String, u64>,
    alerts: BTreeMap<String, u64>,
    /// Decided on before, and to be looked at again.
    again: BTreeMap<String, u64>,
    untold: BTreeMap<String, u64>,
}

impl Held {
    /// What is held up by anything but its turn.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn of(journal: &dyn Journal, now: At) -> Result<Self, Fault> {
        let mut held = Self::default();
        // What cannot be read has its lane in quarantine, and is told there.
        each(journal, standing(StreamKind::Alert, "waiting"), |stream| {
            let Ok(alert) = write::read::<AlertRecord>(&stream) else { return };
            if let AlertPhase::Waiting { reason, .. } = alert.record.phase {
                let waiting = if alert.record.revision == 0 { &mut held.alerts } else { &mut held.again };
                *waiting.entry(reason.waiting()).or_default() += 1;
            }
        })
        .await?;
        // One that never got an incident is not told of for ever.
        let lately = Filter {
            kind: Some(StreamKind::Alert),
            changed_since: Some(now.minus(TOLD_FOR)),
            words: Some("\"untold\":{".to_owned()),
            ..Filter::default()
        };
        each(journal, lately, |stream| {
            let Ok(alert) = write::read::<AlertRecord>(&stream) else { return };
            if let Some(untold) = alert.record.untold {
                *held.untold.entry(untold.why).or_default() += 1;
            }
        })
        .await?;
        each(journal, standing(StreamKind::Action, ActionRecord::PARKED), |stream| {
            let Ok(action) = write::read::<ActionRecord>(&stream) else { return };
            if let ActionState::Ready { held: Some(reason), .. } = &action.record.state {
                *held.actions.entry(reason.line()).or_default() += 1;
            }
        })
        .await?;
        Ok(held)
    }

    pub(super) fn text(&self, terminal: Terminal) -> String {
        let of = |title: &str, held: &BTreeMap<String, u64>| {
            let mut most: Vec<_> = held.iter().collect();
            most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let mut text = if most.is_empty() { String::new() } else { format!("{title}:\n") };
            text.extend(most.iter().take(MOST).map(|(why, count)| wrapped(&format!("{count} {why}"), "  ", terminal)));
            if most.len() > MOST {
                text.push_str(&format!("  and for {} other reasons\n", most.len() - MOST));
            }
            text
        };
        of("actions that are held up", &self.actions)
            + &of("alerts that cannot be decided on yet", &self.alerts)
            + &of("alerts that were decided on, and cannot be looked at again yet", &self.again)
            + &of("alerts whose incident has no comment that is due", &self.untold)
    }

    pub(super) fn json(&self) -> Value {
        let of = |held: &BTreeMap<String, u64>| -> Vec<Value> {
            held.iter().map(|(reason, count)| json!({"reason": reason, "count": count})).collect()
        };
        json!({"actions": of(&self.actions), "alerts": of(&self.alerts), "alerts_again": of(&self.again), "untold": of(&self.untold)})
    }
}

/// The open streams of a kind that stand like this.
fn standing(kind: StreamKind, label: &'static str) -> Filter {
    Filter { kind: Some(kind), label: Some(label), ..Filter::default() }
}
