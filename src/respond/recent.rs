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
/// Old answers are thrown away when there are more than this.
const MOST: usize = 2_000;

/// Answers by question.
pub struct Recent<K, V>(Mutex<HashMap<K, (At, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// The answer, if it is fresh.
    pub fn get(&self, question: &K, now: At) -> Option<V> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question).filter(|(at, _)| *at <= now && now.since(*at) < FRESH).map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer given at `at`.
    pub fn put(&self, question: K, at: At, answer: V) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (kept, _)| at.since(*kept) < FRESH);
        }
        if answers.len() < MOST {
            answers.insert(question, (at, answer));
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
}
