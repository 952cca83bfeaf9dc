//! Where to put the floors of a bound: at which a good lineup's bound is tightest. Any floor is right, a good one excludes more.

use super::{
    bound::{Effort, HingeBound, Scaled, SubsetTable, binomial, subset_size},
    goal::{Floors, Goal},
    kernels::{self, Column, nth_largest},
    space::Candidates,
    steps,
    value::Measure,
    walk::combinations,
};
use crate::domain::interrupt::Interrupt;

/// Distances between a threshold and the floor below it that are tried, in standard deviations of the lineup's score.
const RUNS: [f64; 8] = [0.15, 0.25, 0.4, 0.55, 0.75, 1.0, 1.3, 1.7];

/// A table of bounds whose floors are those at which this lineup's bound is tightest: lineups that compete with it are alike.
///
/// Stops early, with a useless table, where the interrupt is raised: the caller looks.
pub(super) fn table(
    goal: &Goal<'_>,
    candidates: &Candidates,
    picks: &[usize],
    effort: Effort,
    interrupt: &Interrupt,
) -> SubsetTable {
    let size = subset_size(candidates, effort);
    if let Measure::Steps(steps) = &goal.measure {
        return steps::table(goal, steps, candidates, picks, size, interrupt);
    }
    let floors = tightest(goal, picks, size);
    let bound = hinge_bound(goal, &floors);
    SubsetTable::of_hinges(&goal.grid, candidates, size, |scenario| floors.at(scenario), bound, interrupt)
}

/// How the goal's values are bounded by hinges over these floors.
fn hinge_bound(goal: &Goal<'_>, floors: &Floors) -> HingeBound {
    let unit = goal.grid.unit as f64;
    let floor = f64::from(floors.at(0)) * unit;
    match goal.measure {
        Measure::Tail { count } => HingeBound { offset: floor * count as f64, factor: 1.0 },
        Measure::Rank { count } => HingeBound { offset: floor, factor: 1.0 / count as f64 },
        Measure::Reach { .. } => {
            let run = f64::from(goal.floors.at(0) - floors.at(0)) * unit;
            HingeBound { offset: 0.0, factor: 1.0 / run.max(1.0) }
        }
        Measure::Gain { .. } | Measure::Sum | Measure::Steps(_) => HingeBound { offset: 0.0, factor: 1.0 },
    }
}

/// The floors at which the averaged bound of this lineup is lowest.
fn tightest(goal: &Goal<'_>, picks: &[usize], size: usize) -> Floors {
    let of_threshold = |is_better: &dyn Fn(f64, i32) -> f64| {
        let floors = runs(goal, picks).map(|run| goal.floors.at(0) - run);
        let bounds = floors.map(|floor| is_better(average_hinge(goal, picks, size, floor), goal.floors.at(0) - floor));
        let best = (0..RUNS.len()).min_by(|&left, &right| bounds[left].total_cmp(&bounds[right]));
        Floors::Same(floors[best.unwrap_or(0)])
    };
    match goal.measure {
        Measure::Tail { count } => Floors::Same(pooled_quantile(goal, picks, size, count)),
        Measure::Reach { .. } => of_threshold(&|hinge, run| hinge / f64::from(run)),
        Measure::Rank { count } => of_threshold(&|hinge, run| hinge / count as f64 - f64::from(run)),
        Measure::Gain { .. } | Measure::Sum | Measure::Steps(_) => goal.floors.clone(),
    }
}

/// The distances to try, in units, each at least one.
fn runs(goal: &Goal<'_>, picks: &[usize]) -> [i32; RUNS.len()] {
    let scores = goal.grid.scores(picks);
    let count = scores.numbers().len() as f64;
    let mean = scores.numbers().iter().map(|&score| f64::from(score)).sum::<f64>() / count;
    let square = |&score: &i16| (f64::from(score) - mean).powi(2);
    let deviation = (scores.numbers().iter().map(square).sum::<f64>() / count).sqrt();
    RUNS.map(|run| ((run * deviation) as i32).max(1))
}

/// Sums of the lineup's subsets as the table has them, from `start` on.
fn subset_sums(scaled: &Scaled, start: &Column, picks: &[usize], size: usize) -> Vec<Column> {
    let sum_of = |subset: &[usize]| {
        let mut sum = start.clone();
        for &pick in subset {
            let shorter = sum.clone();
            kernels::add(&mut sum, &shorter, &scaled.columns[picks[pick]]);
        }
        sum
    };
    combinations(picks.len(), size).chunks_exact(size).map(sum_of).collect()
}

/// The derivative of a tail's averaged bound by its floor vanishes at the quantile of all subsets' scores together.
fn pooled_quantile(goal: &Goal<'_>, picks: &[usize], size: usize, count: usize) -> i32 {
    let scaled = Scaled::new(&goal.grid, picks.len() as f64 / size as f64);
    let sums = subset_sums(&scaled, &scaled.start(&goal.grid, |_| 0), picks, size);
    let numbers: Vec<&[i16]> = sums.iter().map(Column::numbers).collect();
    let pooled = count * binomial(picks.len(), size) as usize;
    (f64::from(nth_largest(&numbers, pooled, 0)) * scaled.unit) as i32
}

/// The average over the lineup's subsets of the hinge over a floor, in units of the goal's grid.
fn average_hinge(goal: &Goal<'_>, picks: &[usize], size: usize, floor: i32) -> f64 {
    let scaled = Scaled::new(&goal.grid, picks.len() as f64 / size as f64);
    let sums = subset_sums(&scaled, &scaled.start(&goal.grid, |_| floor), picks, size);
    let nothing = Column::new(std::iter::repeat_n(0, goal.grid.len()), 0);
    let hinges = sums.iter().map(|sum| kernels::hinge_sums(sum, [&nothing; 4])[0] as f64);
    hinges.sum::<f64>() / sums.len() as f64 * scaled.unit
}
