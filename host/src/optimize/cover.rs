//! What a portfolio has in each scenario, and so what one more lineup would add to it. It chooses nothing.

use std::sync::Arc;

use super::{
    answer::SearchFailure,
    course::Change,
    goal::Goal,
    grid::{Grid, MILLI, exact_scores},
    matrix::ScoreMatrix,
    standing::{MICRO, Payouts, Standing},
    value::{Measure, entries_of},
};
use crate::domain::spec::Objective;

/// What the lineups of a portfolio are worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Worth {
    /// The sum of what each is worth alone.
    Each(Objective),
    /// The mean over scenarios of the best score, in points.
    ExpectedMaximum,
    /// The share of scenarios in which any score is at least so many points.
    AnyReaches(f64),
    /// What they win in a contest, less fees, in dollars: the mean over scenarios.
    Payout(Arc<Payouts>),
}

/// What a portfolio has in each scenario.
pub(super) struct Cover<'a> {
    matrix: &'a ScoreMatrix,
    grid: Arc<Grid>,
    has: Has,
}

enum Has {
    /// The sum of the lineups' values.
    Sum { measure: Measure, total: i64 },
    /// The best score in thousandths; before there is one, the lowest that any lineup can have.
    Best { scores: Vec<i32>, least: i32 },
    /// How many lineups reach the threshold, in thousandths.
    Reached { counts: Vec<u32>, milli: i32 },
    /// How they stand in a contest.
    Places(Standing),
}

/// Prices of the scenarios, and the search that turns them into a bound.
pub(super) struct Prices<'a> {
    /// What the best lineup is worth at these prices.
    pub goal: Goal<'a>,
    /// Sum of the prices; a portfolio is worth at most this and what its lineups are worth at these prices.
    sum: f64,
    /// Worth of one unit of the goal's value.
    unit: f64,
}

impl Prices<'_> {
    /// The bound of a portfolio of so many lineups, none of which is worth more than `most`.
    pub fn bound(&self, most: i64, lineups: usize) -> f64 {
        self.sum + self.unit * most as f64 * lineups as f64
    }
}

/// Copies of a scenario at the prices of one that no, one, or two lineups reach: a quarter of its worth per copy.
const COPIES: [usize; 3] = [4, 2, 1];

impl<'a> Cover<'a> {
    /// Of no lineup.
    ///
    /// # Errors
    /// [`SearchFailure::Invalid`] where the threshold is out of range.
    pub fn new(matrix: &'a ScoreMatrix, grid: Arc<Grid>, worth: &Worth) -> Result<Self, SearchFailure> {
        let scenarios = matrix.scenarios();
        let has = match worth {
            Worth::Each(objective) => Has::Sum { measure: Measure::new(*objective, scenarios)?, total: 0 },
            Worth::ExpectedMaximum => {
                let least = (i64::from(grid.floor(i64::MIN / 4)) * grid.unit) as i32;
                Has::Best { scores: vec![least; scenarios], least }
            }
            Worth::AnyReaches(at_least) => {
                match Measure::new(Objective::Probability { at_least: *at_least }, scenarios)? {
                    Measure::Reach { milli } => Has::Reached { counts: vec![0; scenarios], milli },
                    _ => Has::Reached { counts: Vec::new(), milli: 0 },
                }
            }
            Worth::Payout(payouts) => Has::Places(Standing::new(matrix, Arc::clone(payouts))?),
        };
        Ok(Self { matrix, grid, has })
    }

    /// Adds a lineup.
    pub fn add(&mut self, lineup: u128) {
        let mut added = Vec::new();
        exact_scores(self.matrix, &entries_of(lineup), None, &mut added);
        match &mut self.has {
            Has::Sum { measure, total } => *total += measure.of(&mut added),
            Has::Best { scores, .. } => {
                scores.iter_mut().zip(added).for_each(|(best, score)| *best = (*best).max(score));
            }
            Has::Reached { counts, milli } => {
                counts.iter_mut().zip(added).for_each(|(count, score)| *count += u32::from(score >= *milli));
            }
            Has::Places(standing) => standing.add(&added),
        }
    }

    /// Has exactly these lineups.
    pub fn set(&mut self, lineups: impl Iterator<Item = u128>) {
        match &mut self.has {
            Has::Sum { total, .. } => *total = 0,
            Has::Best { scores, least } => scores.fill(*least),
            Has::Reached { counts, .. } => counts.fill(0),
            Has::Places(standing) => standing.clear(),
        }
        lineups.for_each(|lineup| self.add(lineup));
    }

    /// What the lineups are worth together.
    pub fn value(&self) -> i64 {
        match &self.has {
            Has::Sum { total, .. } => *total,
            Has::Best { scores, .. } => scores.iter().map(|&score| i64::from(score)).sum(),
            Has::Reached { counts, .. } => counts.iter().filter(|&&count| count > 0).count() as i64,
            Has::Places(standing) => standing.value(),
        }
    }

    /// What each lineup costs, in dollars; 0 where nothing is won.
    pub fn fee(&self) -> f64 {
        if let Has::Places(standing) = &self.has { standing.fee_usd() } else { 0.0 }
    }

    /// What rounding can hide per lineup.
    pub fn rounding(&self) -> f64 {
        if let Has::Places(standing) = &self.has { standing.rounding_usd() } else { 0.0 }
    }

    /// Whether a lineup is worth the same whatever the others are.
    pub const fn is_a_sum(&self) -> bool {
        matches!(self.has, Has::Sum { .. })
    }

    /// Whether no lineup can add anything.
    pub fn is_full(&self) -> bool {
        matches!(&self.has, Has::Reached { counts, .. } if counts.iter().all(|&count| count > 0))
    }

    /// What no portfolio can exceed: a share is at most 1.
    pub const fn ceiling(&self) -> f64 {
        if let Has::Reached { .. } = self.has { 1.0 } else { f64::INFINITY }
    }

    /// A value as people read it.
    pub fn shown(&self, value: i64) -> f64 {
        let scenarios = self.matrix.scenarios() as f64;
        match &self.has {
            Has::Sum { measure, .. } => measure.shown(value, self.matrix.scenarios()),
            Has::Best { .. } => value as f64 / (MILLI * scenarios),
            Has::Reached { .. } => value as f64 / scenarios,
            Has::Places(_) => value as f64 / (MICRO * scenarios),
        }
    }

    /// What gains depend on, one number per scenario; `None` where they are not sums over scenarios of whole units.
    pub fn state(&self) -> Option<Vec<i16>> {
        match &self.has {
            Has::Best { scores, .. } if self.grid.is_exact => {
                Some(scores.iter().map(|&score| self.grid.floor(i64::from(score)) as i16).collect())
            }
            Has::Reached { counts, .. } if self.grid.is_exact => {
                Some(counts.iter().map(|&count| i16::from(count == 0)).collect())
            }
            _ => None,
        }
    }

    /// What one more lineup adds in these scenarios, in one state and in another.
    pub fn change(&self, was: &[i16], is: &[i16], scenarios: &[u32]) -> Change<'a> {
        if let Has::Reached { milli, .. } = self.has {
            let open = |state: &[i16]| {
                let open: Vec<u32> = scenarios.iter().copied().filter(|&s| state[s as usize] != 0).collect();
                Goal::new(self.matrix, Arc::new(self.grid.only(&open)), Measure::Reach { milli })
            };
            return Change { was: open(was), is: open(is) };
        }
        let grid = Arc::new(self.grid.only(scenarios));
        let goal = |state: &[i16]| {
            let floors = scenarios.iter().map(|&s| i32::from(state[s as usize]) * self.grid.unit as i32).collect();
            Goal::new(self.matrix, Arc::clone(&grid), Measure::Gain { floors })
        };
        Change { was: goal(was), is: goal(is) }
    }

    /// What one more lineup adds.
    pub fn goal(&self) -> Goal<'a> {
        match &self.has {
            Has::Sum { measure, .. } => Goal::new(self.matrix, Arc::clone(&self.grid), measure.clone()),
            Has::Best { scores, .. } => {
                Goal::new(self.matrix, Arc::clone(&self.grid), Measure::Gain { floors: scores.clone() })
            }
            Has::Reached { counts, milli } => {
                let open = (0_u32..).zip(counts).filter(|(_, count)| **count == 0).map(|(scenario, _)| scenario);
                let grid = self.grid.only(&open.collect::<Vec<u32>>());
                Goal::new(self.matrix, Arc::new(grid), Measure::Reach { milli: *milli })
            }
            Has::Places(standing) => {
                Goal::new(self.matrix, Arc::clone(&self.grid), Measure::Steps(Arc::new(standing.steps())))
            }
        }
    }

    /// What would be lost without each of the lineups, which are all there are.
    pub fn losses(&self, lineups: impl Iterator<Item = u128> + Clone) -> Vec<i64> {
        if let Has::Places(standing) = &self.has {
            return standing.losses(self.matrix, &lineups.collect::<Vec<u128>>());
        }
        let mut scores = Vec::new();
        let seconds = self.seconds(lineups.clone());
        let mut loss = |lineup: u128| -> i64 {
            exact_scores(self.matrix, &entries_of(lineup), None, &mut scores);
            match &self.has {
                Has::Sum { measure, .. } => measure.of(&mut scores),
                Has::Best { scores: best, .. } => {
                    let ahead = scores.iter().zip(best).zip(&seconds).filter(|((score, best), _)| score == best);
                    ahead.map(|((_, &best), &second)| i64::from(best) - i64::from(second)).sum()
                }
                Has::Reached { counts, milli } => {
                    scores.iter().zip(counts).filter(|(score, count)| *score >= milli && **count == 1).count() as i64
                }
                Has::Places(_) => 0,
            }
        };
        lineups.map(&mut loss).collect()
    }

    /// The second best score per scenario; the best one again where two lineups have it.
    fn seconds(&self, lineups: impl Iterator<Item = u128>) -> Vec<i32> {
        let Has::Best { least, .. } = self.has else { return Vec::new() };
        let mut top = vec![(least, least); self.matrix.scenarios()];
        let mut scores = Vec::new();
        for lineup in lineups {
            exact_scores(self.matrix, &entries_of(lineup), None, &mut scores);
            for ((best, second), &score) in top.iter_mut().zip(&scores) {
                *second = (*second).max(score.min(*best));
                *best = (*best).max(score);
            }
        }
        top.into_iter().map(|(_, second)| second).collect()
    }

    /// Prices that may bound the optimum better than the portfolio's own.
    ///
    /// For any prices p of the scenarios no portfolio of K lineups is worth more than `sum of p + K * max over lineups of the sum
    /// of (worth - p)+` (the dual of the linear relaxation). A scenario that hangs on few lineups is priced lower.
    pub fn prices(&self, lineups: impl Iterator<Item = u128>) -> Vec<Prices<'a>> {
        let scenarios = self.matrix.scenarios() as f64;
        match &self.has {
            Has::Sum { .. } | Has::Places(_) => Vec::new(),
            Has::Best { scores, .. } => {
                let seconds = self.seconds(lineups);
                let between = |weight: f64| -> Vec<i32> {
                    let floor = |(&best, &second): (&i32, &i32)| {
                        let price = f64::from(best) - weight * (f64::from(best) - f64::from(second));
                        (i64::from(self.grid.floor(price as i64)) * self.grid.unit) as i32
                    };
                    scores.iter().zip(&seconds).map(floor).collect()
                };
                let priced = |weight: f64| {
                    let floors = between(weight);
                    let sum = floors.iter().map(|&floor| f64::from(floor)).sum::<f64>() / (MILLI * scenarios);
                    let goal = Goal::new(self.matrix, Arc::clone(&self.grid), Measure::Gain { floors });
                    Prices { goal, sum, unit: 1.0 / (MILLI * scenarios) }
                };
                [0.25, 0.6].map(priced).into()
            }
            Has::Reached { counts, milli } => {
                let copies = |count: &u32| COPIES.get(*count as usize).copied().unwrap_or(0);
                let open =
                    (0_u32..).zip(counts).flat_map(|(scenario, count)| std::iter::repeat_n(scenario, copies(count)));
                let open: Vec<u32> = open.collect();
                let sum = (COPIES[0] * counts.len() - open.len()) as f64 / (COPIES[0] as f64 * scenarios);
                let goal = Goal::new(self.matrix, Arc::new(self.grid.only(&open)), Measure::Reach { milli: *milli });
                vec![Prices { goal, sum, unit: 1.0 / (COPIES[0] as f64 * scenarios) }]
            }
        }
    }
}
