//! Scores given lineups: distribution of points, and how much of a tail survives on fresh scenarios. It chooses nothing.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::SearchFailure,
    grid::{MILLI, exact_scores},
    matrix::ScoreMatrix,
    value::{Measure, tail_count},
};
use crate::domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective};

/// Probabilities of the reported quantiles.
pub const QUANTILES: [f64; 6] = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Resamples of a bootstrap interval.
const BOOTSTRAP_RESAMPLES: usize = 1_000;

/// Most scenarios that a bootstrap resamples; of more, the interval is that of blocks, see [`bootstrap_interval`].
const BOOTSTRAP_SCENARIOS_MAX: usize = 20_000;

/// Level of the bootstrap interval.
const INTERVAL_LEVEL: f64 = 0.95;

/// A quantile of the points of a lineup.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointsQuantile {
    /// Probability, in (0, 1).
    pub probability: f64,
    /// Points; the smallest score that at least this share of scenarios does not exceed.
    pub points: f64,
}

/// Distribution of a lineup's points over scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineupScore {
    /// Mean points.
    pub mean: f64,
    /// Standard deviation in points, divisor S - 1; 0 for one scenario.
    pub sd: f64,
    /// Quantiles at 5, 25, 50, 75, 95 and 99 %.
    pub quantiles: Vec<PointsQuantile>,
    /// Mean of the best `ceil(alpha * S)` scores, in points.
    pub upper_cvar: f64,
}

/// An in-sample figure beside the same on scenarios that the choice has not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TailValidation {
    /// Objective on the scenarios that the lineup was chosen on, in points.
    pub in_sample: f64,
    /// Objective on the fresh scenarios, in points.
    pub fresh: f64,
    /// Lower end of the 95 % bootstrap interval of the fresh figure, in points.
    pub interval_low: f64,
    /// Upper end of the 95 % bootstrap interval of the fresh figure, in points.
    pub interval_high: f64,
    /// `in_sample - fresh`, in points: what choosing the best of many flatters the choice by, plus noise.
    pub optimism: f64,
    /// Whether the in-sample figure lies inside the interval.
    pub is_inside: bool,
}

impl TailValidation {
    /// A figure beside the same on fresh scenarios and its interval there.
    #[must_use]
    pub fn new(in_sample: f64, fresh: f64, (interval_low, interval_high): (f64, f64)) -> Self {
        let is_inside = (interval_low..=interval_high).contains(&in_sample);
        Self { in_sample, fresh, interval_low, interval_high, optimism: in_sample - fresh, is_inside }
    }
}

/// Scores every lineup; `alpha` is the share of scenarios in the tail, in (0, 1].
///
/// # Errors
/// [`SearchFailure::Invalid`] where alpha is out of range or a lineup has an entry that the matrix lacks.
pub fn score_lineups(matrix: &ScoreMatrix, lineups: &[Lineup], alpha: f64) -> Result<Vec<LineupScore>, SearchFailure> {
    let count = tail_count(alpha, matrix.scenarios())?;
    check_entries(matrix, lineups)?;
    Ok(lineups.par_iter().map(|lineup| score_one(matrix, lineup, count)).collect())
}

/// The objective of each lineup, in points or as a share of the scenarios.
///
/// # Errors
/// [`SearchFailure::Invalid`] where a number of the objective is out of range or a lineup has an entry that the matrix lacks.
pub fn objective_values(
    matrix: &ScoreMatrix,
    lineups: &[Lineup],
    objective: Objective,
) -> Result<Vec<f64>, SearchFailure> {
    let measure = Measure::new(objective, matrix.scenarios())?;
    check_entries(matrix, lineups)?;
    let value = |lineup: &Lineup| {
        let mut scores = Vec::new();
        exact_scores(matrix, lineup.entries(), None, &mut scores);
        measure.shown(measure.of(&mut scores), matrix.scenarios())
    };
    Ok(lineups.par_iter().map(value).collect())
}

/// Compares each lineup's objective on the scenarios it was chosen on with that on fresh ones. `seed` drives the bootstrap.
///
/// # Errors
/// As [`score_lineups`], and [`SearchFailure::Stopped`] where the interrupt is raised.
pub fn validate_tail(
    chosen_on: &ScoreMatrix,
    fresh: &ScoreMatrix,
    lineups: &[Lineup],
    objective: Objective,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Vec<TailValidation>, SearchFailure> {
    let measures = [chosen_on, fresh].map(|matrix| Measure::new(objective, matrix.scenarios()));
    let [measured, measured_fresh] = measures;
    let (measured, measured_fresh, statistic) = (measured?, measured_fresh?, Statistic::new(objective));
    check_entries(chosen_on, lineups)?;
    check_entries(fresh, lineups)?;
    let validate = |(index, lineup): (usize, &Lineup)| {
        if let Some(reason) = interrupt.reason() {
            return Err(SearchFailure::Stopped(reason));
        }
        let mut scores = Vec::new();
        exact_scores(chosen_on, lineup.entries(), None, &mut scores);
        let in_sample = measured.shown(measured.of(&mut scores), chosen_on.scenarios());
        let sample = statistic.ascending(lineup_scores(fresh, lineup));
        let (interval_low, interval_high) = bootstrap_interval(&sample, statistic, seed.wrapping_add(index as u64));
        exact_scores(fresh, lineup.entries(), None, &mut scores);
        let fresh = measured_fresh.shown(measured_fresh.of(&mut scores), fresh.scenarios());
        Ok(TailValidation::new(in_sample, fresh, (interval_low, interval_high)))
    };
    lineups.par_iter().enumerate().map(validate).collect()
}

/// A lineup's points per scenario.
fn lineup_scores(matrix: &ScoreMatrix, lineup: &Lineup) -> Vec<f64> {
    let mut scores = Vec::new();
    exact_scores(matrix, lineup.entries(), None, &mut scores);
    scores.iter().map(|&score| f64::from(score) / MILLI).collect()
}

/// An objective as a function of a sample of scores, for resampling.
#[derive(Debug, Clone, Copy)]
pub(super) enum Statistic {
    /// The mean, of scores or of whether they reach a threshold.
    Mean { reach: Option<f64> },
    /// The mean of the best share.
    UpperMean { alpha: f64 },
    /// The smallest score of the best share.
    Quantile { share: f64 },
}

impl Statistic {
    const fn new(objective: Objective) -> Self {
        match objective {
            Objective::Mean => Self::Mean { reach: None },
            Objective::UpperCvar { alpha } => Self::UpperMean { alpha },
            Objective::Probability { at_least } => Self::Mean { reach: Some(at_least) },
            Objective::Quantile { share } => Self::Quantile { share },
        }
    }

    /// The sample that the statistic is of, ascending. Half a thousandth is the resolution of scores.
    fn ascending(self, mut scores: Vec<f64>) -> Vec<f64> {
        if let Self::Mean { reach: Some(threshold) } = self {
            scores.iter_mut().for_each(|score| *score = f64::from(u8::from(*score >= threshold - 0.5 / MILLI)));
        }
        scores.sort_unstable_by(f64::total_cmp);
        scores
    }

    /// How many of the largest scores it looks at.
    fn count(self, scenarios: usize) -> usize {
        match self {
            Self::Mean { .. } => scenarios,
            Self::UpperMean { alpha } => tail_count(alpha, scenarios).unwrap_or(scenarios),
            Self::Quantile { share } => scenarios + 1 - tail_count(share, scenarios).unwrap_or(1),
        }
    }

    /// Of ascending scores.
    fn of(self, sorted: &[f64]) -> f64 {
        let top = &sorted[sorted.len() - self.count(sorted.len())..];
        match self {
            Self::Quantile { .. } => top[0],
            Self::Mean { .. } | Self::UpperMean { .. } => top.iter().sum::<f64>() / top.len() as f64,
        }
    }

    /// Of a resample of ascending scores.
    fn resampled(self, sorted: &[f64], random: &mut Xoshiro256PlusPlus) -> f64 {
        let count = self.count(sorted.len());
        if let Self::Mean { .. } = self {
            return resampled_mean(sorted, random);
        }
        let (mean, least) = resampled_top(sorted, count, random);
        if let Self::Quantile { .. } = self { least } else { mean }
    }
}

pub(super) fn check_entries(matrix: &ScoreMatrix, lineups: &[Lineup]) -> Result<(), SearchFailure> {
    let all = lineups.iter().flat_map(Lineup::entries);
    match all.copied().find(|&entry| usize::from(entry) >= matrix.entries()) {
        Some(entry) => Err(SearchFailure::Invalid {
            field: "lineups",
            detail: format!("entry {entry} has no points, the matrix has {} entries", matrix.entries()),
        }),
        None => Ok(()),
    }
}

fn score_one(matrix: &ScoreMatrix, lineup: &Lineup, count: usize) -> LineupScore {
    let mut scores = lineup_scores(matrix, lineup);
    scores.sort_unstable_by(f64::total_cmp);
    let scenarios = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / scenarios;
    let squares: f64 = scores.iter().map(|score| (score - mean) * (score - mean)).sum();
    let at = |probability: f64| {
        let place = (probability * scenarios * (1.0 - 1e-12)).ceil() as usize;
        PointsQuantile { probability, points: scores[place.clamp(1, scores.len()) - 1] }
    };
    LineupScore {
        mean,
        sd: (squares / (scenarios - 1.0).max(1.0)).sqrt(),
        quantiles: QUANTILES.map(at).to_vec(),
        upper_cvar: scores[scores.len() - count..].iter().sum::<f64>() / count as f64,
    }
}

/// Percentile bootstrap interval (Efron 1979) of a statistic of ascending scores.
pub(super) fn bootstrap_interval(sorted: &[f64], statistic: Statistic, seed: u64) -> (f64, f64) {
    let thinned: Vec<f64> = thin(sorted);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut found: Vec<f64> = (0..BOOTSTRAP_RESAMPLES).map(|_| statistic.resampled(&thinned, &mut random)).collect();
    found.sort_unstable_by(f64::total_cmp);
    let end = |probability: f64| found[((probability * found.len() as f64) as usize).min(found.len() - 1)];
    // Fewer scenarios are noisier: the spread of a thinned sample is scaled back to that of the full one.
    let shrink = (thinned.len() as f64 / sorted.len() as f64).sqrt();
    let centre = statistic.of(sorted);
    let scale = |value: f64| centre + (value - centre) * shrink;
    (scale(end((1.0 - INTERVAL_LEVEL) / 2.0)), scale(end(f64::midpoint(1.0, INTERVAL_LEVEL))))
}

/// Every j-th score, so that at most [`BOOTSTRAP_SCENARIOS_MAX`] are left.
fn thin(sorted: &[f64]) -> Vec<f64> {
    let step = sorted.len().div_ceil(BOOTSTRAP_SCENARIOS_MAX);
    sorted.iter().skip(step / 2).step_by(step).copied().collect()
}

fn resampled_mean(scores: &[f64], random: &mut Xoshiro256PlusPlus) -> f64 {
    let total: f64 = scores.iter().map(|_| scores[random.random_range(0..scores.len())]).sum();
    total / scores.len() as f64
}

/// Mean and least of the `count` largest scores of a resample, drawn from the top down: how often the largest score occurs, then the next, until the tail is
/// full. Given the counts so far the next one is binomial, so this is the multinomial bootstrap at the cost of its tail.
fn resampled_top(sorted: &[f64], count: usize, random: &mut Xoshiro256PlusPlus) -> (f64, f64) {
    let (mut drawn, mut sum, mut least) = (0_usize, 0.0, sorted[0]);
    for (place, &score) in sorted.iter().enumerate().rev() {
        let times = binomial_count(sorted.len() - drawn, 1.0 / (place + 1) as f64, random).min(count - drawn);
        sum += times as f64 * score;
        drawn += times;
        if drawn == count {
            least = score;
            break;
        }
    }
    (sum / count as f64, least)
}

/// A binomial count by inversion; `trials * probability` is about 1 here.
fn binomial_count(trials: usize, probability: f64, random: &mut Xoshiro256PlusPlus) -> usize {
    if probability >= 1.0 {
        return trials;
    }
    let odds = probability / (1.0 - probability);
    let mut mass = (trials as f64 * (-probability).ln_1p()).exp();
    let mut rest = random.random::<f64>() - mass;
    let mut count = 0;
    while rest > 0.0 && count < trials {
        mass *= (trials - count) as f64 / (count + 1) as f64 * odds;
        rest -= mass;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bell-shaped scores: sums of twelve uniforms minus 6 have mean 0 and variance 1.
    fn noise(entries: usize, scenarios: usize, seed: u64) -> ScoreMatrix {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut score = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        ScoreMatrix::new(entries, scenarios, (0..entries * scenarios).map(|_| score()).collect()).unwrap()
    }

    #[test]
    fn a_lineup_is_scored_by_the_definitions() {
        let matrix = ScoreMatrix::new(2, 4, vec![1.0, 2.0, 3.0, 4.0, 10.0, 10.0, 10.0, 20.0]).unwrap();
        let score = &score_lineups(&matrix, &[Lineup::new(vec![1, 0])], 0.5).unwrap()[0];
        assert_eq!((score.mean, score.upper_cvar), (15.0, 18.5));
        let variance = (16.0 + 9.0 + 4.0 + 81.0) / 3.0_f64;
        assert!((score.sd - variance.sqrt()).abs() < 1e-12);
        assert_eq!(score.quantiles.iter().map(|q| q.points).collect::<Vec<_>>(), [11.0, 11.0, 12.0, 13.0, 24.0, 24.0]);
        let single = ScoreMatrix::new(1, 1, vec![3.0]).unwrap();
        assert_eq!(score_lineups(&single, &[Lineup(vec![0])], 0.05).unwrap()[0].sd, 0.0);
    }

    #[test]
    fn an_entry_without_points_is_refused() {
        let failure = score_lineups(&noise(2, 3, 1), &[Lineup(vec![2])], 0.5).unwrap_err();
        assert!(failure.to_string().contains("entry 2 has no points"));
    }

    /// The CVaR of a normal sum: sd * pdf(1.645) / 0.05 = 2.063 sd.
    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        let truth = 2.0627 * 2.0_f64.sqrt();
        let lineups = [Lineup(vec![0, 1])];
        let inside = (0..200).filter(|&seed| {
            let fresh = noise(2, 2_000, 50 + seed);
            let found =
                &validate_tail(&fresh, &fresh, &lineups, Objective::UpperCvar { alpha: 0.05 }, seed, &Interrupt::new())
                    .unwrap()[0];
            assert_eq!(found.optimism, 0.0);
            (found.interval_low..=found.interval_high).contains(&truth)
        });
        let inside = inside.count();
        assert!((178..=199).contains(&inside), "{inside} of 200");
    }

    #[test]
    fn the_interval_of_a_mean_has_the_width_of_the_central_limit() {
        let fresh = noise(1, 5_000, 9);
        let found =
            &validate_tail(&fresh, &fresh, &[Lineup(vec![0])], Objective::Mean, 3, &Interrupt::new()).unwrap()[0];
        let width = found.interval_high - found.interval_low;
        assert!((width / (2.0 * 1.96 / 5_000.0_f64.sqrt()) - 1.0).abs() < 0.1, "{found:?}");
        assert!(found.is_inside);
    }

    #[test]
    fn a_flattered_choice_falls_outside_the_interval() {
        let fresh = noise(1, 5_000, 9);
        let flattered = ScoreMatrix::new(1, 2, vec![3.0, 3.0]).unwrap();
        let found =
            &validate_tail(&flattered, &fresh, &[Lineup(vec![0])], Objective::Mean, 3, &Interrupt::new()).unwrap()[0];
        assert!(!found.is_inside && found.optimism > 2.9);
    }
}
