//! Where to put the floors of a bound: at which a good lineup's bound is tightest. Any floor is right, a good one excludes more.

use super::{
    bound::{Scaled, binomial, subset_size},
    goal::{Floors, Goal},
    kernels::{self, Column, nth_largest},
    space::Candidates,
    value::Measure,
    walk::combinations,
};

/// Distances between a threshold and the floor below it that are tried, in standard deviations of the lineup's score.
const RUNS: [f64; 8] = [0.15, 0.25, 0.4, 0.55, 0.75, 1.0, 1.3, 1.7];

/// The floors at which the averaged bound of this lineup is lowest.
pub(super) fn tightest(goal: &Goal<'_>, candidates: &Candidates, picks: &[usize]) -> Floors {
    let of_threshold = |is_better: &dyn Fn(f64, i32) -> f64| {
        let floors = runs(goal, picks).map(|run| goal.floors.at(0) - run);
        let bounds =
            floors.map(|floor| is_better(average_hinge(goal, candidates, picks, floor), goal.floors.at(0) - floor));
        let best = (0..RUNS.len()).min_by(|&left, &right| bounds[left].total_cmp(&bounds[right]));
        Floors::Same(floors[best.unwrap_or(0)])
    };
    match goal.measure {
        Measure::Tail { count } => Floors::Same(pooled_quantile(goal, candidates, picks, count)),
        Measure::Reach { .. } => of_threshold(&|hinge, run| hinge / f64::from(run)),
        Measure::Rank { count } => of_threshold(&|hinge, run| hinge / count as f64 - f64::from(run)),
        Measure::Gain { .. } | Measure::Sum => goal.floors.clone(),
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
fn subset_sums(candidates: &Candidates, scaled: &Scaled, start: &Column, picks: &[usize]) -> Vec<Column> {
    let size = subset_size(candidates);
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
fn pooled_quantile(goal: &Goal<'_>, candidates: &Candidates, picks: &[usize], count: usize) -> i32 {
    let size = subset_size(candidates);
    let scaled = Scaled::new(&goal.grid, picks.len() as f64 / size as f64);
    let sums = subset_sums(candidates, &scaled, &scaled.start(&goal.grid, |_| 0), picks);
    let numbers: Vec<&[i16]> = sums.iter().map(Column::numbers).collect();
    let pooled = count * binomial(picks.len(), size) as usize;
    (f64::from(nth_largest(&numbers, pooled, 0)) * scaled.unit) as i32
}

/// The average over the lineup's subsets of the hinge over a floor, in units of the goal's grid.
fn average_hinge(goal: &Goal<'_>, candidates: &Candidates, picks: &[usize], floor: i32) -> f64 {
    let scaled = Scaled::new(&goal.grid, picks.len() as f64 / subset_size(candidates) as f64);
    let sums = subset_sums(candidates, &scaled, &scaled.start(&goal.grid, |_| floor), picks);
    let nothing = Column::new(std::iter::repeat_n(0, goal.grid.len()), 0);
    let hinges = sums.iter().map(|sum| kernels::hinge_sums(sum, [&nothing; 4])[0] as f64);
    hinges.sum::<f64>() / sums.len() as f64 * scaled.unit
}
