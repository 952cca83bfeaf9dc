//! The exact search: all cores go through the walk's parts, best bound first, and keep the best lineups.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use rayon::prelude::*;

use super::{
    answer::{Certificate, Proof, SearchFailure, Solved},
    bound::{SubsetTable, Tail, binomial, subset_size},
    climb::climb,
    fixed_point::{Column, FixedPoint, add_columns, excess_over, nth_largest, positive_sum},
    matrix::ScoreMatrix,
    space::{Candidates, SearchSpace},
    value::{check_objective, column_mean, entries_of, lineup_scores, tail_count, upper_mean},
    walk::{Siblings, Spacing, Visited, Walk},
};
use crate::domain::{
    interrupt::{Interrupt, StopReason},
    lineup::Lineup,
    spec::Objective,
};

/// Scenario sums after which a worker looks at the interrupt: a fraction of a millisecond.
const PACE_CELLS: usize = 1 << 20;

/// Finds the lineup with the highest objective, exactly; of equal ones the lexicographically first.
///
/// The value is in points: the mean score, or the mean of the best `ceil(alpha * S)` of S scores. Scores are `f64` sums of the
/// matrix's points in entry order and so are their means; the value is within a relative error of 1e-12 of the exact real
/// number, and lineups that are closer than that may swap places.
///
/// # Errors
/// [`SearchFailure::Infeasible`] with the reason, [`SearchFailure::Invalid`] where the request does not fit the matrix, and
/// [`SearchFailure::Stopped`] where the interrupt is raised; after a deadline the best lineup so far is returned instead, if
/// there is one.
pub fn best_lineup(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    objective: Objective,
    interrupt: &Interrupt,
) -> Result<Solved, SearchFailure> {
    let search = Search::new(matrix, space, objective, interrupt)?;
    let request = Request { keep: 1, spacing: Spacing::default(), after: None };
    let collected = search.collect(&request, interrupt).map_err(SearchFailure::Stopped)?;
    let Some(found) = collected.found.first() else {
        return Err(collected.stopped.map_or_else(|| space.nothing_between().into(), SearchFailure::Stopped));
    };
    Ok(Solved { lineup: found.lineup(), value: found.value, certificate: collected.certificate(found.value) })
}

/// A lineup and its value. The order is that of a ranking: less is better; of equal values the lexicographically first
/// lineup is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub value: f64,
    pub mask: u128,
}

impl Found {
    pub fn lineup(&self) -> Lineup {
        Lineup(entries_of(self.mask))
    }
}

impl Eq for Found {}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of two sets of equal size the one with the smallest entry that the other lacks comes first.
        let lexicographic = other.mask.reverse_bits().cmp(&self.mask.reverse_bits());
        other.value.total_cmp(&self.value).then(lexicographic)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
#[derive(Debug)]
pub(super) struct Collected {
    pub found: Vec<Found>,
    /// Why the search ended early, where it did.
    pub stopped: Option<StopReason>,
    /// Upper bound in points of what was not visited, where the search ended early.
    pub open_bound: f64,
    visited: Visited,
    evaluated: u64,
    elapsed_ms: f64,
}

impl Collected {
    /// What backs a lineup of this value from the list.
    pub fn certificate(&self, value: f64) -> Certificate {
        let is_open = self.stopped.is_some() && self.open_bound > value;
        Certificate {
            proof: if is_open { Proof::Interrupted { upper_bound: self.open_bound } } else { Proof::Optimal },
            nodes: self.visited.nodes,
            leaves: self.visited.leaves,
            pruned: self.visited.leaves.saturating_sub(self.evaluated),
            elapsed_ms: self.elapsed_ms,
        }
    }
}

/// The objective, ready to be evaluated.
#[derive(Debug)]
enum Goal {
    /// Mean points per slate entry.
    Mean(Vec<f64>),
    Tail {
        fixed: FixedPoint,
        tail: Tail,
    },
}

/// A prepared search: space, objective and bounds. Serves any number of requests.
#[derive(Debug)]
pub(super) struct Search<'a> {
    matrix: &'a ScoreMatrix,
    candidates: Candidates,
    goal: Goal,
    table: SubsetTable,
    /// Value of a feasible lineup.
    incumbent: f64,
}

impl<'a> Search<'a> {
    /// Checks the input, finds a good lineup to set thresholds by and tabulates bounds.
    pub fn new(
        matrix: &'a ScoreMatrix,
        space: &SearchSpace,
        objective: Objective,
        interrupt: &Interrupt,
    ) -> Result<Self, SearchFailure> {
        check_objective(objective)?;
        let candidates = space.prepare(matrix.entries())?;
        let by_mean = Self::by_mean(matrix, candidates);
        match objective {
            Objective::Mean => Ok(by_mean),
            Objective::UpperCvar { alpha } => {
                let count = tail_count(alpha, matrix.scenarios())?;
                by_mean.with_tail(count, space, interrupt)
            }
        }
    }

    fn by_mean(matrix: &'a ScoreMatrix, candidates: Candidates) -> Self {
        let means = (0..matrix.entries()).map(|entry| column_mean(matrix.column(entry))).collect();
        let table = SubsetTable::of_means(matrix, &candidates);
        Self { matrix, candidates, goal: Goal::Mean(means), table, incumbent: f64::NEG_INFINITY }
    }

    /// The same search for the upper CVaR. The best lineup by mean is where climbing starts.
    fn with_tail(mut self, count: usize, space: &SearchSpace, interrupt: &Interrupt) -> Result<Self, SearchFailure> {
        let request = Request { keep: 1, ..Request::default() };
        let collected = self.collect(&request, interrupt).map_err(SearchFailure::Stopped)?;
        let Some(start) = collected.found.first() else {
            return Err(collected.stopped.map_or_else(|| space.nothing_between().into(), SearchFailure::Stopped));
        };
        let is_picked = |&pick: &usize| start.mask >> self.candidates.free[pick] & 1 == 1;
        let mut picks: Vec<usize> = (0..self.candidates.free.len()).filter(is_picked).collect();
        let fixed = FixedPoint::new(self.matrix, &self.candidates);
        let whole = fixed.sum(&picks);
        let tail = Tail { threshold: nth_largest(&[whole], count, 0), count };
        self.goal = Goal::Tail { fixed, tail };
        if picks.is_empty() {
            return Ok(self);
        }
        let mut evaluator = Evaluator::new(&self);
        self.incumbent =
            climb(&self.candidates, &mut evaluator, &mut picks, interrupt).map_err(SearchFailure::Stopped)?;
        self.set_thresholds(&picks, count, interrupt);
        match interrupt.reason() {
            Some(reason) => Err(SearchFailure::Stopped(reason)),
            None => Ok(self),
        }
    }

    /// Takes the thresholds at which the bounds of this lineup are tightest: lineups that compete with it are alike.
    fn set_thresholds(&mut self, picks: &[usize], count: usize, interrupt: &Interrupt) {
        let Goal::Tail { fixed, tail } = &mut self.goal else { return };
        tail.threshold = nth_largest(&[fixed.sum(picks)], count, tail.threshold);
        let size = subset_size(&self.candidates);
        let wide = fixed.scaled(self.matrix, &self.candidates, picks.len() as f64 / size as f64);
        let sum_of = |subset: &[usize]| {
            let mut sum = fixed.base.clone();
            for &pick in subset {
                let shorter = sum.clone();
                add_columns(&mut sum, &shorter, &wide[picks[pick]]);
            }
            sum
        };
        let subsets = super::walk::combinations(picks.len(), size);
        let sums: Vec<Column> = subsets.chunks_exact(size).map(sum_of).collect();
        // The derivative of the averaged bound by its threshold vanishes at the pooled quantile.
        let pooled = count * binomial(picks.len(), size) as usize;
        let threshold = nth_largest(&sums, pooled, tail.threshold);
        self.table = SubsetTable::of_tails(self.matrix, &self.candidates, fixed, Tail { threshold, count }, interrupt);
    }

    /// Collects the best lineups that the request allows.
    ///
    /// # Errors
    /// The reason, where the interrupt was raised for another reason than a deadline.
    pub fn collect(&self, request: &Request, interrupt: &Interrupt) -> Result<Collected, StopReason> {
        let started = Instant::now();
        let mut collected = if self.candidates.places == 0 {
            self.only_lineup(request)
        } else {
            let round = Round::new(self, request, interrupt);
            round.run()
        };
        collected.elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
        match collected.stopped {
            Some(reason) if reason != StopReason::Deadline => Err(reason),
            _ => Ok(collected),
        }
    }

    /// All places are locked.
    fn only_lineup(&self, request: &Request) -> Collected {
        let mask = self.candidates.mask([]);
        let found = Found { value: self.defined_value(mask), mask };
        let is_allowed = request.spacing.allows(mask) && request.after.is_none_or(|after| found > after);
        let visited = Visited { nodes: 1, leaves: 1 };
        let found = if is_allowed { vec![found] } else { Vec::new() };
        Collected { found, stopped: None, open_bound: f64::NEG_INFINITY, visited, evaluated: 1, elapsed_ms: 0.0 }
    }

    /// The objective by its definition.
    fn defined_value(&self, mask: u128) -> f64 {
        let entries = entries_of(mask);
        match &self.goal {
            Goal::Mean(means) => entries.iter().map(|&entry| means[usize::from(entry)]).sum::<f64>() + 0.0,
            Goal::Tail { tail, .. } => {
                let mut scores = Vec::new();
                lineup_scores(self.matrix, &entries, &mut scores);
                upper_mean(&mut scores, tail.count)
            }
        }
    }
}

/// A part of the space with its best bound.
struct Part {
    start: Vec<usize>,
    best_sum: u32,
    visited: Visited,
}

/// One pass over the whole space. Shared by the workers.
struct Round<'a> {
    search: &'a Search<'a>,
    request: &'a Request,
    interrupt: &'a Interrupt,
    kept: Mutex<BinaryHeap<Found>>,
    /// Bits of the value that a lineup must reach: of the worst one kept, once enough are.
    threshold: AtomicU64,
    next_part: AtomicUsize,
    evaluated: AtomicU64,
    /// Highest table bound of an unfinished part.
    open_bound: Mutex<Option<f64>>,
}

impl<'a> Round<'a> {
    fn new(search: &'a Search<'a>, request: &'a Request, interrupt: &'a Interrupt) -> Self {
        // The incumbent may only stand in for the best lineup where it is itself allowed.
        let is_free = request.keep == 1 && request.after.is_none() && request.spacing.picked.is_empty();
        let threshold = if is_free { search.incumbent } else { f64::NEG_INFINITY };
        Self {
            search,
            request,
            interrupt,
            kept: Mutex::new(BinaryHeap::new()),
            threshold: AtomicU64::new(threshold.to_bits()),
            next_part: AtomicUsize::new(0),
            evaluated: AtomicU64::new(0),
            open_bound: Mutex::new(None),
        }
    }

    fn run(&self) -> Collected {
        let parts = self.rank_parts();
        if self.interrupt.reason().is_none() {
            rayon::scope(|scope| {
                for _ in 0..rayon::current_num_threads() {
                    scope.spawn(|_| self.work(&parts));
                }
            });
        } else {
            self.leave_open(self.search.table.loosest_bound(self.search.candidates.places));
        }
        let open_bound = *self.open_bound.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let total = |count: fn(&Visited) -> u64| parts.iter().map(|part| count(&part.visited)).sum();
        Collected {
            found: kept.into_sorted_vec(),
            stopped: open_bound.and(self.interrupt.reason()),
            open_bound: open_bound.unwrap_or(f64::NEG_INFINITY),
            visited: Visited { nodes: total(|visited| visited.nodes), leaves: total(|visited| visited.leaves) },
            evaluated: self.evaluated.load(Relaxed),
            elapsed_ms: 0.0,
        }
    }

    /// Bounds every part and sorts them, best bound first: good lineups come early and the tail of the list is skipped.
    fn rank_parts(&self) -> Vec<Part> {
        let (candidates, table) = (&self.search.candidates, &self.search.table);
        let walk = || Walk::new(candidates, table, &self.request.spacing);
        let rank = |walk: &mut Walk<'_>, start: Vec<usize>| {
            walk.visited = Visited::default();
            let mut best_sum = 0;
            let mut groups = 0_u32;
            let _ = walk.part(&start, &mut |siblings: &Siblings<'_>| {
                best_sum = siblings.sums.iter().copied().fold(best_sum, u32::max);
                groups += 1;
                let is_due = groups.is_multiple_of(1024);
                if is_due && self.interrupt.reason().is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            Part { start, best_sum, visited: walk.visited }
        };
        let starts = Walk::starts(candidates);
        let mut parts: Vec<Part> = starts.into_par_iter().map_init(walk, rank).collect();
        parts.retain(|part| part.best_sum > 0);
        parts.sort_by_key(|part| std::cmp::Reverse(part.best_sum));
        parts
    }

    /// Takes parts until none is left that can hold a better lineup.
    fn work(&self, parts: &[Part]) {
        let table = &self.search.table;
        let mut walk = Walk::new(&self.search.candidates, table, &self.request.spacing);
        let mut evaluator = Evaluator::new(self.search);
        let mut cells = 0;
        while let Some(part) = parts.get(self.next_part.fetch_add(1, Relaxed)) {
            if part.best_sum < table.cut(self.threshold()) {
                return;
            }
            let flow =
                walk.part(&part.start, &mut |siblings: &Siblings<'_>| self.visit(siblings, &mut evaluator, &mut cells));
            if flow.is_break() {
                self.leave_open(table.bound(part.best_sum));
                return;
            }
        }
    }

    fn visit(&self, siblings: &Siblings<'_>, evaluator: &mut Evaluator<'_>, cells: &mut usize) -> ControlFlow<()> {
        let mut cut = self.search.table.cut(self.threshold());
        *cells += siblings.sums.len();
        for (index, &sum) in siblings.sums.iter().enumerate() {
            if sum < cut {
                continue;
            }
            let last = siblings.last.start + index;
            if let Some(value) = evaluator.value(siblings.path, last, self.threshold()) {
                self.evaluated.fetch_add(1, Relaxed);
                let picks = siblings.path.iter().copied().chain([last]);
                self.keep(Found { value, mask: self.search.candidates.mask(picks) });
                cut = self.search.table.cut(self.threshold());
            }
            *cells += evaluator.cells();
        }
        if *cells < PACE_CELLS {
            return ControlFlow::Continue(());
        }
        *cells = 0;
        if self.interrupt.reason().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn keep(&self, found: Found) {
        if self.request.after.is_some_and(|after| found <= after) {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(found);
        if kept.len() > self.request.keep {
            kept.pop();
        }
        if kept.len() == self.request.keep
            && let Some(worst) = kept.peek()
            && worst.value > self.threshold()
        {
            self.threshold.store(worst.value.to_bits(), Relaxed);
        }
    }

    fn threshold(&self) -> f64 {
        f64::from_bits(self.threshold.load(Relaxed))
    }

    fn leave_open(&self, bound: f64) {
        let mut open = self.open_bound.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some(open.map_or(bound, |other| other.max(bound)));
    }
}

/// Evaluates lineups that share their first entries. One per thread.
pub(super) struct Evaluator<'a> {
    search: &'a Search<'a>,
    /// `sums[j]`: score minus threshold, in units, of the locked entries and the first j of `path`.
    sums: Vec<Column>,
    path: Vec<usize>,
    scores: Column,
    tail_scenarios: Vec<u32>,
    tail_scores: Vec<f64>,
}

impl<'a> Evaluator<'a> {
    pub fn new(search: &'a Search<'a>) -> Self {
        let mut sums = Vec::new();
        if let Goal::Tail { fixed, tail } = &search.goal {
            sums.push(fixed.base.iter().map(|&score| score - tail.threshold).collect());
            sums.resize(search.candidates.places.max(1), vec![0; fixed.base.len()]);
        }
        let scores = sums.first().cloned().unwrap_or_default();
        Self { search, sums, path: Vec::new(), scores, tail_scenarios: Vec::new(), tail_scores: Vec::new() }
    }

    /// Scenario sums that evaluating a lineup takes, about.
    fn cells(&self) -> usize {
        self.scores.len().max(1)
    }

    /// The exact value of the lineup of `path` and `last`, or `None` where it is proven to be below `at_least`.
    pub fn value(&mut self, path: &[usize], last: usize, at_least: f64) -> Option<f64> {
        match &self.search.goal {
            Goal::Mean(_) => {
                let mask = self.search.candidates.mask(path.iter().copied().chain([last]));
                Some(self.search.defined_value(mask)).filter(|&value| value >= at_least)
            }
            Goal::Tail { fixed, tail } => self.tail_value(fixed, *tail, path, last, at_least),
        }
    }

    fn tail_value(
        &mut self,
        fixed: &FixedPoint,
        tail: Tail,
        path: &[usize],
        last: usize,
        at_least: f64,
    ) -> Option<f64> {
        self.follow(fixed, path);
        let count = tail.count;
        let is_below = |threshold: i32, excess: u64| {
            // A millionth of a unit against rounding errors of the exact value that this is compared with.
            let bound = f64::from(threshold) + excess as f64 / count as f64 + 1e-6;
            bound * fixed.unit < at_least
        };
        let threshold = i32::from(tail.threshold);
        let (parent, column) = (&self.sums[path.len()], &fixed.columns[last]);
        if is_below(threshold, positive_sum(parent, column)) {
            return None;
        }
        add_columns(&mut self.scores, parent, column);
        let own = nth_largest(std::slice::from_ref(&self.scores), count, 0);
        if is_below(threshold + i32::from(own), excess_over(&self.scores, own)) {
            return None;
        }
        // The true scores of the tail are within the slack of the rounded ones, so these scenarios hold the whole tail.
        let bound = own - fixed.slack;
        self.tail_scenarios.clear();
        let above = self.scores.iter().zip(0..).filter(|&(&score, _)| score > bound);
        self.tail_scenarios.extend(above.map(|(_, scenario): (_, u32)| scenario));
        let mask = self.search.candidates.mask(path.iter().copied().chain([last]));
        self.tail_scores.clear();
        self.tail_scores.resize(self.tail_scenarios.len(), 0.0);
        for entry in entries_of(mask) {
            let column = self.search.matrix.column(usize::from(entry));
            for (score, &scenario) in self.tail_scores.iter_mut().zip(&self.tail_scenarios) {
                *score += f64::from(column[scenario as usize]);
            }
        }
        Some(upper_mean(&mut self.tail_scores, count)).filter(|&value| value >= at_least)
    }

    /// Brings the sums up to date with `path`, from where it leaves the last one.
    fn follow(&mut self, fixed: &FixedPoint, path: &[usize]) {
        let shared = self.path.iter().zip(path).take_while(|(old, new)| old == new).count();
        for (depth, &entry) in path.iter().enumerate().skip(shared) {
            let (shorter, longer) = self.sums.split_at_mut(depth + 1);
            add_columns(&mut longer[0], &shorter[depth], &fixed.columns[entry]);
        }
        self.path.clear();
        self.path.extend_from_slice(path);
    }
}
