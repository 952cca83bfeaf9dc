//! Every feasible lineup with an upper bound of its gain, for goals whose gains only fall as a portfolio grows.
//!
//! A bound from an earlier step stays a bound (Minoux 1978), so a step evaluates only lineups whose last known gain reaches the
//! best one of the step; what it evaluates becomes the new bound. Refreshing lowers all bounds at once by a table of subsets.

use std::{
    collections::BinaryHeap,
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
    goal::{BATCH, Evaluator, Goal},
    search::{Found, flow},
    space::Candidates,
    walk::{Siblings, Walk},
};
use crate::domain::interrupt::{Interrupt, StopReason};

/// Most lineups that a ledger holds: 4 bytes each, and a few more per group.
pub(super) const LEAVES_MAX: u64 = 200_000_000;

/// Groups that a thread takes at once.
const GROUPS_PER_CHUNK: usize = 128;

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
    /// All lineups of the space with their table bounds.
    ///
    /// # Errors
    /// [`SearchFailure::Stopped`] where the interrupt is raised, [`SearchFailure::Invalid`] where there are too many.
    pub fn new(candidates: &Candidates, table: &SubsetTable, interrupt: &Interrupt) -> Result<Self, SearchFailure> {
        let listed = AtomicU64::new(0);
        let step = table.loosest_bound(candidates.places).max(0) / i64::from(u32::MAX - 1) + 1;
        let starts = Walk::starts(candidates);
        let record = |walk: &mut Walk<'_>, start: &Vec<usize>| {
            let mut chunk = Chunk { paths: Vec::new(), groups: Vec::new(), bounds: Vec::new() };
            let _ = walk.part(start, &mut |siblings: &Siblings<'_>| {
                chunk.paths.extend(siblings.path.iter().map(|&pick| pick as u8));
                chunk.groups.push(Group { last: siblings.last.start as u8, lineups: siblings.sums.len() as u8 });
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

    /// Upper bound of the sum of the `count` largest gains: what so many more lineups can add to a portfolio.
    pub fn largest_sum(&self, count: usize) -> i64 {
        let of_chunk = |chunk: &Chunk| {
            let mut bounds = chunk.bounds.clone();
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

    /// The `keep` best lineups by the goal that are allowed; of equal ones the lexicographically first.
    ///
    /// # Errors
    /// The reason, where the interrupt is raised.
    pub fn best(
        &mut self,
        goal: &Goal<'_>,
        candidates: &Candidates,
        keep: usize,
        allows: &Allows<'_>,
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
            chunks.into_par_iter().with_max_len(GROUPS_PER_CHUNK).for_each_init(
                || Sweep {
                    evaluator: Evaluator::new(goal, candidates),
                    candidates,
                    board: &board,
                    allows,
                    step,
                    interrupt,
                },
                |sweep, chunk| if is_scouting { sweep.scout(chunk) } else { sweep.chunk(chunk) },
            );
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
            for (group, &Group { last, lineups }) in chunk.groups.iter().enumerate() {
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
struct Sweep<'a> {
    evaluator: Evaluator<'a>,
    candidates: &'a Candidates,
    board: &'a Board,
    allows: &'a Allows<'a>,
    step: i64,
    interrupt: &'a Interrupt,
}

impl Sweep<'_> {
    /// Evaluates the lineup with the best bound.
    fn scout(&mut self, chunk: &mut Chunk) {
        let Some(best) = (0..chunk.bounds.len()).max_by_key(|&index| (chunk.bounds[index], std::cmp::Reverse(index)))
        else {
            return;
        };
        let mut first = 0;
        for (group, &Group { last, lineups }) in chunk.groups.iter().enumerate() {
            let of_group = first..first + usize::from(lineups);
            if of_group.contains(&best) {
                let (path, places) = (&chunk.paths, self.candidates.places - 1);
                let path: Vec<usize> = path[group * places..][..places].iter().map(|&pick| usize::from(pick)).collect();
                let index = best - first;
                if chunk.bounds[best] > 0 && self.allows(&path, usize::from(last) + index) {
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
        for (group, &Group { last, lineups }) in chunk.groups.iter().enumerate() {
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

    fn evaluate(&mut self, path: &[usize], first: usize, indices: &[usize], bounds: &mut [u32]) {
        let mut lasts = [0; BATCH];
        for (last, index) in lasts.iter_mut().zip(indices) {
            *last = first + index;
        }
        let threshold = self.board.threshold.load(Relaxed);
        // A grid that rounds gives an exact value only where it is asked to look twice.
        let at_least = if self.evaluator.is_exact() { i64::MIN } else { threshold };
        let values = self.evaluator.values(path, &lasts[..indices.len()], at_least);
        self.board.evaluated.fetch_add(indices.len() as u64, Relaxed);
        for ((&index, &last), value) in indices.iter().zip(&lasts).zip(values) {
            bounds[index] = bounds[index].min(steps(value.unwrap_or(threshold), self.step));
            let Some(value) = value.filter(|&value| value >= self.board.threshold.load(Relaxed)) else { continue };
            let mask = self.candidates.mask(path.iter().copied().chain([last]));
            self.board.keep(Found { value, mask });
        }
    }

    fn allows(&self, path: &[usize], last: usize) -> bool {
        (self.allows)(self.candidates.mask(path.iter().copied().chain([last])))
    }
}
