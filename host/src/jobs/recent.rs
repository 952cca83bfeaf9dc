//! Answers that are good for a moment: who asks the same again soon is told the same, without asking the database.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long an answer is good: a few jobs more or less change little in what many have shown.
const VALID: Duration = Duration::from_secs(2);
/// Most answers that are kept; past it all are forgotten.
const KEPT_MAX: usize = 1_000;

/// Answers by question.
#[derive(Debug)]
pub struct Recent<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// The answer, where it is still good.
    pub fn get(&self, question: &K) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(question).filter(|(at, _)| at.elapsed() < VALID).map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer; gives it back.
    pub fn keep(&self, question: K, answer: V) -> V {
        self.keep_from(question, answer, Instant::now())
    }

    fn keep_from(&self, question: K, answer: V, at: Instant) -> V {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(question, (at, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_a_moment_and_there_are_never_too_many() {
        let recent = Recent::default();
        recent.keep_from(0, "old", Instant::now() - VALID);
        assert_eq!((recent.get(&0), recent.keep(0, "new"), recent.get(&0)), (None, "new", Some("new")));
        for question in 1..KEPT_MAX {
            recent.keep(question, "more");
        }
        assert_eq!(recent.get(&0), Some("new"));
        recent.keep(KEPT_MAX, "one past the limit");
        assert_eq!((recent.get(&0), recent.0.lock().unwrap().len()), (None, 1));
    }
}
