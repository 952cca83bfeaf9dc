//! Portfolios whose lineups are judged together: each lineup is worth what it adds to the others.
//!
//! The expected maximum and the chance that any lineup reaches a threshold are submodular: what a lineup adds only falls as the
//! portfolio grows. So the greedy choice, exact at every step over the whole feasible set, is at least 1 - 1/e of the optimum
//! (Nemhauser, Wolsey and Fisher 1978), and mostly far better: the bound that is reported with a portfolio depends on the data.
//! Swaps then replace the lineup that is missed least by the one that adds most in its place, as long as that helps.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::SearchFailure,
    bound::{Effort, SubsetTable},
    course::{Course, Updates},
    cover::{Cover, Worth},
    exposure::{Exposure, Exposures},
    goal::Goal,
    ledger::{Ledger, Step},
    matrix::ScoreMatrix,
    portfolio::{LineupJudge, PortfolioEnd, judged},
    rules::Rules,
    search::{Found, Request, Search, Spacing},
    session::{Memory, PassState, SearchState, Session},
    space::{Candidates, SearchSpace},
    threshold,
};
use crate::domain::{
    interrupt::{Interrupt, StopReason},
    lineup::Lineup,
    spec::Objective,
};

/// Lineups that are judged at once, best first; the first one that is kept is picked.
const JUDGE_BATCH: usize = 32;

/// Share of the lineups that a step may evaluate before all bounds are lowered by a table.
const REFRESH_SHARE: f64 = 0.05;

/// Swaps that are tried before the portfolio is taken as it is; each is a search as long as several steps of the choice.
const SWAPS_TRIED_MAX: usize = 8;

/// What a joint portfolio shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct JointRequest {
    /// What the lineups are worth.
    pub worth: Worth,
    /// Lineups wanted, at least 1.
    pub lineups: usize,
    /// Entries in which any two lineups differ at least; at least 1.
    pub min_differences: usize,
    /// How often entries may and must be in the portfolio.
    pub exposures: Vec<Exposure>,
}

/// A lineup of a joint portfolio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JointLineup {
    /// Its entries.
    pub lineup: Lineup,
    /// What the portfolio would lose without it, in points, as a share of the scenarios, or in dollars less its fee.
    pub contribution: f64,
}

/// Lineups that are judged together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JointPortfolio {
    /// The lineups, in the order of picking.
    pub lineups: Vec<JointLineup>,
    /// What they are worth together, in points, as a share of the scenarios, or in dollars less fees.
    pub value: f64,
    /// No portfolio of as many feasible lineups is worth more.
    pub upper_bound: f64,
    /// Whether it is complete, and why not.
    pub end: PortfolioEnd,
    /// Lineups replaced by better ones after the greedy choice.
    pub swaps: u32,
    /// Candidates that would have been picked but for a veto, by veto reason.
    pub vetoes_by_reason: BTreeMap<u8, u64>,
    /// Parts of lineups that a constraint vetoed, so that no lineup with them was looked at, by veto reason.
    #[serde(default)]
    pub partial_vetoes_by_reason: BTreeMap<u8, u64>,
    /// Feasible lineups.
    pub feasible: u64,
    /// Evaluations of a lineup's gain.
    pub evaluated: u64,
    /// Wall time in milliseconds, judging included.
    pub elapsed_ms: f64,
}

/// Picks lineups that are best together. `judge` is `None` where no constraint judges lineups.
///
/// # Errors
/// As [`portfolio`](super::portfolio); also where the feasible lineups are too many to list.
pub fn joint_portfolio(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    request: &JointRequest,
    judge: Option<&mut dyn LineupJudge>,
    session: &mut Session<'_>,
) -> Result<JointPortfolio, SearchFailure> {
    let started = Instant::now();
    super::portfolio::check_shape(space, request.lineups, request.min_differences)?;
    let mut judge = judge;
    let (space, cuts) = &super::portfolio::without_cuts(space, &mut judge)?;
    let exposures = Exposures::new(space, &request.exposures, request.lineups as u32)?;
    let search = Search::new(matrix, space, Objective::Mean, session.interrupt)?;
    let key = super::session::of_text(search.key, &format!("{request:?}"));
    let resumed = session.resume.take().filter(|state| state.key == key);
    let mut picking = Picking::new(&search, space, request, exposures, judge, session.interrupt)?;
    picking.resume(resumed.unwrap_or_default());
    let end = picking.fill(key, session)?;
    if matches!(end, PortfolioEnd::Complete) {
        picking.improve(key, session)?;
    }
    if picking.picked.is_empty() {
        return Err(search.nothing(space, session.interrupt.reason()));
    }
    let mut found = picking.finish(end, started)?;
    found.partial_vetoes_by_reason = cuts.by_reason.clone();
    Ok(found)
}

/// A portfolio on its way.
struct Picking<'a, 'judge> {
    search: &'a Search<'a>,
    request: &'a JointRequest,
    judge: Option<&'judge mut dyn LineupJudge>,
    interrupt: &'a Interrupt,
    exposures: Exposures,
    shared_max: u32,
    cover: Cover<'a>,
    /// Where gains can be brought up to date by what has changed.
    course: Option<Course>,
    ledger: Ledger,
    feasible: u64,
    picked: Vec<Found>,
    vetoed: Vec<u128>,
    vetoes_by_reason: BTreeMap<u8, u64>,
    evaluated: u64,
    /// Whether the last step had to evaluate much.
    is_stale: bool,
    swaps: u32,
    fruitless: usize,
    /// The lowest bound that a step of the choice has proven.
    proven: f64,
}

impl<'a, 'judge> Picking<'a, 'judge> {
    fn new(
        search: &'a Search<'a>,
        space: &SearchSpace,
        request: &'a JointRequest,
        exposures: Exposures,
        judge: Option<&'judge mut dyn LineupJudge>,
        interrupt: &'a Interrupt,
    ) -> Result<Self, SearchFailure> {
        let cover = Cover::new(search.goal.matrix, Arc::clone(&search.goal.grid), &request.worth)?;
        let by_mean =
            search.collect(&Request { keep: 1, ..Request::default() }, PassState::default(), interrupt, &mut |_, _| {});
        let by_mean = by_mean.map_err(SearchFailure::Stopped)?;
        let Some(start) = by_mean.found.first() else { return Err(search.nothing(space, by_mean.stopped)) };
        let picks = search.candidates.picks(start.mask);
        let Some(table) = tabulate(&cover.goal(), &search.candidates, &picks, Effort::Once, interrupt) else {
            return Err(SearchFailure::Stopped(interrupt.reason().unwrap_or(StopReason::Cancelled)));
        };
        let unit = cover.goal().value_unit();
        let ledger = Ledger::new(&search.candidates, &table, unit, interrupt)?;
        let mut course = None;
        if let Some(state) = cover.state().filter(|_| ledger.keeps(unit)) {
            course.insert(Course::default()).step(state, 0);
        }
        Ok(Self {
            search,
            request,
            judge,
            interrupt,
            exposures,
            shared_max: space.roster_size.saturating_sub(request.min_differences) as u32,
            cover,
            course,
            feasible: ledger.len(),
            ledger,
            picked: Vec::new(),
            vetoed: Vec::new(),
            vetoes_by_reason: BTreeMap::new(),
            evaluated: 0,
            is_stale: false,
            swaps: 0,
            fruitless: 0,
            proven: f64::INFINITY,
        })
    }

    /// Goes to where an earlier attempt was.
    fn resume(&mut self, state: SearchState) {
        for found in state.picked {
            self.add(found);
        }
        self.vetoes_by_reason = state.memory.vetoes.into_iter().collect();
        self.swaps = state.memory.counts[0] as u32;
        self.fruitless = state.memory.fruitless;
        self.is_stale = true;
    }

    fn state(&self, key: u64) -> SearchState {
        let memory = Memory {
            counts: [u64::from(self.swaps), 0, 0],
            vetoes: self.vetoes_by_reason.iter().map(|(&reason, &count)| (reason, count)).collect(),
            fruitless: self.fruitless,
            after: None,
        };
        SearchState { key, picked: self.picked.clone(), memory, ..SearchState::default() }
    }

    /// Picks one lineup after the other.
    fn fill(&mut self, key: u64, session: &mut Session<'_>) -> Result<PortfolioEnd, SearchFailure> {
        let wanted = self.request.lineups;
        while self.picked.len() < wanted {
            let found = self.picked.len();
            let goal = self.cover.goal();
            if self.is_stale && self.course.is_none() {
                self.refresh(&goal);
            }
            let missing = self.exposures.next((wanted - found) as u32);
            match self.next(&goal, &missing) {
                Ok(Some(best)) => {
                    self.note_bound(best.value);
                    self.add(best);
                }
                Ok(None) => return Ok(self.exhausted(wanted)),
                Err(SearchFailure::Stopped(StopReason::Deadline)) if found > 0 => {
                    let upper_bound = self.upper_bound();
                    return Ok(PortfolioEnd::Deadline { found, wanted, upper_bound });
                }
                Err(failure) => return Err(failure),
            }
            let share = self.picked.len() as f64 / wanted as f64 * 0.95;
            session.watch.tick(share, &mut || self.state(key));
        }
        Ok(PortfolioEnd::Complete)
    }

    /// By submodularity no portfolio is worth more than what is picked so far and, for each of its lineups, the largest gain. That
    /// of the step is it where every lineup was allowed.
    fn note_bound(&mut self, gain: i64) {
        let is_free = self.judge.is_none() && self.request.exposures.is_empty() && self.request.min_differences == 1;
        if is_free {
            self.proven = self.proven.min(self.bound_by(gain));
        }
    }

    fn bound_by(&self, gain: i64) -> f64 {
        self.cover.shown(self.cover.value() + gain * self.request.lineups as i64)
    }

    fn exhausted(&self, wanted: usize) -> PortfolioEnd {
        let found = self.picked.len();
        let vetoed: u64 = self.vetoes_by_reason.values().sum();
        let reason = format!(
            "every other feasible lineup breaks an exposure, differs from these in fewer than {} drivers or is vetoed ({vetoed})",
            self.request.min_differences
        );
        PortfolioEnd::Exhausted { found, wanted, reason }
    }

    /// The allowed lineup that adds most; `None` where none is allowed.
    fn next(&mut self, goal: &Goal<'_>, next: &Rules) -> Result<Option<Found>, SearchFailure> {
        loop {
            let spacing =
                Spacing { picked: self.picked.iter().map(|found| found.mask).collect(), shared_max: self.shared_max };
            let vetoed = &self.vetoed;
            let allows =
                |lineup: u128| next.allow(lineup) && spacing.allows(lineup) && vetoed.binary_search(&lineup).is_err();
            let keep = if self.judge.is_some() { JUDGE_BATCH } else { 1 };
            let step = if self.cover.is_full() {
                Ok(Step::default())
            } else {
                let updates = self.course.as_ref().map(|course| Updates::new(course, &self.cover));
                self.ledger.best(goal, &self.search.candidates, keep, &allows, updates.as_ref(), self.interrupt)
            };
            let step = step.map_err(SearchFailure::Stopped)?;
            self.evaluated += step.evaluated;
            self.is_stale = self.picked.is_empty() || step.evaluated as f64 > self.feasible as f64 * REFRESH_SHARE;
            let found = if step.found.is_empty() {
                // Nothing adds anything any more: what is best alone fills the rest.
                self.ledger.highest(&self.search.goal, &self.search.candidates, &allows)
            } else {
                step.found
            };
            if found.is_empty() {
                return Ok(None);
            }
            if let Some(kept) = self.first_kept(&found)? {
                return Ok(Some(kept));
            }
        }
    }

    /// The first lineup that no constraint vetoes. What it vetoes is never asked for again.
    fn first_kept(&mut self, found: &[Found]) -> Result<Option<Found>, SearchFailure> {
        let Some(judge) = self.judge.as_deref_mut() else { return Ok(found.first().copied()) };
        let verdicts = judged(judge, found)?;
        for (found, verdict) in found.iter().zip(verdicts) {
            if verdict == 0 {
                self.vetoed.sort_unstable();
                return Ok(Some(*found));
            }
            *self.vetoes_by_reason.entry(verdict).or_default() += 1;
            self.vetoed.push(found.mask);
        }
        self.vetoed.sort_unstable();
        Ok(None)
    }

    fn add(&mut self, found: Found) {
        self.cover.add(found.mask);
        self.note_state(0);
        self.exposures.add(found.mask);
        self.picked.push(found);
    }

    /// Takes down what gains depend on now, none of which has risen by more than `raise`.
    fn note_state(&mut self, raise: i64) {
        if let (Some(course), Some(state)) = (&mut self.course, self.cover.state()) {
            course.step(state, raise);
        }
    }

    /// Lowers all bounds by a table for what lineups add now.
    fn refresh(&mut self, goal: &Goal<'_>) {
        let Some(picks) = self.picked.last().map(|last| self.search.candidates.picks(last.mask)) else { return };
        if let Some(table) = tabulate(goal, &self.search.candidates, &picks, Effort::Often, self.interrupt) {
            self.ledger.refresh(&self.search.candidates, &table);
        }
    }

    /// Replaces the lineups that are missed least.
    fn improve(&mut self, key: u64, session: &mut Session<'_>) -> Result<(), SearchFailure> {
        // The first choice is exact: nothing is better alone.
        if self.cover.is_a_sum() || self.cover.is_full() || self.picked.len() == 1 {
            return Ok(());
        }
        while self.fruitless < self.picked.len() && self.fruitless + (self.swaps as usize) < SWAPS_TRIED_MAX {
            session.watch.tick(0.95, &mut || self.state(key));
            let losses = self.cover.losses(self.picked.iter().map(|found| found.mask));
            let mut order: Vec<usize> = (0..losses.len()).collect();
            order.sort_by_key(|&index| (losses[index], index));
            let index = order[self.fruitless];
            match self.swap(index, losses[index]) {
                Ok(true) => self.swaps += 1,
                Ok(false) => self.fruitless += 1,
                Err(SearchFailure::Stopped(StopReason::Deadline)) => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Looks for a lineup that is worth more in this one's place.
    fn swap(&mut self, index: usize, loss: i64) -> Result<bool, SearchFailure> {
        let removed = self.picked.remove(index);
        self.exposures.remove(removed.mask);
        self.cover.set(self.picked.iter().map(|found| found.mask));
        let goal = self.cover.goal();
        let mut bounds = None;
        if self.course.is_some() {
            self.note_state(loss);
        } else {
            bounds = Some(self.ledger.bounds());
            self.ledger.raise(loss);
            self.refresh(&goal);
        }
        let missing = self.exposures.next(1);
        let found = self.next(&goal, &missing);
        let better = found.as_ref().ok().and_then(|found| found.filter(|found| found.value > loss));
        match better {
            Some(better) => self.add(better),
            None => {
                self.picked.insert(index, removed);
                self.exposures.add(removed.mask);
                self.cover.add(removed.mask);
                self.note_state(0);
                if let Some(bounds) = bounds {
                    self.ledger.set_bounds(bounds);
                }
            }
        }
        found.map(|_| better.is_some())
    }

    fn finish(mut self, end: PortfolioEnd, started: Instant) -> Result<JointPortfolio, SearchFailure> {
        let upper_bound = self.upper_bound();
        let losses = self.cover.losses(self.picked.iter().map(|found| found.mask));
        let shown = |(found, &loss): (&Found, &i64)| JointLineup {
            lineup: found.lineup(),
            contribution: self.cover.shown(loss) - self.cover.fee(),
        };
        let fees = self.cover.fee() * self.picked.len() as f64;
        debug_assert!(end != PortfolioEnd::Complete || self.exposures.are_kept());
        Ok(JointPortfolio {
            lineups: self.picked.iter().zip(&losses).map(shown).collect(),
            value: self.cover.shown(self.cover.value()) - fees,
            upper_bound,
            end,
            swaps: self.swaps,
            vetoes_by_reason: self.vetoes_by_reason,
            partial_vetoes_by_reason: BTreeMap::new(),
            feasible: self.feasible,
            evaluated: self.evaluated,
            elapsed_ms: started.elapsed().as_secs_f64() * 1e3,
        })
    }

    /// The lowest of the bounds that are known. By submodularity the optimum is at most the portfolio's value and what so many
    /// more lineups add one by one; by duality it is so for every price of the scenarios, not only for the greedy choice's own.
    fn upper_bound(&mut self) -> f64 {
        let count = self.request.lineups;
        self.gross_bound(count) + self.cover.rounding() * count as f64 - self.cover.fee() * count as f64
    }

    fn gross_bound(&mut self, count: usize) -> f64 {
        let mut bound = self.cover.ceiling().min(self.proven);
        if self.cover.is_full() {
            return bound;
        }
        if bound.is_infinite() || self.cover.is_a_sum() || self.course.is_some() {
            let more = self.largest_gains(count);
            if self.cover.is_a_sum() {
                return self.cover.shown(more);
            }
            bound = bound.min(self.cover.shown(self.cover.value() + more));
        }
        for prices in self.cover.prices(self.picked.iter().map(|found| found.mask)) {
            let Some(picks) = self.picked.first().map(|first| self.search.candidates.picks(first.mask)) else { break };
            let candidates = &self.search.candidates;
            let Some(table) = tabulate(&prices.goal, candidates, &picks, Effort::Once, self.interrupt) else { break };
            let unit = prices.goal.value_unit();
            let Ok(mut ledger) = Ledger::new(&self.search.candidates, &table, unit, self.interrupt) else { break };
            let best = ledger.best(&prices.goal, &self.search.candidates, 1, &|_| true, None, self.interrupt);
            let Ok(step) = best else { break };
            self.evaluated += step.evaluated;
            let most = step.found.first().map_or(0, |found| found.value);
            bound = bound.min(prices.bound(most, count));
        }
        bound
    }
}

impl Picking<'_, '_> {
    /// The sum of the largest gains, or after a stop a bound of it.
    fn largest_gains(&mut self, count: usize) -> i64 {
        let goal = self.cover.goal();
        let updates = self.course.as_ref().map(|course| Updates::new(course, &self.cover));
        let candidates = &self.search.candidates;
        match self.ledger.best(&goal, candidates, count, &|_| true, updates.as_ref(), self.interrupt) {
            Ok(step) => step.found.iter().map(|found| found.value).sum(),
            Err(_) => {
                let course = &self.course;
                self.ledger.largest_sum(count, &|at| course.as_ref().map_or(0, |course| course.raised(at)))
            }
        }
    }
}

/// Bounds for a goal, tightest for this lineup; `None` where the interrupt is raised.
fn tabulate(
    goal: &Goal<'_>,
    candidates: &Candidates,
    picks: &[usize],
    effort: Effort,
    interrupt: &Interrupt,
) -> Option<SubsetTable> {
    if candidates.places == 0 || goal.grid.len() == 0 {
        return None;
    }
    let table = threshold::table(goal, candidates, picks, effort, interrupt);
    interrupt.reason().is_none().then_some(table)
}
