//! Who comes first where more alerts wait than can be decided on: a crowd of one kind stands in line behind itself, not
//! before the rest. Pure.
//!
//! Lanes are taken by when they are due, so an alert that is due in the past goes before others. Nobody waits for ever:
//! what has waited for longer than the head start goes before whatever is new. A row that Defender has not shown gets
//! none, or whoever can write rows could stand before everybody.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::alert::Severity;
use crate::model::time::At;
use crate::record::alert::AlertRecord;

/// So long ago the first alert of its kind counts as having come.
const HEAD_START: Duration = Duration::from_secs(600);
/// Each further one of the same kind in a page counts as having come so much later.
const APART: Duration = Duration::from_secs(1);
/// And what is less than High by so much for each step down.
const PER_SEVERITY: Duration = Duration::from_secs(60);

/// When the accounts of an alert count as due that it was decided to act on now: before looks and ends of containments, of
/// which hundreds may have become due together.
pub(super) fn decided(alert: &AlertRecord, now: At) -> At {
    if alert.is_witnessed() { ahead(alert.severity(), now) } else { now }
}

/// The line in which the alerts of a page stand.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many of each kind stand in it.
    kinds: HashMap<String, u32>,
}

impl Line {
    /// When an alert counts as due that came now.
    pub(super) fn place(&mut self, alert: &AlertRecord, now: At) -> At {
        let Some(shown) = alert.believed().find(|seen| seen.genuine) else { return now };
        let kind = format!("{}|{}", shown.detector, shown.external_id.as_deref().unwrap_or_default());
        let before = self.kinds.entry(kind).or_default();
        let behind = APART * *before;
        *before = before.saturating_add(1);
        ahead(alert.severity(), now).plus(behind).min(now)
    }
}

/// When what is done for an alert of this severity counts as due that could be done now.
pub(super) fn ahead(severity: Severity, now: At) -> At {
    now.minus(HEAD_START.saturating_sub(PER_SEVERITY * below_high(severity)))
}

const fn below_high(severity: Severity) -> u32 {
    match severity {
        Severity::High => 0,
        Severity::Medium => 1,
        Severity::Low => 2,
        Severity::Informational | Severity::Unknown => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::model::alert::{Entities, Sighting, SourceKey};
    use crate::model::id::AlertId;
    use crate::model::scope::TenantKey;

    const NOW: At = At::from_unix_seconds(1_800_000_000);

    fn alert(detector: &str, severity: Severity, genuine: bool) -> AlertRecord {
        let sighting = Sighting {
            source: SourceKey::Graph,
            aliases: vec!["a".into()],
            detector: detector.into(),
            external_id: None,
            title: String::new(),
            severity,
            start: None,
            end: None,
            visible: NOW,
            columns: BTreeMap::new(),
            rows: Vec::new(),
            entities: Entities::Missing,
            incident: None,
            genuine,
        };
        AlertRecord::seen(AlertId::derive(&["a"]), TenantKey(Uuid::nil()), sighting, NOW)
    }

    #[test]
    fn one_of_another_kind_that_comes_later_goes_before_most_of_a_crowd() {
        let mut page = Line::default();
        let crowd: Vec<At> = (0..2_000).map(|_| page.place(&alert("noisy", Severity::High, true), NOW)).collect();
        assert!(crowd.is_sorted() && crowd.iter().all(|due| *due <= NOW), "all of them are due");
        let later = NOW.plus(Duration::from_secs(15));
        let other = Line::default().place(&alert("dcsync", Severity::High, true), later);
        assert_eq!(crowd.iter().filter(|due| **due < other).count(), 15);
        // What has waited for longer than the head start goes before it.
        let much_later = NOW.plus(HEAD_START * 2);
        let other = Line::default().place(&alert("dcsync", Severity::High, true), much_later);
        assert!(crowd.iter().all(|due| *due <= other));
    }

    #[test]
    fn the_severe_goes_first_and_what_defender_has_not_shown_goes_before_nobody() {
        let place = |severity, genuine| Line::default().place(&alert("d", severity, genuine), NOW);
        let all = [Severity::High, Severity::Medium, Severity::Low, Severity::Informational];
        let places = all.map(|severity| place(severity, true));
        assert!(places.is_sorted() && places[0] < places[3] && places[3] < NOW);
        assert_eq!(place(Severity::High, false), NOW);
        assert_eq!(all.map(|severity| decided(&alert("d", severity, true), NOW)), places);
        assert_eq!(decided(&alert("d", Severity::High, false), NOW), NOW);
    }
}
