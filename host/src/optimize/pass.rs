//! One pass over the feasible set: bounds every part, then evaluates what the bound leaves over, on all cores.

use std::{
    collections::{BinaryHeap, HashSet},
    ops::ControlFlow,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicI64, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Instant,
};

use rayon::prelude::*;

use super::{
    goal::{BATCH, Evaluator},
    search::{Collected, Found, Request, Search, flow},
    session::{PassState, TICK},
    walk::{Siblings, Visited, Walk},
};
use crate::domain::interrupt::Interrupt;

/// Scenario sums after which a worker looks at the interrupt: a fraction of a millisecond; in tests at every group.
const PACE_CELLS: usize = if cfg!(test) { 1 } else { 1 << 19 };

/// Groups after which a worker that only bounds looks at the interrupt.
const PACE_GROUPS: u32 = 1 << 10;

/// A part of the space with its best bound.
struct Part {
    /// Its place in the order of the walk, which is the same in every attempt.
    number: u32,
    start: Vec<usize>,
    best_sum: u32,
    visited: Visited,
    is_done: AtomicBool,
}

/// One pass. Shared by the workers.
pub(super) struct Pass<'a> {
    search: &'a Search<'a>,
    request: &'a Request,
    interrupt: &'a Interrupt,
    kept: Mutex<BinaryHeap<Found>>,
    /// Value that a lineup must reach: of the worst one kept, once enough are.
    threshold: AtomicI64,
    next_part: AtomicUsize,
    evaluated: AtomicU64,
    /// Highest table bound of an unfinished part.
    open_bound: Mutex<Option<i64>>,
    /// What an earlier attempt had found, also in parts that it had not finished: met again, it is not kept twice.
    resumed: HashSet<u128>,
}

/// Hears how far a pass is, and may take its state.
pub(super) type Tick<'a> = dyn FnMut(f64, &mut dyn FnMut() -> PassState) + 'a;

impl<'a> Pass<'a> {
    pub fn new(search: &'a Search<'a>, request: &'a Request, interrupt: &'a Interrupt) -> Self {
        // The incumbent may only stand in for the best lineup where it is itself allowed.
        let is_free = request.keep == 1 && request.after.is_none() && request.spacing.picked.is_empty();
        Self {
            search,
            request,
            interrupt,
            kept: Mutex::new(BinaryHeap::new()),
            threshold: AtomicI64::new(if is_free { search.incumbent } else { i64::MIN }),
            next_part: AtomicUsize::new(0),
            evaluated: AtomicU64::new(0),
            open_bound: Mutex::new(None),
            resumed: HashSet::new(),
        }
    }

    /// Runs from where an earlier pass with the same request was; `tick` hears how far this one is.
    pub fn run(mut self, resume: PassState, tick: &mut Tick<'_>) -> Collected {
        let parts = self.rank_parts(&resume.done);
        resume.found.iter().for_each(|&found| self.keep(found));
        self.resumed = resume.found.iter().map(|found| found.mask).collect();
        if self.interrupt.reason().is_none() {
            // The caller may be one of the threads, so it works like the others, and tells how far they are between two groups.
            rayon::in_place_scope(|scope| {
                for _ in 1..rayon::current_num_threads() {
                    scope.spawn(|_| self.work(&parts, None));
                }
                self.work(&parts, Some(tick));
            });
        } else {
            self.leave_open(self.search.table.loosest_bound(self.search.candidates.places));
        }
        let open_bound = *lock(&self.open_bound);
        let kept = std::mem::take(&mut *lock(&self.kept));
        let total = |count: fn(&Visited) -> u64| parts.iter().map(|part| count(&part.visited)).sum();
        Collected {
            found: kept.into_sorted_vec(),
            stopped: open_bound.and(self.interrupt.reason()),
            open_bound,
            visited: Visited { nodes: total(|visited| visited.nodes), leaves: total(|visited| visited.leaves) },
            evaluated: self.evaluated.load(Relaxed),
            elapsed_ms: 0.0,
        }
    }

    /// What is done. The parts are read first: whatever they have found is kept by then.
    fn state(&self, parts: &[Part]) -> PassState {
        let done = parts.iter().filter(|part| part.is_done.load(Acquire));
        let done = done.map(|part| part.number).collect();
        PassState { done, found: lock(&self.kept).iter().copied().collect() }
    }

    /// Bounds every part and sorts them, best bound first: good lineups come early and the tail of the list is skipped.
    fn rank_parts(&self, done: &[u32]) -> Vec<Part> {
        let (candidates, table) = (&self.search.candidates, &self.search.table);
        let rank = |walk: &mut Walk<'_>, (number, start): (usize, Vec<usize>)| {
            walk.visited = Visited::default();
            let mut best_sum = 0;
            let mut groups = 0_u32;
            let _ = walk.part(&start, &mut |siblings: &Siblings<'_>| {
                best_sum = siblings.sums.iter().copied().fold(best_sum, u32::max);
                groups += 1;
                if groups.is_multiple_of(PACE_GROUPS) { flow(self.interrupt) } else { ControlFlow::Continue(()) }
            });
            Part { number: number as u32, start, best_sum, visited: walk.visited, is_done: AtomicBool::new(false) }
        };
        let starts = Walk::starts(candidates).into_par_iter().enumerate();
        let mut parts: Vec<Part> = starts.map_init(|| Walk::new(candidates, table), rank).collect();
        for &number in done {
            if let Some(part) = parts.get(number as usize) {
                part.is_done.store(true, Relaxed);
            }
        }
        parts.retain(|part| part.best_sum > 0);
        parts.sort_by_key(|part| std::cmp::Reverse(part.best_sum));
        parts
    }

    /// Takes parts until none is left that can hold a better lineup.
    fn work(&self, parts: &[Part], tick: Option<&mut Tick<'_>>) {
        let table = &self.search.table;
        let mut walk = Walk::new(&self.search.candidates, table);
        let mut worker = Worker {
            pass: self,
            evaluator: Evaluator::new(&self.search.goal, &self.search.candidates),
            cells: 0,
            parts,
            tick,
            told_at: Instant::now(),
        };
        while let Some(part) = parts.get(self.next_part.fetch_add(1, Relaxed)) {
            if part.is_done.load(Relaxed) {
                continue;
            }
            if part.best_sum < table.cut(self.threshold()) {
                return;
            }
            if walk.part(&part.start, &mut |siblings: &Siblings<'_>| worker.visit(siblings)).is_break() {
                self.leave_open(table.bound(part.best_sum));
                return;
            }
            part.is_done.store(true, Release);
        }
    }

    fn keep(&self, found: Found) {
        if self.request.after.is_some_and(|after| found <= after) || self.resumed.contains(&found.mask) {
            return;
        }
        let mut kept = lock(&self.kept);
        kept.push(found);
        if kept.len() > self.request.keep {
            kept.pop();
        }
        if kept.len() == self.request.keep
            && let Some(worst) = kept.peek()
        {
            self.threshold.fetch_max(worst.value, Relaxed);
        }
    }

    fn threshold(&self) -> i64 {
        self.threshold.load(Relaxed)
    }

    fn leave_open(&self, bound: i64) {
        let mut open = lock(&self.open_bound);
        *open = Some(open.map_or(bound, |other| other.max(bound)));
    }
}

/// One thread of a pass.
struct Worker<'a, 'tick, 'watch> {
    pass: &'a Pass<'a>,
    evaluator: Evaluator<'a>,
    /// Scenario sums since the last look at the interrupt.
    cells: usize,
    parts: &'a [Part],
    /// One thread tells how far all are.
    tick: Option<&'tick mut Tick<'watch>>,
    told_at: Instant,
}

impl Worker<'_, '_, '_> {
    fn visit(&mut self, siblings: &Siblings<'_>) -> ControlFlow<()> {
        let mut cut = self.pass.search.table.cut(self.pass.threshold());
        let mut batch = [0; BATCH];
        let mut waiting = 0;
        self.cells += siblings.sums.len();
        for (last, &sum) in siblings.last.clone().zip(siblings.sums) {
            if sum < cut || !self.is_far(siblings.path, last) {
                continue;
            }
            batch[waiting] = last;
            waiting += 1;
            if waiting == BATCH {
                self.evaluate(siblings.path, &batch);
                waiting = 0;
                cut = self.pass.search.table.cut(self.pass.threshold());
            }
        }
        if waiting > 0 {
            self.evaluate(siblings.path, &batch[..waiting]);
        }
        if self.cells < PACE_CELLS {
            return ControlFlow::Continue(());
        }
        self.cells = 0;
        self.tell();
        flow(self.pass.interrupt)
    }

    fn tell(&mut self) {
        let Some(tick) = self.tick.as_mut().filter(|_| self.told_at.elapsed() >= TICK) else { return };
        let (pass, parts) = (self.pass, self.parts);
        let share = pass.next_part.load(Relaxed) as f64 / parts.len().max(1) as f64;
        tick(share.min(1.0), &mut || pass.state(parts));
        self.told_at = Instant::now();
    }

    fn is_far(&self, path: &[usize], last: usize) -> bool {
        let spacing = &self.pass.request.spacing;
        spacing.picked.is_empty()
            || spacing.allows(self.pass.search.candidates.mask(path.iter().copied().chain([last])))
    }

    fn evaluate(&mut self, path: &[usize], lasts: &[usize]) {
        self.cells += lasts.len() * self.evaluator.cells();
        let at_least = self.pass.threshold();
        let values = self.evaluator.values(path, lasts, at_least);
        for (&last, value) in lasts.iter().zip(values) {
            let Some(value) = value.reaching(at_least) else { continue };
            self.pass.evaluated.fetch_add(1, Relaxed);
            let mask = self.pass.search.candidates.mask(path.iter().copied().chain([last]));
            self.pass.keep(Found { value, mask });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
