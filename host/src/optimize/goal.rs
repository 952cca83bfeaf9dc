//! Evaluates lineups: the measure to maximise, ready for many lineups that share their first entries. It chooses none.

use std::sync::Arc;

use super::{
    grid::{Grid, exact_scores},
    kernels::{self, Column, count_above, excess_over, nth_largest},
    matrix::ScoreMatrix,
    space::Candidates,
    steps::{Stairs, Steps},
    value::{Measure, entries_of},
};

/// Lineups that are evaluated at once: their common first entries are read once.
pub(super) const BATCH: usize = 4;

/// A score per scenario, in units, that scores are compared with.
#[derive(Debug, Clone)]
pub(super) enum Floors {
    /// The same in all scenarios.
    Same(i32),
    /// One per scenario.
    Each(Vec<i32>),
}

impl Floors {
    /// The floor of all scenarios; 0 where each has its own.
    pub const fn common(&self) -> i32 {
        if let Self::Same(floor) = self { *floor } else { 0 }
    }

    /// The floor of a scenario.
    pub fn at(&self, scenario: usize) -> i32 {
        match self {
            Self::Same(floor) => *floor,
            Self::Each(floors) => floors[scenario],
        }
    }
}

/// What is maximised, and over which points.
#[derive(Debug, Clone)]
pub(super) struct Goal<'a> {
    pub matrix: &'a ScoreMatrix,
    pub grid: Arc<Grid>,
    pub measure: Measure,
    /// For a tail or rank: near that of the lineups that matter, which then need no closer look. Any floor is right.
    pub floors: Floors,
    /// For a worth that rises in steps.
    stairs: Option<Arc<Stairs>>,
}

impl<'a> Goal<'a> {
    /// A goal whose floors follow from its measure; those of a tail or rank are to be set by a good lineup.
    pub fn new(matrix: &'a ScoreMatrix, grid: Arc<Grid>, measure: Measure) -> Self {
        let floors = match &measure {
            Measure::Reach { milli } => Floors::Same(grid.ceil(i64::from(*milli))),
            Measure::Gain { floors } => {
                Floors::Each(floors.iter().map(|&floor| grid.floor(i64::from(floor))).collect())
            }
            Measure::Sum | Measure::Tail { .. } | Measure::Rank { .. } | Measure::Steps(_) => Floors::Same(0),
        };
        let stairs = match &measure {
            Measure::Steps(steps) => Some(Arc::new(Stairs::new(steps, &grid))),
            _ => None,
        };
        Self { matrix, grid, measure, floors, stairs }
    }

    /// Takes as floor of a tail or rank that of the given lineup.
    pub fn follow(&mut self, picks: &[usize]) {
        if let Measure::Tail { count } | Measure::Rank { count } = self.measure {
            let scores = self.grid.scores(picks);
            self.floors = Floors::Same(i32::from(nth_largest(&[scores.numbers()], count, 0)));
        }
    }

    /// What all values are multiples of, where the grid is exact.
    pub fn value_unit(&self) -> i64 {
        if let Measure::Gain { .. } = self.measure { self.grid.unit } else { 1 }
    }

    /// The value by its definition.
    pub fn defined(&self, lineup: u128, scores: &mut Vec<i32>) -> i64 {
        exact_scores(self.matrix, &entries_of(lineup), self.grid.scenarios.as_deref(), scores);
        self.measure.of(scores)
    }
}

/// What is known of a lineup's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Valued {
    /// It is at most this.
    pub at_most: i64,
    /// The value, where it was looked at closely enough.
    pub exact: Option<i64>,
}

impl Valued {
    const NOTHING: Self = Self { at_most: i64::MAX, exact: None };

    const fn exact(value: i64) -> Self {
        Self { at_most: value, exact: Some(value) }
    }

    /// The value if it is at least this.
    pub fn reaching(self, at_least: i64) -> Option<i64> {
        self.exact.filter(|&value| value >= at_least)
    }
}

/// Evaluates lineups. One per thread.
pub(super) struct Evaluator<'a> {
    goal: &'a Goal<'a>,
    candidates: &'a Candidates,
    /// `sums[j]`: score minus floor, in units, of the locked entries and the first j of `path`.
    sums: Vec<Column>,
    path: Vec<usize>,
    scores: Column,
    /// Scores of a batch.
    four: [Column; BATCH],
    exact: Vec<i32>,
    /// Scores of single entries, summed over scenarios, in units; of the locked ones last.
    totals: Vec<i64>,
}

impl<'a> Evaluator<'a> {
    pub fn new(goal: &'a Goal<'a>, candidates: &'a Candidates) -> Self {
        let start = goal.grid.start(|scenario| goal.floors.at(scenario));
        let is_linear = goal.measure == Measure::Sum && goal.grid.is_exact;
        let total = |column: &Column| column.numbers().iter().map(|&score| i64::from(score)).sum();
        let mut totals: Vec<i64> = if is_linear { goal.grid.columns.iter().map(total).collect() } else { Vec::new() };
        totals.push(goal.grid.base.iter().map(|&score| i64::from(score)).sum());
        Self {
            goal,
            candidates,
            scores: start.clone(),
            four: std::array::from_fn(|_| start.clone()),
            sums: vec![start; candidates.places.max(1)],
            path: Vec::new(),
            exact: Vec::new(),
            totals,
        }
    }

    /// Scenario sums that evaluating a lineup takes, about.
    pub fn cells(&self) -> usize {
        self.goal.grid.len()
    }

    /// The exact value of the lineup of `path` and `last`, or `None` where it is proven to be below `at_least`.
    pub fn value(&mut self, path: &[usize], last: usize, at_least: i64) -> Option<i64> {
        self.values(path, &[last], at_least)[0].reaching(at_least)
    }

    /// The values of up to [`BATCH`] lineups of the same path: exact where they are not proven to be below `at_least`.
    pub fn values(&mut self, path: &[usize], lasts: &[usize], at_least: i64) -> [Valued; BATCH] {
        let mut values = [Valued::NOTHING; BATCH];
        if self.goal.measure == Measure::Sum {
            for (value, &last) in values.iter_mut().zip(lasts) {
                *value = Valued::exact(self.sum(path, last));
            }
            return values;
        }
        self.follow(path);
        if let Measure::Steps(steps) = &self.goal.measure {
            self.climb_stairs(steps, path, lasts, at_least, &mut values);
            return values;
        }
        let parent = &self.sums[path.len()];
        let four = std::array::from_fn(|index| &self.goal.grid.columns[lasts[index.min(lasts.len() - 1)]]);
        let reached = match self.goal.measure {
            Measure::Reach { .. } | Measure::Rank { .. } => kernels::reach_counts(parent, four),
            _ => kernels::hinge_sums(parent, four),
        };
        for ((value, &last), reached) in values.iter_mut().zip(lasts).zip(reached) {
            *value = self.finish(path, last, reached, at_least);
        }
        values
    }

    /// The sum over scenarios, by adding up those of the entries.
    fn sum(&mut self, path: &[usize], last: usize) -> i64 {
        if self.goal.grid.is_exact {
            let picks = path.iter().copied().chain([last, self.totals.len() - 1]);
            return picks.map(|pick| self.totals[pick]).sum::<i64>() * self.goal.grid.unit;
        }
        self.defined(path, last)
    }

    /// Counts how often each step is reached, and looks scenario by scenario where that is enough.
    fn climb_stairs(
        &mut self,
        steps: &Steps,
        path: &[usize],
        lasts: &[usize],
        at_least: i64,
        values: &mut [Valued; BATCH],
    ) {
        let Some(stairs) = &self.goal.stairs else { return };
        for (scores, &last) in self.four.iter_mut().zip(lasts) {
            kernels::add(scores, &self.sums[path.len()], &self.goal.grid.columns[last]);
        }
        let bounds = stairs.bounds(self.four.each_ref());
        for (index, (value, &last)) in values.iter_mut().zip(lasts).enumerate() {
            value.at_most = bounds[index];
            if bounds[index] < at_least {
                continue;
            }
            let Grid { unit, is_exact, .. } = *self.goal.grid;
            let milli = |&score: &i16| (i64::from(score) * unit) as i32;
            *value = Valued::exact(match is_exact {
                true => steps.worth(self.four[index].numbers().iter().map(milli)),
                false => self.defined(path, last),
            });
        }
    }

    /// What one pass of the vector loops says, and a closer look where that is not enough.
    fn finish(&mut self, path: &[usize], last: usize, reached: u64, at_least: i64) -> Valued {
        let Grid { unit, is_exact, .. } = *self.goal.grid;
        let reached = reached as i64;
        let floor = i64::from(self.goal.floors.common());
        let below = |at_most: i64| Valued { at_most, exact: None };
        let value = match self.goal.measure {
            Measure::Reach { .. } => reached,
            Measure::Gain { .. } => reached * unit,
            Measure::Tail { count } => {
                let count_units = count as i64;
                let at_most = (floor * count_units + reached) * unit;
                if at_most < at_least {
                    return below(at_most);
                }
                kernels::add(&mut self.scores, &self.sums[path.len()], &self.goal.grid.columns[last]);
                let own = nth_largest(&[self.scores.numbers()], count, 0);
                let excess = excess_over(self.scores.numbers(), own) as i64;
                ((floor + i64::from(own)) * count_units + excess) * unit
            }
            Measure::Rank { count } => {
                if (reached as usize) < count && at_least >= floor * unit {
                    return below(at_least);
                }
                // Of many lineups the worst one kept may be far below the floor: one more pass spares the search for the rank.
                let needed = (at_least.div_euclid(unit) - floor).clamp(i64::from(i16::MIN) + 2, 0) as i16;
                kernels::add(&mut self.scores, &self.sums[path.len()], &self.goal.grid.columns[last]);
                if count_above(self.scores.numbers(), needed - 1) < count {
                    return below(at_least);
                }
                (floor + i64::from(nth_largest(&[self.scores.numbers()], count, needed))) * unit
            }
            Measure::Sum | Measure::Steps(_) => return Valued::NOTHING,
        };
        match is_exact {
            true => Valued::exact(value),
            false if value < at_least => below(value),
            false => Valued::exact(self.defined(path, last)),
        }
    }

    fn defined(&mut self, path: &[usize], last: usize) -> i64 {
        let lineup = self.candidates.mask(path.iter().copied().chain([last]));
        self.goal.defined(lineup, &mut self.exact)
    }

    /// Brings the sums up to date with `path`, from where it leaves the last one.
    fn follow(&mut self, path: &[usize]) {
        let shared = self.path.iter().zip(path).take_while(|(old, new)| old == new).count();
        for (depth, &entry) in path.iter().enumerate().skip(shared) {
            let (shorter, longer) = self.sums.split_at_mut(depth + 1);
            kernels::add(&mut longer[0], &shorter[depth], &self.goal.grid.columns[entry]);
        }
        self.path.clear();
        self.path.extend_from_slice(path);
    }
}
