//! A worth that rises with the score in steps, which may lie elsewhere in each scenario: any non-decreasing utility of a score,
//! scenario by scenario. It knows nothing of contests.
//!
//! How such a worth is bounded: each step lies below a hinge that begins a run below it, `most * (x - v)+ / run`. Hinges are convex, and
//! so is their sum: a table of subsets bounds it like a single one.

use super::{
    bound::{HingeBound, SubsetTable},
    goal::Goal,
    grid::Grid,
    kernels::{Column, PAD, reach_counts},
    space::Candidates,
    walk::combinations,
};
use crate::domain::interrupt::Interrupt;

/// A score at which the worth rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// In thousandths of a point; `i32::MIN` for what every lineup has.
    pub score: i32,
    /// By how much for a lineup with exactly this score.
    pub at: i64,
    /// By how much for a lineup with more.
    pub above: i64,
}

/// As many steps in each scenario, by rising score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps {
    /// Most that each step adds in any scenario.
    most: Vec<i64>,
    /// Shape `[scenario][step]`.
    steps: Vec<Step>,
}

impl Steps {
    /// Steps of shape `[scenario][step]`, none of which adds more than `most`.
    pub const fn new(most: Vec<i64>, steps: Vec<Step>) -> Self {
        Self { most, steps }
    }

    /// The steps of a scenario.
    fn of(&self, scenario: usize) -> &[Step] {
        &self.steps[scenario * self.most.len()..][..self.most.len()]
    }

    /// What scores in thousandths, one per scenario, are worth.
    pub fn worth(&self, scores: impl Iterator<Item = i32>) -> i64 {
        if self.most.is_empty() {
            return 0;
        }
        let steps = self.steps.chunks_exact(self.most.len());
        scores.zip(steps).map(|(score, steps)| worth_of(steps, score)).sum()
    }
}

fn worth_of(steps: &[Step], score: i32) -> i64 {
    let reached = steps.iter().take_while(|step| step.score <= score);
    reached.map(|step| if step.score == score { step.at } else { step.above }).sum()
}

/// Steps as the vector loops read them.
#[derive(Debug, Clone)]
pub(super) struct Stairs {
    /// Per step: minus the score that has to be reached, in units, and the most that it adds.
    steps: Vec<(Column, i64)>,
}

impl Stairs {
    pub fn new(steps: &Steps, grid: &Grid) -> Self {
        let column = |(index, &most): (usize, &i64)| {
            let needed = |scenario: usize| -grid.ceil(i64::from(steps.of(scenario)[index].score)) as i16;
            let column: Vec<i16> = (0..grid.len()).map(needed).collect();
            (Column::new(column.into_iter(), PAD), most)
        };
        Self { steps: steps.most.iter().enumerate().map(column).collect() }
    }

    /// Upper bounds of the worth of four lineups by their scores in units.
    pub fn bounds(&self, scores: [&Column; 4]) -> [i64; 4] {
        let mut bounds = [0; 4];
        for (needed, most) in &self.steps {
            let reached = reach_counts(needed, scores);
            for (bound, reached) in bounds.iter_mut().zip(reached) {
                *bound += most * reached as i64;
            }
        }
        bounds
    }
}

/// Distances between a step and the floor of its hinge, in standard deviations of the lineup's score: at which the bound of a good
/// lineup is lowest is found out for each step.
const RUNS: [f64; 6] = [0.1, 0.2, 0.4, 0.7, 1.1, 1.7];

/// Scenarios that the choice looks at.
const SAMPLE: usize = 2_048;

/// A table of bounds: each step lies below a hinge of its own, and hinges add up. They are as tight as can be for this lineup.
pub(super) fn table(
    goal: &Goal<'_>,
    steps: &Steps,
    candidates: &Candidates,
    picks: &[usize],
    size: usize,
    interrupt: &Interrupt,
) -> SubsetTable {
    let grid = &goal.grid;
    let factor = candidates.places as f64 / size as f64;
    let (lowest, highest) = (grid.lowest(), grid.highest(candidates.places));
    let samples: Vec<usize> = (0..grid.len()).step_by(grid.len().div_ceil(SAMPLE).max(1)).collect();
    let subsets = subset_scores(grid, picks, size, &samples);
    let deviation = deviation(&subsets, samples.len());
    let of_step = |(index, &most): (usize, &i64)| {
        let run = RUNS
            .map(|run| (run * deviation).max(1.0))
            .into_iter()
            .min_by(|&left, &right| {
                let hinge = |run: f64| average_hinge(steps, index, run, &samples, &subsets) / run;
                hinge(left).total_cmp(&hinge(right))
            })
            .unwrap_or(1.0);
        // What begins below all scores is given away: a floor there would leave the range that columns hold.
        let is_given = |step: &Step| f64::from(step.score) - run <= lowest as f64;
        let given = (0..grid.len()).map(|scenario| steps.of(scenario)[index]).filter(is_given).map(|step| step.above);
        let floor = |scenario: usize| {
            let step = steps.of(scenario)[index];
            let is_met = !is_given(&step) && i64::from(step.score) <= highest[scenario];
            if is_met { grid.floor((f64::from(step.score) - run).floor() as i64) } else { grid.beyond(factor) }
        };
        let bound = HingeBound { offset: given.sum::<i64>() as f64, factor: most as f64 / run };
        SubsetTable::of_hinges(grid, candidates, size, floor, bound, interrupt)
    };
    let nothing = || SubsetTable::of_sums(&vec![0; candidates.free.len()], 0, candidates.places);
    SubsetTable::add_up(steps.most.iter().enumerate().map(of_step), candidates.places).unwrap_or_else(nothing)
}

/// Mean over the lineup's subsets of the sum over the samples of what is above the floor of a step's hinge.
fn average_hinge(steps: &Steps, index: usize, run: f64, samples: &[usize], subsets: &[Vec<f64>]) -> f64 {
    let of_sample = |(sample, &scenario): (usize, &usize)| {
        let floor = f64::from(steps.of(scenario)[index].score) - run;
        subsets.iter().map(|scores| (scores[sample] - floor).max(0.0)).sum::<f64>()
    };
    samples.iter().enumerate().map(of_sample).sum::<f64>() / subsets.len().max(1) as f64
}

/// Scores of the lineup's subsets, each as if it were a whole lineup, in the sampled scenarios, in thousandths.
fn subset_scores(grid: &Grid, picks: &[usize], size: usize, samples: &[usize]) -> Vec<Vec<f64>> {
    let factor = picks.len() as f64 / size as f64;
    let score_of = |subset: &[usize], scenario: usize| {
        let points = subset.iter().map(|&pick| f64::from(grid.columns[picks[pick]].numbers()[scenario]));
        (f64::from(grid.base[scenario]) + factor * points.sum::<f64>()) * grid.unit as f64
    };
    let subsets = combinations(picks.len(), size);
    subsets
        .chunks_exact(size)
        .map(|subset| samples.iter().map(|&scenario| score_of(subset, scenario)).collect())
        .collect()
}

/// Standard deviation over scenarios of the mean over the subsets, which is the lineup's score.
fn deviation(subsets: &[Vec<f64>], samples: usize) -> f64 {
    let score = |index: usize| subsets.iter().map(|scores| scores[index]).sum::<f64>() / subsets.len().max(1) as f64;
    let scores: Vec<f64> = (0..samples).map(score).collect();
    let mean = scores.iter().sum::<f64>() / samples.max(1) as f64;
    (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / samples.max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> [Step; 3] {
        [
            Step { score: i32::MIN, at: 5, above: 5 },
            Step { score: 1_000, at: 1, above: 2 },
            Step { score: 3_000, at: 4, above: 10 },
        ]
    }

    #[test]
    fn a_worth_rises_at_and_above_each_step() {
        let worth = |score| worth_of(&steps(), score);
        assert_eq!([worth(0), worth(1_000), worth(1_001), worth(3_000), worth(3_001)], [5, 6, 7, 11, 17]);
        let all = Steps::new(vec![5, 2, 10], steps().repeat(2));
        assert_eq!(all.worth([999, 3_001].into_iter()), 22);
    }
}
