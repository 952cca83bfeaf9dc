//! Portfolios: several lineups that differ, chosen greedily and exactly.
//!
//! Lineup 1 is the best allowed lineup; lineup i is the best one that differs from each earlier one in at least
//! `min_differences` entries. Allowed is what satisfies the space and no judge vetoes. Every step is exact: candidates come in
//! the order of their value (ties lexicographic) from a search over the whole feasible set, none is skipped but for a reason.
//!
//! One search delivers the best few thousand lineups at once; when the greedy choice has walked through them it searches
//! again for those that rank after, leaving out what is too close to the lineups picked so far. Since verdicts do not
//! depend on the picks and picks are never taken back, each candidate is looked at, and judged, at most once.

use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::{Certificate, JudgeFailure, SearchFailure},
    infeasible::Infeasible,
    matrix::ScoreMatrix,
    partial::{Cuts, cuts},
    search::{Collected, Found, Request, Search, Spacing},
    session::{Memory, PassState, SearchState, Session},
    space::SearchSpace,
};
use crate::domain::{
    interrupt::{Interrupt, StopReason},
    lineup::Lineup,
    spec::Objective,
};

/// Most lineups of a portfolio.
const LINEUPS_MAX: usize = 10_000;

/// Candidates of the first search per lineup wanted, where lineups need to differ in more than one entry or are judged.
const CANDIDATES_PER_LINEUP: usize = 100;

/// Growth of the number of candidates from search to search: a portfolio that needs many gets there in few searches.
const CANDIDATES_GROWTH: usize = 4;

/// Most candidates of one search (24 MB).
const CANDIDATES_MAX: usize = 500_000;

/// Candidates that are judged at once.
const JUDGE_BATCH: usize = 256;

/// Vetoes lineups. Implemented over the lineup constraint plugins of a job.
pub trait LineupJudge {
    /// One verdict per lineup: 0 keeps it, k vetoes it for reason k. A lineup's verdict must not depend on the others or on
    /// earlier calls. Lineups come best first; none comes twice.
    ///
    /// # Errors
    /// [`JudgeFailure`] where the constraint itself failed; the search ends with it.
    fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, JudgeFailure>;

    /// The same of parts of lineups, all of one size, for judges whose vetoes stay whatever is added; `None` from others.
    ///
    /// # Errors
    /// As [`Self::judge`].
    fn judge_partial(&mut self, lineups: &[Lineup]) -> Result<Option<Vec<u8>>, JudgeFailure> {
        let _ = lineups;
        Ok(None)
    }
}

/// What a portfolio shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PortfolioRequest {
    /// What each lineup is chosen for.
    pub objective: Objective,
    /// Lineups wanted, 1..=10,000.
    pub lineups: usize,
    /// Entries in which any two lineups differ at least; at least 1.
    pub min_differences: usize,
}

/// Why a portfolio ends where it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum PortfolioEnd {
    /// It has as many lineups as were wanted.
    Complete,
    /// No further lineup is allowed: all others are too close to those picked or vetoed. Relax `min_differences`, the
    /// constraints, locks, excludes or salaries to get more.
    Exhausted {
        /// Lineups found.
        found: usize,
        /// Lineups wanted.
        wanted: usize,
        /// One sentence with the numbers.
        reason: String,
    },
    /// The deadline came first.
    Deadline {
        /// Lineups found.
        found: usize,
        /// Lineups wanted.
        wanted: usize,
        /// No allowed lineup that is missing is better, in points.
        upper_bound: f64,
    },
}

/// A lineup of a portfolio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PickedLineup {
    /// Its entries.
    pub lineup: Lineup,
    /// Its objective in points.
    pub value: f64,
    /// Why it is the best one that is allowed beside the earlier ones.
    pub certificate: Certificate,
}

/// Lineups in the order of picking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Portfolio {
    /// The lineups; values never rise from one to the next.
    pub lineups: Vec<PickedLineup>,
    /// Whether it is complete, and why not.
    pub end: PortfolioEnd,
    /// Candidates that would have been picked but for a veto, by veto reason.
    pub vetoes_by_reason: BTreeMap<u8, u64>,
    /// Parts of lineups that a constraint vetoed, so that no lineup with them was looked at, by veto reason.
    #[serde(default)]
    pub partial_vetoes_by_reason: BTreeMap<u8, u64>,
    /// Candidates looked at, best first.
    pub candidates: u64,
    /// Passes over the feasible set.
    pub searches: u32,
    /// Wall time in milliseconds, judging included.
    pub elapsed_ms: f64,
}

/// Picks a portfolio. `judge` is `None` where no constraint judges lineups.
///
/// # Errors
/// As [`best_lineup`](super::best_lineup), and [`SearchFailure::Judge`]. A portfolio that ends with fewer lineups than
/// wanted is no error while it has one; see [`Portfolio::end`].
pub fn portfolio(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    request: &PortfolioRequest,
    judge: Option<&mut dyn LineupJudge>,
    session: &mut Session<'_>,
) -> Result<Portfolio, SearchFailure> {
    let started = Instant::now();
    check_shape(space, request.lineups, request.min_differences)?;
    let mut judge = judge;
    let (space, cuts) = &without_cuts(space, &mut judge)?;
    let search = Search::new(matrix, space, request.objective, session.interrupt)?;
    let key = search.key ^ (request.lineups as u64).rotate_left(17) ^ (request.min_differences as u64).rotate_left(43);
    let resumed = session.resume.take().filter(|state| state.key == key);
    let mut greedy = Greedy::new(&search, space, request, judge);
    let mut pass = greedy.resume(resumed);
    let end = loop {
        let next = greedy.next_request();
        let before = greedy.state(key);
        let mut tick = |share: f64, state: &mut dyn FnMut() -> PassState| {
            let share = greedy.share(share);
            session.watch.tick(share, &mut || SearchState { pass: state(), ..before.clone() });
        };
        let collected = search
            .collect(&next, std::mem::take(&mut pass), session.interrupt, &mut tick)
            .map_err(SearchFailure::Stopped)?;
        greedy.walk(&collected, session)?;
        if let Some(end) = greedy.end(&collected, next.keep) {
            break end;
        }
        greedy.after = collected.found.last().copied();
        greedy.keep = (next.keep * CANDIDATES_GROWTH).min(CANDIDATES_MAX);
    };
    if greedy.lineups.is_empty() {
        return Err(greedy.nothing(space, &end));
    }
    Ok(Portfolio {
        lineups: greedy.lineups,
        end,
        vetoes_by_reason: greedy.vetoes_by_reason,
        partial_vetoes_by_reason: cuts.by_reason.clone(),
        candidates: greedy.candidates,
        searches: greedy.searches,
        elapsed_ms: started.elapsed().as_secs_f64() * 1e3,
    })
}

/// The space without what a monotone judge vetoes of parts of lineups.
///
/// # Errors
/// As [`cuts`].
pub(super) fn without_cuts(
    space: &SearchSpace,
    judge: &mut Option<&mut dyn LineupJudge>,
) -> Result<(SearchSpace, Cuts), SearchFailure> {
    let cuts = match judge {
        Some(judge) => cuts(space, *judge)?,
        None => Cuts::default(),
    };
    let never = space.never.iter().chain(&cuts.sets).cloned().collect();
    Ok((SearchSpace { never, ..space.clone() }, cuts))
}

/// Checks the numbers of a portfolio.
///
/// # Errors
/// [`SearchFailure`] where they are out of range or more than the free places.
pub(super) fn check_shape(space: &SearchSpace, lineups: usize, min_differences: usize) -> Result<(), SearchFailure> {
    if !(1..=LINEUPS_MAX).contains(&lineups) {
        let detail = format!("{lineups} lineups are wanted, allowed are 1 to {LINEUPS_MAX}");
        return Err(SearchFailure::Invalid { field: "lineups", detail });
    }
    if min_differences == 0 {
        let detail = "lineups must differ in at least 1 driver: equal lineups are not a portfolio".to_owned();
        return Err(SearchFailure::Invalid { field: "min_differences", detail });
    }
    let mut locks = space.locks.clone();
    locks.sort_unstable();
    locks.dedup();
    let free = space.roster_size.saturating_sub(locks.len());
    // More locks than places is a clearer reason and comes from the search; one lineup differs from nothing.
    let is_asked = lineups > 1 && locks.len() <= space.roster_size && space.roster_size > 0;
    if (is_asked || min_differences > space.roster_size) && min_differences > free {
        let roster_size = space.roster_size;
        return Err(Infeasible::DifferencesAbovePlaces { min_differences, free, roster_size }.into());
    }
    Ok(())
}

/// The greedy choice and what it has seen.
struct Greedy<'a, 'judge> {
    search: &'a Search<'a>,
    request: &'a PortfolioRequest,
    judge: Option<&'judge mut dyn LineupJudge>,
    spacing: Spacing,
    lineups: Vec<PickedLineup>,
    picked: Vec<Found>,
    vetoes_by_reason: BTreeMap<u8, u64>,
    candidates: u64,
    searches: u32,
    /// The last candidate of the pass before.
    after: Option<Found>,
    /// Candidates of the next pass.
    keep: usize,
}

impl<'a, 'judge> Greedy<'a, 'judge> {
    fn new(
        search: &'a Search<'a>,
        space: &SearchSpace,
        request: &'a PortfolioRequest,
        judge: Option<&'judge mut dyn LineupJudge>,
    ) -> Self {
        let is_plain = judge.is_none() && (request.min_differences == 1 || request.lineups == 1);
        let factor = if is_plain { 1 } else { CANDIDATES_PER_LINEUP };
        Self {
            search,
            request,
            judge,
            spacing: Spacing {
                picked: Vec::new(),
                shared_max: space.roster_size.saturating_sub(request.min_differences) as u32,
            },
            lineups: Vec::new(),
            picked: Vec::new(),
            vetoes_by_reason: BTreeMap::new(),
            candidates: 0,
            searches: 0,
            after: None,
            keep: (request.lineups * factor).min(CANDIDATES_MAX),
        }
    }

    /// Goes to where an earlier attempt was, and gives what it had of the pass under way.
    fn resume(&mut self, state: Option<SearchState>) -> PassState {
        let Some(SearchState { picked, memory, pass, .. }) = state else { return PassState::default() };
        // What the earlier passes visited is not known any more; the lineups and their values are.
        let certificate = self.search.certificate(&Collected::default(), i64::MAX);
        for found in picked {
            self.pick(found, certificate);
        }
        [self.candidates, _, _] = memory.counts;
        self.searches = memory.counts[1] as u32;
        self.keep = (memory.counts[2] as usize).clamp(1, CANDIDATES_MAX);
        self.after = memory.after;
        self.vetoes_by_reason = memory.vetoes.into_iter().collect();
        pass
    }

    /// What a later attempt goes on from, but for the pass under way.
    fn state(&self, key: u64) -> SearchState {
        let memory = Memory {
            after: self.after,
            counts: [self.candidates, u64::from(self.searches), self.keep as u64],
            vetoes: self.vetoes_by_reason.iter().map(|(&reason, &count)| (reason, count)).collect(),
            fruitless: 0,
        };
        SearchState { key, picked: self.picked.clone(), memory, pass: PassState::default() }
    }

    fn next_request(&mut self) -> Request {
        self.searches += 1;
        Request { keep: self.keep, spacing: self.spacing.clone(), after: self.after }
    }

    /// The share of all work that is done when so much of the pass under way is.
    fn share(&self, of_pass: f64) -> f64 {
        let picked = self.lineups.len() as f64 / self.request.lineups as f64;
        picked + (1.0 - picked) * of_pass * 0.9
    }

    fn pick(&mut self, found: Found, certificate: Certificate) {
        self.spacing.picked.push(found.mask);
        self.picked.push(found);
        let value = self.search.shown(found.value);
        self.lineups.push(PickedLineup { lineup: found.lineup(), value, certificate });
    }

    fn is_complete(&self) -> bool {
        self.lineups.len() == self.request.lineups
    }

    /// Goes through the candidates, best first, and takes what is allowed.
    fn walk(&mut self, collected: &Collected, session: &mut Session<'_>) -> Result<(), SearchFailure> {
        let interrupt: &Interrupt = session.interrupt;
        let mut rest = collected.found.as_slice();
        while !rest.is_empty() && !self.is_complete() {
            // A deadline lets the walk end: what was found may still be returned.
            if let Some(reason) = interrupt.reason().filter(|&reason| reason != StopReason::Deadline) {
                return Err(SearchFailure::Stopped(reason));
            }
            let (batch, looked_at) = self.next_batch(rest);
            let verdicts = self.verdicts(&batch)?;
            self.candidates += looked_at as u64;
            rest = &rest[looked_at..];
            for (found, verdict) in batch.into_iter().zip(verdicts) {
                self.consider(found, verdict, collected);
            }
        }
        Ok(())
    }

    /// The next candidates that are far enough from all picks so far, and how many were looked at to find them.
    fn next_batch(&self, rest: &[Found]) -> (Vec<Found>, usize) {
        let mut batch = Vec::new();
        for (index, found) in rest.iter().enumerate() {
            if self.spacing.allows(found.mask) {
                batch.push(*found);
            }
            if batch.len() == JUDGE_BATCH {
                return (batch, index + 1);
            }
        }
        (batch, rest.len())
    }

    fn verdicts(&mut self, batch: &[Found]) -> Result<Vec<u8>, SearchFailure> {
        match self.judge.as_deref_mut() {
            Some(judge) => judged(judge, batch),
            None => Ok(vec![0; batch.len()]),
        }
    }

    fn consider(&mut self, found: Found, verdict: u8, collected: &Collected) {
        if self.is_complete() || !self.spacing.allows(found.mask) {
            return;
        }
        if verdict != 0 {
            *self.vetoes_by_reason.entry(verdict).or_default() += 1;
            return;
        }
        self.pick(found, self.search.certificate(collected, found.value));
    }

    /// Whether a search that kept up to `keep` candidates was the last one.
    fn end(&self, collected: &Collected, keep: usize) -> Option<PortfolioEnd> {
        let (found, wanted) = (self.lineups.len(), self.request.lineups);
        if self.is_complete() {
            return Some(PortfolioEnd::Complete);
        }
        if collected.stopped.is_some() {
            let listed = collected.found.last().map(|last| last.value);
            let upper_bound = collected.open_bound.max(listed).map_or(f64::INFINITY, |bound| self.search.shown(bound));
            return Some(PortfolioEnd::Deadline { found, wanted, upper_bound });
        }
        if collected.found.len() == keep {
            return None;
        }
        let vetoed: u64 = self.vetoes_by_reason.values().sum();
        let reason = format!(
            "all other feasible lineups differ from these in fewer than {} drivers or are vetoed ({vetoed})",
            self.request.min_differences
        );
        Some(PortfolioEnd::Exhausted { found, wanted, reason })
    }

    /// Why there is not even one lineup.
    fn nothing(&self, space: &SearchSpace, end: &PortfolioEnd) -> SearchFailure {
        let judged: u64 = self.vetoes_by_reason.values().sum();
        match end {
            PortfolioEnd::Deadline { .. } => SearchFailure::Stopped(StopReason::Deadline),
            _ if judged > 0 => Infeasible::AllVetoed { judged, vetoes: self.vetoes_by_reason.clone() }.into(),
            _ => space.nothing_between().into(),
        }
    }
}

/// The verdicts of a batch, one per lineup.
pub(super) fn judged(judge: &mut dyn LineupJudge, batch: &[Found]) -> Result<Vec<u8>, SearchFailure> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let lineups: Vec<Lineup> = batch.iter().map(Found::lineup).collect();
    let verdicts = judge.judge(&lineups)?;
    if verdicts.len() == lineups.len() {
        return Ok(verdicts);
    }
    let detail = format!("{} verdicts for {} lineups", verdicts.len(), lineups.len());
    Err(SearchFailure::Judge(JudgeFailure(detail.into())))
}
