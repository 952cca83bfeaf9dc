//! Every feasible lineup with an upper bound of its gain, for goals whose gains only fall as a portfolio grows.
//!
//! A bound from an earlier step stays a bound (Minoux 1978), so a step evaluates only lineups whose last known gain reaches the
//! best one of the step; what it evaluates becomes the new bound. Where gains change in few scenarios (`course`), groups of lineups are
//! brought up to date by these alone; elsewhere refreshing lowers all bounds at once by a table of subsets.

use std::{
    collections::{BTreeMap, BinaryHeap},
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use rayon::prelude::*;

use super::{
    answer::SearchFailure,
    bound::SubsetTable,
    course::{NEVER, Updates},
    goal::{BATCH, Evaluator, Goal, Valued},
    search::{Found, flow},
    space::Candidates,
    walk::{Siblings, Walk},
};
use crate::domain::interrupt::{Interrupt, StopReason};

/// Most lineups that a ledger holds: 4 bytes each, and a few more per group.
pub(super) const LEAVES_MAX: u64 = 200_000_000;

/// Lineups with the best bounds that are evaluated first, so that the rest has something to reach.
const SCOUTS: usize = 512;

/// Every lineup of a space, in the order of the walk.
pub(super) struct Ledger {
    chunks: Vec<Chunk>,
    /// Values are kept in this many.
    step: i64,
}

/// Some groups that follow each other.
struct Chunk {
    /// Indices of the free candidates of each group's path, flattened.
    paths: Vec<u8>,
    groups: Vec<Group>,
    /// Upper bound of each lineup's gain, in steps; 0 where it is not allowed.
    bounds: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Group {
    /// The first candidate of the last place.
    last: u8,
    lineups: u8,
    /// The step at which the bounds were exact gains.
    at: u16,
}

/// What the best lineup of a step must satisfy besides being in the ledger.
pub(super) type Allows<'a> = dyn Fn(u128) -> bool + Sync + 'a;

/// What one step did.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    /// The best allowed lineups, best first.
    pub found: Vec<Found>,
    /// Lineups that were evaluated.
    pub evaluated: u64,
}

impl Ledger {
    /// All lineups of the space with their table bounds; values are multiples of `unit`.
    ///
    /// # Errors
    /// [`SearchFailure::Stopped`] where the interrupt is raised, [`SearchFailure::Invalid`] where there are too many.
    pub fn new(
        candidates: &Candidates,
        table: &SubsetTable,
        unit: i64,
        interrupt: &Interrupt,
    ) -> Result<Self, SearchFailure> {
        let listed = AtomicU64::new(0);
        let step = (table.loosest_bound(candidates.places).max(0) / unit / i64::from(u32::MAX - 1) + 1) * unit;
        let starts = Walk::starts(candidates);
        let record = |walk: &mut Walk<'_>, start: &Vec<usize>| {
            let mut chunk = Chunk { paths: Vec::new(), groups: Vec::new(), bounds: Vec::new() };
            let _ = walk.part(start, &mut |siblings: &Siblings<'_>| {
                chunk.paths.extend(siblings.path.iter().map(|&pick| pick as u8));
                chunk.groups.push(Group {
                    last: siblings.last.start as u8,
                    lineups: siblings.sums.len() as u8,
                    at: NEVER,
                });
                let bound = |&sum: &u32| if sum == 0 { 0 } else { steps(table.bound(sum), step) };
                chunk.bounds.extend(siblings.sums.iter().map(bound));
                ControlFlow::Continue(())
            });
            chunk
        };
        let starts: Vec<&[Vec<usize>]> = starts.chunks(8).collect();
        let recorded = starts.into_par_iter().map_init(
            || Walk::new(candidates, table),
            |walk, starts| -> Vec<Chunk> {
                if flow(interrupt).is_break() || listed.load(Relaxed) > LEAVES_MAX {
                    return Vec::new();
                }
                let chunks: Vec<Chunk> = starts.iter().map(|start| record(walk, start)).collect();
                listed.fetch_add(chunks.iter().map(|chunk| chunk.bounds.len() as u64).sum(), Relaxed);
                chunks
            },
        );
        let chunks = recorded.flatten_iter().filter(|chunk| !chunk.groups.is_empty()).collect();
        if let Some(reason) = interrupt.reason() {
            return Err(SearchFailure::Stopped(reason));
        }
        if listed.into_inner() > LEAVES_MAX {
            let detail = format!("more than {LEAVES_MAX} lineups are feasible: exclude drivers or narrow the salaries");
            return Err(SearchFailure::Invalid { field: "together", detail });
        }
        Ok(Self { chunks, step })
    }

    /// Whether values of this unit are kept as they are.
    pub const fn keeps(&self, unit: i64) -> bool {
        self.step == unit
    }

    /// All bounds, to come back to.
    pub fn bounds(&self) -> Vec<Vec<u32>> {
        self.chunks.iter().map(|chunk| chunk.bounds.clone()).collect()
    }

    /// Goes back to earlier bounds of the same ledger.
    pub fn set_bounds(&mut self, bounds: Vec<Vec<u32>>) {
        self.chunks.iter_mut().zip(bounds).for_each(|(chunk, bounds)| chunk.bounds = bounds);
    }

    /// Number of lineups that are allowed.
    pub fn len(&self) -> u64 {
        let allowed = |chunk: &Chunk| chunk.bounds.iter().filter(|&&bound| bound > 0).count() as u64;
        self.chunks.par_iter().map(allowed).sum()
    }

    /// Lowers the bounds to those of a table of the same goal at a later step, or of a larger portfolio.
    pub fn refresh(&mut self, candidates: &Candidates, table: &SubsetTable) {
        let step = self.step;
        let places = candidates.places - 1;
        self.chunks.par_iter_mut().for_each_init(
            || Walk::new(candidates, table),
            |walk, chunk| {
                let mut bounds = chunk.bounds.as_mut_slice();
                for (path, group) in chunk.paths.chunks_exact(places.max(1)).zip(&chunk.groups) {
                    let (of_group, rest) = bounds.split_at_mut(usize::from(group.lineups));
                    bounds = rest;
                    let last = usize::from(group.last)..usize::from(group.last) + of_group.len();
                    for (bound, sum) in of_group.iter_mut().zip(walk.sums_of(path, last)) {
                        *bound = (*bound).min(steps(table.bound(*sum), step));
                    }
                }
            },
        );
    }

    /// Raises all bounds by as much as the removal of a lineup can raise any gain.
    pub fn raise(&mut self, by: i64) {
        let by = steps(by, self.step);
        self.chunks.par_iter_mut().flat_map_iter(|chunk| &mut chunk.bounds).for_each(|bound| {
            if *bound > 0 {
                *bound = bound.saturating_add(by);
            }
        });
    }

    /// Upper bound of the sum of the `count` largest gains: what so many more lineups can add to a portfolio. `raised` says by how
    /// much gains may have risen since a step.
    pub fn largest_sum(&self, count: usize, raised: &(dyn Fn(u16) -> i64 + Sync)) -> i64 {
        let of_chunk = |chunk: &Chunk| {
            let mut bounds = chunk.bounds.clone();
            let mut rest = bounds.as_mut_slice();
            for group in &chunk.groups {
                let (of_group, after) = rest.split_at_mut(usize::from(group.lineups));
                rest = after;
                let raised = raised(group.at);
                if raised > 0 {
                    let raised = steps(raised, self.step);
                    of_group
                        .iter_mut()
                        .filter(|bound| **bound > 0)
                        .for_each(|bound| *bound = bound.saturating_add(raised));
                }
            }
            let rest = bounds.len().saturating_sub(count);
            if rest > 0 {
                bounds.select_nth_unstable(rest);
            }
            bounds.split_off(rest)
        };
        let mut largest: Vec<u32> = self.chunks.par_iter().flat_map_iter(of_chunk).collect();
        largest.sort_unstable_by(|left, right| right.cmp(left));
        largest.iter().take(count).map(|&bound| i64::from(bound) * self.step).sum()
    }

    /// The `keep` best lineups by the goal that are allowed; of equal ones the lexicographically first. With `updates` the bounds are
    /// gains that were exact at some step.
    ///
    /// # Errors
    /// The reason, where the interrupt is raised.
    pub fn best(
        &mut self,
        goal: &Goal<'_>,
        candidates: &Candidates,
        keep: usize,
        allows: &Allows<'_>,
        updates: Option<&Updates<'_>>,
        interrupt: &Interrupt,
    ) -> Result<Step, StopReason> {
        let board = Board { keep, kept: Mutex::default(), threshold: AtomicI64::new(1), evaluated: AtomicU64::new(0) };
        let mut order: Vec<(u32, usize)> =
            self.chunks.iter().enumerate().map(|(index, chunk)| (chunk.best(), index)).collect();
        order.sort_unstable_by_key(|&(best, index)| (std::cmp::Reverse(best), index));
        let is_scout = {
            let mut is_scout = vec![false; self.chunks.len()];
            order.iter().take(SCOUTS).for_each(|&(_, index)| is_scout[index] = true);
            is_scout
        };
        let step = self.step;
        let sweep = |chunks: Vec<&mut Chunk>, is_scouting: bool| {
            let waiting = Mutex::new(chunks.into_iter());
            let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            // One evaluator per thread: they are made once, and the chunks with the best bounds come first.
            rayon::scope(|scope| {
                for _ in 0..rayon::current_num_threads() {
                    scope.spawn(|_| {
                        let mut sweep = Sweep {
                            evaluator: Evaluator::new(goal, candidates),
                            candidates,
                            board: &board,
                            allows,
                            step,
                            interrupt,
                            updates,
                            changing: BTreeMap::new(),
                        };
                        while let Some(chunk) = next() {
                            sweep.look(chunk, is_scouting);
                        }
                    });
                }
            });
        };
        let scouts = self.chunks.iter_mut().zip(&is_scout).filter(|(_, is_scout)| **is_scout);
        sweep(scouts.map(|(chunk, _)| chunk).collect(), true);
        let mut by_bound: Vec<Option<&mut Chunk>> = self.chunks.iter_mut().map(Some).collect();
        sweep(order.iter().filter_map(|&(_, index)| by_bound[index].take()).collect(), false);
        let found = board.kept.into_inner().unwrap_or_else(PoisonError::into_inner).into_sorted_vec();
        let step = Step { found, evaluated: board.evaluated.load(Relaxed) };
        interrupt.reason().map_or(Ok(step), Err)
    }
}

impl Ledger {
    /// The allowed lineup with the highest sum of its entries, with a gain of 0.
    pub fn highest(&self, sums: &Goal<'_>, candidates: &Candidates, allows: &Allows<'_>) -> Vec<Found> {
        let places = candidates.places - 1;
        let best_of = |evaluator: &mut Evaluator<'_>, chunk: &Chunk| -> Option<Found> {
            let mut best: Option<Found> = None;
            let mut first = 0;
            for (group, &Group { last, lineups, .. }) in chunk.groups.iter().enumerate() {
                let path: Vec<usize> =
                    chunk.paths[group * places..][..places].iter().map(|&pick| usize::from(pick)).collect();
                for index in (0..usize::from(lineups)).filter(|index| chunk.bounds[first + index] > 0) {
                    let last = usize::from(last) + index;
                    let at_least = best.map_or(i64::MIN, |best| best.value);
                    let Some(value) = evaluator.value(&path, last, at_least) else { continue };
                    let found = Found { value, mask: candidates.mask(path.iter().copied().chain([last])) };
                    if best.is_none_or(|best| found < best) && allows(found.mask) {
                        best = Some(found);
                    }
                }
                first += usize::from(lineups);
            }
            best
        };
        let all = self.chunks.par_iter().map_init(|| Evaluator::new(sums, candidates), best_of);
        all.flatten().min().map(|found| Found { value: 0, ..found }).into_iter().collect()
    }
}

/// A value in whole steps, rounded up, at least 1.
fn steps(value: i64, step: i64) -> u32 {
    let steps = value.max(0) / step + i64::from(value.max(0) % step != 0);
    u32::try_from(steps.max(1)).unwrap_or(u32::MAX)
}

impl Chunk {
    /// The best bound.
    fn best(&self) -> u32 {
        self.bounds.iter().copied().max().unwrap_or(0)
    }
}

/// The best lineups so far, for all threads.
struct Board {
    keep: usize,
    kept: Mutex<BinaryHeap<Found>>,
    /// What a lineup must reach.
    threshold: AtomicI64,
    evaluated: AtomicU64,
}

impl Board {
    fn keep(&self, found: Found) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Scouts meet some lineups twice.
        if kept.iter().any(|other| other.mask == found.mask) {
            return;
        }
        kept.push(found);
        if kept.len() > self.keep {
            kept.pop();
        }
        if kept.len() == self.keep
            && let Some(worst) = kept.peek()
        {
            self.threshold.fetch_max(worst.value, Relaxed);
        }
    }
}

/// One thread's way through chunks.
struct Sweep<'a, 'u> {
    evaluator: Evaluator<'a>,
    candidates: &'a Candidates,
    board: &'a Board,
    allows: &'a Allows<'a>,
    step: i64,
    interrupt: &'a Interrupt,
    updates: Option<&'a Updates<'u>>,
    /// Evaluators of what has changed, by the step since which it has.
    changing: BTreeMap<u16, [Evaluator<'a>; 2]>,
}

impl<'a, 'u> Sweep<'a, 'u> {
    fn look(&mut self, chunk: &mut Chunk, is_scouting: bool) {
        match (is_scouting, self.updates) {
            (true, _) => self.scout(chunk),
            (false, None) => self.chunk(chunk),
            (false, Some(updates)) => self.update_chunk(chunk, updates),
        }
    }

    /// Evaluates the lineup with the best bound.
    fn scout(&mut self, chunk: &mut Chunk) {
        let Some(best) = (0..chunk.bounds.len()).max_by_key(|&index| (chunk.bounds[index], std::cmp::Reverse(index)))
        else {
            return;
        };
        let mut first = 0;
        for (group, &Group { last, lineups, .. }) in chunk.groups.iter().enumerate() {
            let of_group = first..first + usize::from(lineups);
            if of_group.contains(&best) {
                let (path, places) = (&chunk.paths, self.candidates.places - 1);
                let path: Vec<usize> = path[group * places..][..places].iter().map(|&pick| usize::from(pick)).collect();
                let index = best - first;
                let is_allowed = chunk.bounds[best] > 0 && self.allows(&path, usize::from(last) + index);
                if is_allowed && self.updates.is_some() {
                    self.offer(&path, usize::from(last) + index);
                } else if is_allowed {
                    self.evaluate(&path, usize::from(last), &[index], &mut chunk.bounds[of_group]);
                }
                return;
            }
            first = of_group.end;
        }
    }

    /// Evaluates what may reach the threshold.
    fn chunk(&mut self, chunk: &mut Chunk) {
        let places = self.candidates.places - 1;
        let cut = |board: &Board, step: i64| steps(board.threshold.load(Relaxed), step);
        if chunk.best() < cut(self.board, self.step) || self.interrupt.reason().is_some() {
            return;
        }
        let mut path: Vec<usize> = Vec::with_capacity(places);
        let mut bounds = chunk.bounds.as_mut_slice();
        for (group, &Group { last, lineups, .. }) in chunk.groups.iter().enumerate() {
            let (of_group, rest) = bounds.split_at_mut(usize::from(lineups));
            bounds = rest;
            let cut = cut(self.board, self.step);
            let mut waiting = [0; BATCH];
            let mut count = 0;
            path.clear();
            path.extend(chunk.paths[group * places..][..places].iter().map(|&pick| usize::from(pick)));
            for index in 0..of_group.len() {
                if of_group[index] < cut || !self.allows(&path, usize::from(last) + index) {
                    continue;
                }
                waiting[count] = index;
                count += 1;
                if count == BATCH {
                    self.evaluate(&path, usize::from(last), &waiting, of_group);
                    count = 0;
                }
            }
            if count > 0 {
                self.evaluate(&path, usize::from(last), &waiting[..count], of_group);
                if self.interrupt.reason().is_some() {
                    return;
                }
            }
        }
    }

    /// Brings the groups that may reach the threshold up to date, and offers what does.
    fn update_chunk(&mut self, chunk: &mut Chunk, updates: &'a Updates<'u>) {
        if self.interrupt.reason().is_some() {
            return;
        }
        let places = self.candidates.places - 1;
        let mut bounds = chunk.bounds.as_mut_slice();
        for (index, group) in chunk.groups.iter_mut().enumerate() {
            let (of_group, rest) = bounds.split_at_mut(usize::from(group.lineups));
            bounds = rest;
            let raised = updates.raised(group.at);
            let raised = if raised > 0 { steps(raised, self.step) } else { 0 };
            let most = of_group.iter().copied().max().unwrap_or(0);
            if most == 0 || most.saturating_add(raised) < self.cut() {
                continue;
            }
            let path: Vec<usize> =
                chunk.paths[index * places..][..places].iter().map(|&pick| usize::from(pick)).collect();
            if group.at != updates.now() {
                self.update(&path, *group, of_group, updates);
                group.at = updates.now();
            }
            for (index, &bound) in of_group.iter().enumerate() {
                let last = usize::from(group.last) + index;
                if bound > 0 && bound >= self.cut() && self.allows(&path, last) {
                    self.offer(&path, last);
                }
            }
        }
    }

    /// What a bound must reach.
    fn cut(&self) -> u32 {
        steps(self.board.threshold.load(Relaxed), self.step)
    }

    /// Makes the bounds of a group exact: by what has changed since they were, or anew.
    fn update(&mut self, path: &[usize], group: Group, bounds: &mut [u32], updates: &'a Updates<'u>) {
        let allowed: Vec<usize> = (0..bounds.len()).filter(|&index| bounds[index] > 0).collect();
        self.board.evaluated.fetch_add(allowed.len() as u64, Relaxed);
        let candidates = self.candidates;
        let change = if group.at == NEVER { None } else { updates.since(group.at) };
        let mut changing = change.map(|change| {
            let evaluators = || [&change.was, &change.is].map(|goal| Evaluator::new(goal, candidates));
            self.changing.entry(group.at).or_insert_with(evaluators)
        });
        for indices in allowed.chunks(BATCH) {
            let mut lasts = [0; BATCH];
            lasts.iter_mut().zip(indices).for_each(|(last, index)| *last = usize::from(group.last) + index);
            let lasts = &lasts[..indices.len()];
            let exact = |values: [Valued; BATCH]| values.map(|value| value.exact.unwrap_or(0));
            let values = match &mut changing {
                None => exact(self.evaluator.values(path, lasts, i64::MIN)),
                Some([was, is]) => {
                    let (was, is) = (exact(was.values(path, lasts, i64::MIN)), exact(is.values(path, lasts, i64::MIN)));
                    let mut values = [0; BATCH];
                    for (slot, &index) in indices.iter().enumerate() {
                        values[slot] = i64::from(bounds[index]) * self.step - was[slot] + is[slot];
                    }
                    values
                }
            };
            indices.iter().zip(values).for_each(|(&index, value)| bounds[index] = steps(value, self.step));
        }
    }

    /// Keeps a lineup if it is good enough, by its exact value.
    fn offer(&mut self, path: &[usize], last: usize) {
        let at_least = self.board.threshold.load(Relaxed);
        if let Some(value) = self.evaluator.value(path, last, at_least) {
            self.board.keep(Found { value, mask: self.candidates.mask(path.iter().copied().chain([last])) });
        }
    }

    fn evaluate(&mut self, path: &[usize], first: usize, indices: &[usize], bounds: &mut [u32]) {
        let mut lasts = [0; BATCH];
        for (last, index) in lasts.iter_mut().zip(indices) {
            *last = first + index;
        }
        let threshold = self.board.threshold.load(Relaxed);
        let values = self.evaluator.values(path, &lasts[..indices.len()], threshold);
        self.board.evaluated.fetch_add(indices.len() as u64, Relaxed);
        for ((&index, &last), value) in indices.iter().zip(&lasts).zip(values) {
            bounds[index] = bounds[index].min(steps(value.at_most, self.step));
            let Some(value) = value.reaching(self.board.threshold.load(Relaxed)) else { continue };
            let mask = self.candidates.mask(path.iter().copied().chain([last]));
            self.board.keep(Found { value, mask });
        }
    }

    fn allows(&self, path: &[usize], last: usize) -> bool {
        (self.allows)(self.candidates.mask(path.iter().copied().chain([last])))
    }
}
