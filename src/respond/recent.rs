//! What directories said a moment ago. One case asks the same about the same person many times within
//! seconds; an answer that is a few seconds old is as good as a new one, and it keeps vendors' limits
//! for what matters.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::time::At;

/// How long an answer counts. Well below the life of a guardrail's slip, so that a check never stands
/// on facts older than that.
pub const FRESH: Duration = Duration::from_secs(10);
/// No more answers than this are kept.
const MOST: usize = 2_000;
/// Old ones are thrown away whenever there are twice as many as were left the last time, but not below this.
const FEW: usize = 64;

/// Answers by question.
pub struct Recent<K, V>(Mutex<Kept<K, V>>);

struct Kept<K, V> {
    answers: HashMap<K, (At, V)>,
    /// How many there may be before old ones are thrown away.
    room: usize,
    /// Not before this: throwing away goes through all of them.
    not_before: At,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Kept { answers: HashMap::new(), room: FEW, not_before: At::EPOCH }))
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// The answer, if it is fresh.
    pub fn get(&self, question: &K, now: At) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.answers.get(question).filter(|(at, _)| *at <= now && now.since(*at) < FRESH);
        fresh.map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer given at `at`.
    pub fn put(&self, question: K, at: At, answer: V) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.len() >= kept.room && at >= kept.not_before {
            kept.answers.retain(|_, (given, _)| at.since(*given) < FRESH);
            kept.room = (kept.answers.len() * 2).clamp(FEW, MOST);
            kept.not_before = at.plus(FRESH / 10);
        }
        if kept.answers.len() < MOST {
            kept.answers.insert(question, (at, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_ten_seconds_and_not_before_it_was_given() {
        let recent = Recent::default();
        let at = |seconds| At::from_unix_seconds(seconds);
        recent.put("q", at(100), 1);
        assert_eq!(recent.get(&"q", at(109)), Some(1));
        assert_eq!(recent.get(&"q", at(110)), None);
        assert_eq!(recent.get(&"q", at(99)), None);
    }

    #[test]
    fn old_answers_make_room() {
        let recent = Recent::default();
        (0..MOST).for_each(|n| recent.put(n, At::from_unix_seconds(0), n));
        recent.put(MOST, At::from_unix_seconds(60), 7);
        assert_eq!(recent.get(&MOST, At::from_unix_seconds(60)), Some(7));
    }

    #[test]
    fn old_answers_are_not_kept_until_there_are_very_many() {
        let recent = Recent::default();
        (0..1_000).for_each(|second| recent.put(second, At::from_unix_seconds(second), ()));
        assert!(recent.0.lock().unwrap().answers.len() <= FEW);
    }
}
