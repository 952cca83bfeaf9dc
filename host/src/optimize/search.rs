//! The exact search: all cores go through the walk's parts, best bound first, and keep the best lineups.

use std::{cmp::Ordering, ops::ControlFlow, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{
    answer::{Certificate, Proof, SearchFailure, Solved},
    bound::{Effort, SubsetTable},
    climb::climb,
    goal::{Evaluator, Goal},
    grid::Grid,
    matrix::ScoreMatrix,
    pass::{Pass, Tick},
    session::{Fingerprint, PassState, Session, of_text},
    space::{Candidates, SearchSpace},
    threshold,
    value::{Measure, entries_of},
    walk::Visited,
};
use crate::domain::{
    interrupt::{Interrupt, StopReason},
    lineup::Lineup,
    spec::Objective,
};

/// Finds the lineup with the highest objective, exactly; of equal ones the lexicographically first.
///
/// Points are counted in whole thousandths. The value is in points, or a share of the scenarios: see [`Objective`].
///
/// # Errors
/// [`SearchFailure::Infeasible`] with the reason, [`SearchFailure::Invalid`] where the request does not fit the matrix, and
/// [`SearchFailure::Stopped`] where the interrupt is raised; after a deadline the best lineup so far is returned instead, if
/// there is one.
pub fn best_lineup(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    objective: Objective,
    session: &mut Session<'_>,
) -> Result<Solved, SearchFailure> {
    let search = Search::new(matrix, space, objective, session.interrupt)?;
    let resume = session.resume.take().filter(|state| state.key == search.key).unwrap_or_default();
    let request = Request { keep: 1, ..Request::default() };
    let mut tick = |share: f64, state: &mut dyn FnMut() -> PassState| {
        session.watch.tick(share, &mut || super::SearchState { key: search.key, pass: state(), ..Default::default() });
    };
    let collected =
        search.collect(&request, resume.pass, session.interrupt, &mut tick).map_err(SearchFailure::Stopped)?;
    let Some(found) = collected.found.first() else {
        return Err(search.nothing(space, collected.stopped));
    };
    let certificate = search.certificate(&collected, found.value);
    Ok(Solved { lineup: found.lineup(), value: search.shown(found.value), certificate })
}

/// A lineup and its value. The order is that of a ranking: less is better; of equal values the lexicographically first
/// lineup is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(i64, Vec<u16>)", from = "(i64, Vec<u16>)")]
pub(super) struct Found {
    pub value: i64,
    pub mask: u128,
}

impl Found {
    pub fn lineup(&self) -> Lineup {
        Lineup(entries_of(self.mask))
    }
}

impl From<Found> for (i64, Vec<u16>) {
    fn from(found: Found) -> Self {
        (found.value, entries_of(found.mask))
    }
}

impl From<(i64, Vec<u16>)> for Found {
    fn from((value, entries): (i64, Vec<u16>)) -> Self {
        // A state that names an entry past the limit is none of ours; its key does not match either.
        let mask = entries.iter().fold(0, |mask, &entry| mask | 1_u128.checked_shl(u32::from(entry)).unwrap_or(0));
        Self { value, mask }
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of two sets of equal size the one with the smallest entry that the other lacks comes first.
        let lexicographic = other.mask.reverse_bits().cmp(&self.mask.reverse_bits());
        other.value.cmp(&self.value).then(lexicographic)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Lineups that are not allowed although the space has them: those too close to lineups picked before.
#[derive(Debug, Clone, Default)]
pub(super) struct Spacing {
    /// Sets of entries picked before.
    pub picked: Vec<u128>,
    /// Entries that an allowed lineup shares with each of them at most.
    pub shared_max: u32,
}

impl Spacing {
    /// Whether the set is far enough from all picked before.
    pub fn allows(&self, mask: u128) -> bool {
        self.picked.iter().all(|picked| (picked & mask).count_ones() <= self.shared_max)
    }
}

/// What to collect.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// How many of the best lineups to keep.
    pub keep: usize,
    /// Lineups that are not allowed.
    pub spacing: Spacing,
    /// Only lineups that rank after this one.
    pub after: Option<Found>,
}

/// The best lineups, best first.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub found: Vec<Found>,
    /// Why the search ended early, where it did.
    pub stopped: Option<StopReason>,
    /// Upper bound of the value of what was not visited, where the search ended early.
    pub open_bound: Option<i64>,
    pub visited: Visited,
    pub evaluated: u64,
    pub elapsed_ms: f64,
}

/// A prepared search: space, goal and bounds. Serves any number of requests.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub candidates: Candidates,
    pub goal: Goal<'a>,
    pub table: SubsetTable,
    /// Value of a feasible lineup.
    pub incumbent: i64,
    /// Fingerprint of the request and the points.
    pub key: u64,
}

impl<'a> Search<'a> {
    /// Checks the input, finds a good lineup to set floors by and tabulates bounds.
    pub fn new(
        matrix: &'a ScoreMatrix,
        space: &SearchSpace,
        objective: Objective,
        interrupt: &Interrupt,
    ) -> Result<Self, SearchFailure> {
        let measure = Measure::new(objective, matrix.scenarios())?;
        let candidates = space.prepare(matrix.entries())?;
        let grid = Arc::new(Grid::new(matrix, &candidates));
        let key = fingerprint(matrix, space, &measure);
        let by_sum = Self::by_sum(matrix, candidates, grid, key);
        if measure == Measure::Sum {
            return Ok(by_sum);
        }
        by_sum.with_hinges(measure, space, interrupt)
    }

    /// The search for the largest mean.
    fn by_sum(matrix: &'a ScoreMatrix, candidates: Candidates, grid: Arc<Grid>, key: u64) -> Self {
        let goal = Goal::new(matrix, grid, Measure::Sum);
        let total = |entry: u16| -> i64 { goal.defined(1 << entry, &mut Vec::new()) };
        let sums: Vec<i64> = candidates.free.iter().map(|&entry| total(entry)).collect();
        let locked = candidates.locks.iter().map(|&entry| total(entry)).sum();
        let table = SubsetTable::of_sums(&sums, locked, candidates.places);
        Self { candidates, goal, table, incumbent: i64::MIN, key }
    }

    /// The same search for another measure. The best lineup by mean is where climbing starts.
    fn with_hinges(
        mut self,
        measure: Measure,
        space: &SearchSpace,
        interrupt: &Interrupt,
    ) -> Result<Self, SearchFailure> {
        let request = Request { keep: 1, ..Request::default() };
        let collected =
            self.collect(&request, PassState::default(), interrupt, &mut |_, _| {}).map_err(SearchFailure::Stopped)?;
        let Some(start) = collected.found.first() else {
            return Err(self.nothing(space, collected.stopped));
        };
        let mut picks = self.candidates.picks(start.mask);
        self.goal = Goal::new(self.goal.matrix, Arc::clone(&self.goal.grid), measure);
        self.goal.follow(&picks);
        if picks.is_empty() {
            return Ok(self);
        }
        let mut evaluator = Evaluator::new(&self.goal, &self.candidates);
        self.incumbent =
            climb(&self.candidates, &mut evaluator, &mut picks, interrupt).map_err(SearchFailure::Stopped)?;
        self.goal.follow(&picks);
        self.table = threshold::table(&self.goal, &self.candidates, &picks, Effort::Once, interrupt);
        match interrupt.reason() {
            Some(reason) => Err(SearchFailure::Stopped(reason)),
            None => Ok(self),
        }
    }

    /// Collects the best lineups that the request allows, from where an earlier pass with the same request was.
    ///
    /// # Errors
    /// The reason, where the interrupt was raised for another reason than a deadline.
    pub fn collect(
        &self,
        request: &Request,
        resume: PassState,
        interrupt: &Interrupt,
        tick: &mut Tick<'_>,
    ) -> Result<Collected, StopReason> {
        let started = Instant::now();
        let mut collected = if self.candidates.places == 0 {
            self.only_lineup(request)
        } else {
            Pass::new(self, request, interrupt).run(resume, tick)
        };
        collected.elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
        match collected.stopped {
            Some(reason) if reason != StopReason::Deadline => Err(reason),
            _ => Ok(collected),
        }
    }

    /// All places are locked.
    fn only_lineup(&self, request: &Request) -> Collected {
        let mask = self.candidates.locked;
        let found = Found { value: self.goal.defined(mask, &mut Vec::new()), mask };
        let is_allowed = request.spacing.allows(mask)
            && self.candidates.rules.allow(mask)
            && request.after.is_none_or(|after| found > after);
        Collected {
            found: if is_allowed { vec![found] } else { Vec::new() },
            visited: Visited { nodes: 1, leaves: 1 },
            evaluated: 1,
            ..Collected::default()
        }
    }

    /// A value as people read it.
    pub fn shown(&self, value: i64) -> f64 {
        self.goal.measure.shown(value, self.goal.matrix.scenarios())
    }

    /// What backs a lineup of this value that a pass has found.
    pub fn certificate(&self, collected: &Collected, value: i64) -> Certificate {
        let open = collected.open_bound.filter(|&bound| collected.stopped.is_some() && bound > value);
        Certificate {
            proof: open.map_or(Proof::Optimal, |bound| Proof::Interrupted { upper_bound: self.shown(bound) }),
            nodes: collected.visited.nodes,
            leaves: collected.visited.leaves,
            pruned: collected.visited.leaves.saturating_sub(collected.evaluated),
            elapsed_ms: collected.elapsed_ms,
        }
    }

    /// Why a search has found nothing.
    pub fn nothing(&self, space: &SearchSpace, stopped: Option<StopReason>) -> SearchFailure {
        stopped.map_or_else(|| space.nothing_between().into(), SearchFailure::Stopped)
    }
}

/// Tells one search from another.
fn fingerprint(matrix: &ScoreMatrix, space: &SearchSpace, measure: &Measure) -> u64 {
    let mut print = Fingerprint::new();
    for entry in 0..matrix.entries() {
        matrix.column(entry).iter().for_each(|points| print.add(u64::from(points.to_bits())));
    }
    of_text(print.0, &format!("{space:?} {measure:?}"))
}

/// Whether a visitor goes on.
pub(super) fn flow(interrupt: &Interrupt) -> ControlFlow<()> {
    if interrupt.reason().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
