//! Rows that changed nothing when they were last looked at: sources are read with an overlap, so most of a page was there
//! the last time too, and need not be joined with the journal's state again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::model::alert::{Sighting, SourceKey};
use crate::model::id::AlertId;

/// So many are kept at least, and never more than twice as many: more than the overlap shows of a busy tenant.
const MOST: usize = 10_000;

/// A row together with what the journal knew of its names: when either is another, it is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print([u8; 32]);

impl Print {
    /// Of a row, with those of its possible names that are known. A trigger's row has none: each run shows it anew.
    pub(super) fn of(sighting: &Sighting, wanted: &[String], names: &HashMap<String, AlertId>) -> Option<Self> {
        if matches!(sighting.source, SourceKey::Trigger { .. }) {
            return None;
        }
        let known: Vec<_> = wanted.iter().map(|name| names.get(name)).collect();
        let mut sum = Sha256::new();
        serde_json::to_writer(&mut sum, &(sighting, known)).ok()?;
        Some(Self(sum.finalize().into()))
    }
}

/// Prints, of which those not met for long are forgotten.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    young: HashSet<Print>,
    old: HashSet<Print>,
}

impl Repeats {
    /// Whether this is known to change nothing.
    pub(super) fn has(&self, print: &Print) -> bool {
        let mut kept = self.kept();
        if kept.old.remove(print) {
            kept.keep(*print);
        }
        kept.young.contains(print)
    }

    /// These have changed nothing.
    pub(super) fn note(&self, prints: impl IntoIterator<Item = Print>) {
        let mut kept = self.kept();
        prints.into_iter().for_each(|print| kept.keep(print));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, print: Print) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(print);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::alert::{Entities, Severity};
    use crate::model::time::At;

    fn row(source: SourceKey, title: &str) -> Sighting {
        Sighting {
            source,
            aliases: vec!["a".into()],
            detector: "d".into(),
            external_id: None,
            title: title.into(),
            severity: Severity::High,
            start: None,
            end: None,
            visible: At::EPOCH,
            columns: BTreeMap::new(),
            rows: Vec::new(),
            entities: Entities::Missing,
            incident: None,
            genuine: false,
        }
    }

    #[test]
    fn a_row_is_another_one_as_soon_as_it_or_what_is_known_of_its_names_changes() {
        let wanted = ["id:a".to_owned(), "fp:b".to_owned()];
        let known = |pairs: &[(&str, &str)]| -> HashMap<String, AlertId> {
            pairs.iter().map(|(name, id)| ((*name).to_owned(), AlertId::derive(&[id]))).collect()
        };
        let print = |title, names: &[(&str, &str)]| Print::of(&row(SourceKey::Graph, title), &wanted, &known(names));
        let first = print("t", &[("id:a", "1")]);
        assert_eq!(first, print("t", &[("id:a", "1"), ("id:other", "2")]));
        for other in [
            print("u", &[("id:a", "1")]),
            print("t", &[]),
            print("t", &[("id:a", "2")]),
            print("t", &[("fp:b", "1")]),
            print("t", &[("id:a", "1"), ("fp:b", "1")]),
        ] {
            assert_ne!(first, other);
        }
        let trigger = SourceKey::Trigger { name: "t".into(), workspace: None };
        assert_eq!(Print::of(&row(trigger, "t"), &wanted, &HashMap::new()), None);
    }

    #[test]
    fn what_is_met_again_stays_and_what_is_not_is_forgotten() {
        let print = |n: usize| Print(Sha256::digest(n.to_le_bytes()).into());
        let repeats = Repeats::default();
        repeats.note([print(0), print(1)]);
        for n in 2..4 * MOST {
            repeats.note([print(n)]);
            assert!(repeats.has(&print(0)), "{n}");
        }
        assert!(!repeats.has(&print(1)));
        let kept = repeats.kept();
        assert!(kept.young.len() <= MOST && kept.old.len() <= MOST);
    }
}
