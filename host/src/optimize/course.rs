//! How gains change from step to step of a portfolio: only in the scenarios where the last lineups have changed something.
//!
//! A gain that was exact at an earlier step is made exact again by the difference of two short sums, over those scenarios only. After
//! some steps they are a small part of all, and the gain of every lineup that matters is known exactly at every step.

use std::sync::{Arc, OnceLock};

use super::{cover::Cover, goal::Goal};

/// The step of a gain that never was exact.
pub(super) const NEVER: u16 = u16::MAX;

/// Share of the scenarios from which on it is cheaper to sum over all of them again.
const CHANGED_SHARE_MAX: f64 = 0.5;

/// The states of a portfolio, step by step.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// What gains depend on, one number per scenario.
    states: Vec<Arc<Vec<i16>>>,
    /// By how much gains may have risen up to each step, since the first.
    raises: Vec<i64>,
}

impl Course {
    /// Adds a step, at which no gain rose by more than `raise`.
    pub fn step(&mut self, state: Vec<i16>, raise: i64) {
        let before = self.raises.last().copied().unwrap_or(0);
        self.states.push(Arc::new(state));
        self.raises.push(before + raise);
    }

    /// By how much a gain may have risen since it was exact.
    pub fn raised(&self, at: u16) -> i64 {
        let risen = |at: usize| self.raises.get(at).copied().unwrap_or(0);
        let before = if at == NEVER { 0 } else { risen(usize::from(at)) };
        self.raises.last().copied().unwrap_or(0) - before
    }
}

/// What a lineup added in the scenarios that changed, at an earlier step and now.
pub(super) struct Change<'a> {
    pub was: Goal<'a>,
    pub is: Goal<'a>,
}

/// The way from any step to the last one.
pub(super) struct Updates<'a> {
    course: &'a Course,
    cover: &'a Cover<'a>,
    changes: Vec<OnceLock<Option<Change<'a>>>>,
}

impl<'a> Updates<'a> {
    pub fn new(course: &'a Course, cover: &'a Cover<'a>) -> Self {
        Self { course, cover, changes: course.states.iter().map(|_| OnceLock::new()).collect() }
    }

    /// The last step.
    pub fn now(&self) -> u16 {
        (self.course.states.len() as u16).saturating_sub(1)
    }

    /// As [`Course::raised`].
    pub fn raised(&self, at: u16) -> i64 {
        self.course.raised(at)
    }

    /// What has changed since a step; `None` where it is too much.
    pub fn since(&self, at: u16) -> Option<&Change<'a>> {
        self.changes.get(usize::from(at))?.get_or_init(|| self.compare(usize::from(at))).as_ref()
    }

    fn compare(&self, at: usize) -> Option<Change<'a>> {
        let (was, is) = (&self.course.states[at], self.course.states.last()?);
        let differs = |(scenario, (was, is)): (u32, (&i16, &i16))| (was != is).then_some(scenario);
        let changed: Vec<u32> = (0..).zip(was.iter().zip(is.iter())).filter_map(differs).collect();
        let is_much = changed.len() as f64 > is.len() as f64 * CHANGED_SHARE_MAX;
        (!is_much).then(|| self.cover.change(was, is, &changed))
    }
}
