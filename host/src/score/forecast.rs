//! Scores forecasts of a finishing order against what happened. It judges ranks, not points, and holds no thresholds.
//!
//! A forecast is a set of simulated finishing orders; per entry it is the empirical distribution of its simulated
//! positions. All scores are negatively oriented (lower is better) except coverage, which should match
//! [`Coverage::expected`]. A race counts with its mean over entries, and races count alike.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bins of the histogram of the probability integral transform.
pub const PIT_BINS: usize = 10;

/// Levels of the central intervals whose coverage is reported.
pub const COVERAGE_LEVELS: [f64; 3] = [0.5, 0.8, 0.9];

/// Positions that count as a top finish in [`RankScores::top10_brier`].
const TOP_POSITIONS: usize = 10;

/// Pseudo-count that every position gets in the log scores, so that an unseen position costs a finite amount:
/// `p(r) = (count(r) + 1/2) / (S + n/2)`, the posterior mean under the Jeffreys prior of a multinomial.
const SMOOTHING_COUNT: f64 = 0.5;

/// Simulated or actual finishing orders that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForecastError {
    /// There is nothing to score: give at least one scenario and one entry.
    #[error("a forecast needs at least one scenario and one entry")]
    Empty,
    /// The simulated positions do not have the stated shape; the caller mixed up two races.
    #[error("{found} simulated positions for {scenarios} scenarios of {entries} entries")]
    Shape {
        /// Positions given.
        found: usize,
        /// Scenarios stated.
        scenarios: usize,
        /// Entries of the actual order.
        entries: usize,
    },
    /// A position is not in 1..=entries; the order was not checked where it came from.
    #[error("entry {entry} has position {position}, allowed are 1 to {entries}")]
    Position {
        /// Index of the entry.
        entry: usize,
        /// Its position.
        position: u16,
        /// Entries of the race.
        entries: usize,
    },
}

/// How often a central interval held the actual position.
///
/// The interval of level c runs from the smallest position r with `F(r) >= (1 - c)/2` to the smallest with
/// `F(r) >= (1 + c)/2`, both ends included. Positions are whole numbers, so it holds at least c of the forecast, usually more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// Nominal level, in (0, 1).
    pub level: f64,
    /// Share of actual positions inside, in [0, 1].
    pub observed: f64,
    /// Share that the forecast itself puts inside: what a perfectly calibrated forecast would show, in [level, 1].
    pub expected: f64,
    /// Mean number of positions in the interval.
    pub width_positions: f64,
}

/// The proper scores of a forecast, or of a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct RankScores {
    /// Continuous ranked probability score in positions, mean over entries: `E|X - y| - E|X - X'|/2` with both
    /// expectations over all scenarios (V-statistic form; Gneiting and Raftery 2007, equation 21), >= 0.
    pub crps: f64,
    /// `-ln p(actual position)` in nats, mean over entries, >= 0; smoothed with half a count per position.
    pub log_score: f64,
    /// `-ln p(wins)` of the actual winner in nats, over the entries' winning probabilities, >= 0; smoothed alike.
    pub winner_log_loss: f64,
    /// Squared error of P(position <= 10), mean over entries, in [0, 1].
    pub top10_brier: f64,
}

impl RankScores {
    /// The scores of a forecast that holds every position of a field of `entries` equally likely, averaged over any
    /// actual order: `crps = (n^2 - 1)/(6 n)`, both log scores `ln n`, Brier `p (1 - p)` with `p = min(10, n)/n`.
    #[must_use]
    pub fn uniform(entries: usize) -> Self {
        let n = entries.max(1) as f64;
        let top = TOP_POSITIONS.min(entries.max(1)) as f64 / n;
        Self {
            crps: (n * n - 1.0) / (6.0 * n),
            log_score: n.ln(),
            winner_log_loss: n.ln(),
            top10_brier: top * (1.0 - top),
        }
    }

    fn add_scaled(&mut self, other: &Self, factor: f64) {
        self.crps += factor * other.crps;
        self.log_score += factor * other.log_score;
        self.winner_log_loss += factor * other.winner_log_loss;
        self.top10_brier += factor * other.top10_brier;
    }
}

/// How a forecast did on one race, or on several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastReport {
    /// Races scored.
    pub races: usize,
    /// Entries scored, over all races.
    pub entries: usize,
    /// Scores of the forecast.
    pub scores: RankScores,
    /// Scores of the uniform forecast on the same races.
    pub uniform: RankScores,
    /// Coverage of the central 50, 80 and 90 % intervals.
    pub coverage: Vec<Coverage>,
    /// Randomised probability integral transform, 10 equal bins of [0, 1]; flat where the forecast is calibrated.
    pub pit_histogram: Vec<u32>,
}

/// Scores one race.
///
/// `finish` has shape `[scenarios][entries]`, row-major, `actual` one element per entry; all are positions in 1..=entries.
/// `seed` drives the randomisation of the PIT only. Takes O(scenarios x entries + entries^2) time.
///
/// # Errors
/// [`ForecastError`] where the shapes disagree or a position is out of range.
pub fn score_race(
    finish: &[u16],
    scenarios: usize,
    actual: &[u16],
    seed: u64,
) -> Result<ForecastReport, ForecastError> {
    let marginals = Marginals::count(finish, scenarios, actual.len())?;
    check_positions(actual, actual.len())?;
    let entries = actual.len();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut report = ForecastReport {
        races: 1,
        entries,
        scores: RankScores::default(),
        uniform: RankScores::uniform(entries),
        coverage: COVERAGE_LEVELS
            .map(|level| Coverage { level, observed: 0.0, expected: 0.0, width_positions: 0.0 })
            .to_vec(),
        pit_histogram: vec![0; PIT_BINS],
    };
    let weight = 1.0 / entries as f64;
    for (entry, &position) in actual.iter().enumerate() {
        let cumulative = marginals.cumulative(entry);
        report.scores.add_scaled(&marginals.entry_scores(entry, &cumulative, position), weight);
        for coverage in &mut report.coverage {
            coverage.add_entry(&cumulative, position, weight);
        }
        let pit = randomised_pit(&cumulative, position, random.random::<f64>());
        report.pit_histogram[((pit * PIT_BINS as f64) as usize).min(PIT_BINS - 1)] += 1;
    }
    report.scores.winner_log_loss = marginals.winner_log_loss(actual);
    Ok(report)
}

/// The mean over races, each of which counts alike; histograms and counts are summed. `None` for no race.
#[must_use]
pub fn summarize(races: &[ForecastReport]) -> Option<ForecastReport> {
    let (first, rest) = races.split_first()?;
    let total = races.iter().map(|report| report.races).sum::<usize>().max(1) as f64;
    let mut summary = ForecastReport {
        races: 0,
        entries: 0,
        scores: RankScores::default(),
        uniform: RankScores::default(),
        coverage: first
            .coverage
            .iter()
            .map(|coverage| Coverage { observed: 0.0, expected: 0.0, width_positions: 0.0, ..*coverage })
            .collect(),
        pit_histogram: vec![0; PIT_BINS],
    };
    for report in std::iter::once(first).chain(rest) {
        let weight = report.races as f64 / total;
        summary.races += report.races;
        summary.entries += report.entries;
        summary.scores.add_scaled(&report.scores, weight);
        summary.uniform.add_scaled(&report.uniform, weight);
        for (sum, part) in summary.coverage.iter_mut().zip(&report.coverage) {
            sum.observed += weight * part.observed;
            sum.expected += weight * part.expected;
            sum.width_positions += weight * part.width_positions;
        }
        for (sum, part) in summary.pit_histogram.iter_mut().zip(&report.pit_histogram) {
            *sum += part;
        }
    }
    Some(summary)
}

impl Coverage {
    fn add_entry(&mut self, cumulative: &[f64], position: u16, weight: f64) {
        let low = quantile(cumulative, (1.0 - self.level) / 2.0);
        let high = quantile(cumulative, f64::midpoint(1.0, self.level));
        let below = if low > 1 { cumulative[low - 2] } else { 0.0 };
        let is_inside = (low..=high).contains(&usize::from(position));
        self.observed += if is_inside { weight } else { 0.0 };
        self.expected += weight * (cumulative[high - 1] - below);
        self.width_positions += weight * (high - low + 1) as f64;
    }
}

/// How often each entry took each position.
struct Marginals {
    scenarios: usize,
    entries: usize,
    /// Shape `[entries][entries]`: row entry, column position - 1.
    counts: Vec<u32>,
}

impl Marginals {
    fn count(finish: &[u16], scenarios: usize, entries: usize) -> Result<Self, ForecastError> {
        if scenarios == 0 || entries == 0 {
            return Err(ForecastError::Empty);
        }
        if finish.len() != scenarios * entries {
            return Err(ForecastError::Shape { found: finish.len(), scenarios, entries });
        }
        let mut counts = vec![0_u32; entries * entries];
        for row in finish.chunks_exact(entries) {
            check_positions(row, entries)?;
            for (entry, &position) in row.iter().enumerate() {
                counts[entry * entries + usize::from(position) - 1] += 1;
            }
        }
        Ok(Self { scenarios, entries, counts })
    }

    fn row(&self, entry: usize) -> &[u32] {
        &self.counts[entry * self.entries..][..self.entries]
    }

    /// `F(1)..=F(n)` of an entry. Sums are of whole counts, so the last element is exactly 1.
    fn cumulative(&self, entry: usize) -> Vec<f64> {
        let mut sum = 0_u64;
        let row = self.row(entry).iter();
        row.map(|&count| {
            sum += u64::from(count);
            sum as f64 / self.scenarios as f64
        })
        .collect()
    }

    fn smoothed(&self, count: u32) -> f64 {
        (f64::from(count) + SMOOTHING_COUNT) / (self.scenarios as f64 + SMOOTHING_COUNT * self.entries as f64)
    }

    fn entry_scores(&self, entry: usize, cumulative: &[f64], position: u16) -> RankScores {
        let position = usize::from(position);
        let top = TOP_POSITIONS.min(self.entries);
        let is_top = f64::from(u8::from(position <= top));
        RankScores {
            crps: crps(cumulative, position),
            log_score: -self.smoothed(self.row(entry)[position - 1]).ln(),
            winner_log_loss: 0.0,
            top10_brier: (cumulative[top - 1] - is_top).powi(2),
        }
    }

    /// The winning probabilities of the entries sum to 1 also when smoothed: each scenario has one winner.
    fn winner_log_loss(&self, actual: &[u16]) -> f64 {
        let winner = actual.iter().position(|&position| position == 1);
        winner.map_or(f64::NAN, |entry| -self.smoothed(self.row(entry)[0]).ln())
    }
}

/// `sum over r of (F(r) - 1{y <= r})^2`: the integral form of the V-statistic on whole numbers.
fn crps(cumulative: &[f64], position: usize) -> f64 {
    let (below, from) = cumulative.split_at(position - 1);
    below.iter().map(|f| f * f).sum::<f64>() + from.iter().map(|f| (1.0 - f) * (1.0 - f)).sum::<f64>()
}

/// The smallest position r (1-based) with `F(r) >= probability`.
fn quantile(cumulative: &[f64], probability: f64) -> usize {
    // A hair of tolerance: 0.05 and 1 - 0.95 shall find the same position when F hits the level exactly.
    let index = cumulative.partition_point(|&f| f < probability - 1e-12);
    index.min(cumulative.len() - 1) + 1
}

/// `F(y - 1) + v (F(y) - F(y - 1))`, uniform on [0, 1] where the forecast is calibrated (Czado, Gneiting, Held 2009).
fn randomised_pit(cumulative: &[f64], position: u16, v: f64) -> f64 {
    let index = usize::from(position) - 1;
    let below = if index > 0 { cumulative[index - 1] } else { 0.0 };
    below + v * (cumulative[index] - below)
}

fn check_positions(row: &[u16], entries: usize) -> Result<(), ForecastError> {
    let bad = row.iter().position(|&position| position == 0 || usize::from(position) > entries);
    match bad {
        Some(entry) => Err(ForecastError::Position { entry, position: row[entry], entries }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled_orders(scenarios: usize, entries: usize, seed: u64) -> Vec<u16> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut finish = Vec::new();
        for _ in 0..scenarios {
            let mut row: Vec<u16> = (1..=entries as u16).collect();
            for index in (1..entries).rev() {
                row.swap(index, random.random_range(0..=index));
            }
            finish.extend(row);
        }
        finish
    }

    /// Every rotation of 1..=n: each entry takes each position once, so the forecast is exactly uniform.
    fn rotations(entries: usize) -> Vec<u16> {
        (0..entries).flat_map(|shift| (0..entries).map(move |entry| ((entry + shift) % entries + 1) as u16)).collect()
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-10
    }

    #[test]
    fn crps_equals_its_pairwise_definition() {
        let (scenarios, entries) = (40, 9);
        let finish = shuffled_orders(scenarios, entries, 3);
        let actual: Vec<u16> = shuffled_orders(1, entries, 4);
        let mut expected = 0.0;
        for entry in 0..entries {
            let draws: Vec<f64> = (0..scenarios).map(|row| f64::from(finish[row * entries + entry])).collect();
            let count = scenarios as f64;
            let to_actual: f64 = draws.iter().map(|x| (x - f64::from(actual[entry])).abs()).sum::<f64>() / count;
            let among: f64 = draws.iter().flat_map(|x| draws.iter().map(move |y| (x - y).abs())).sum::<f64>();
            expected += to_actual - among / (2.0 * count * count);
        }
        let report = score_race(&finish, scenarios, &actual, 1).unwrap();
        assert!(close(report.scores.crps, expected / entries as f64));
    }

    #[test]
    fn a_uniform_forecast_scores_exactly_the_baseline() {
        for entries in [1, 7, 37] {
            let actual = shuffled_orders(1, entries, 5);
            let report = score_race(&rotations(entries), entries, &actual, 1).unwrap();
            assert!(close(report.scores.crps, report.uniform.crps), "{entries}");
            assert!(close(report.scores.log_score, (entries as f64).ln()));
            assert!(close(report.scores.winner_log_loss, (entries as f64).ln()));
            assert!(close(report.scores.top10_brier, report.uniform.top10_brier));
            for coverage in &report.coverage {
                assert!(close(coverage.observed, coverage.expected) && coverage.expected >= coverage.level);
            }
        }
        assert!(close(RankScores::uniform(37).crps, 1368.0 / 222.0));
    }

    #[test]
    fn a_forecast_that_knows_the_order_scores_zero_crps() {
        let actual = shuffled_orders(1, 12, 6);
        let report = score_race(&actual.repeat(50), 50, &actual, 1).unwrap();
        assert_eq!(report.scores.crps, 0.0);
        assert_eq!(report.scores.top10_brier, 0.0);
        assert!(close(report.scores.log_score, -(50.5_f64 / 56.0).ln()));
        assert!(
            report.coverage.iter().all(|coverage| close(coverage.observed, 1.0) && coverage.width_positions < 1.001)
        );
    }

    #[test]
    fn a_position_that_was_never_simulated_costs_a_finite_amount() {
        let report = score_race(&[1, 2, 1, 2], 2, &[2, 1], 1).unwrap();
        assert!(close(report.scores.log_score, -(0.5_f64 / 3.0).ln()));
    }

    #[test]
    fn the_randomised_pit_of_a_calibrated_forecast_is_flat() {
        let (scenarios, entries, races) = (400, 20, 300);
        let finish = shuffled_orders(scenarios, entries, 8);
        let reports: Vec<ForecastReport> = (0..races)
            .map(|race| score_race(&finish, scenarios, &shuffled_orders(1, entries, 100 + race), race).unwrap())
            .collect();
        let summary = summarize(&reports).unwrap();
        assert_eq!(summary.races, 300);
        let expected = summary.entries as f64 / PIT_BINS as f64;
        for &count in &summary.pit_histogram {
            assert!((f64::from(count) - expected).abs() < 0.12 * expected, "{:?}", summary.pit_histogram);
        }
        for coverage in &summary.coverage {
            assert!((coverage.observed - coverage.expected).abs() < 0.02, "{coverage:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_histogram() {
        let finish = shuffled_orders(30, 10, 1);
        let actual = shuffled_orders(1, 10, 2);
        assert_eq!(score_race(&finish, 30, &actual, 9), score_race(&finish, 30, &actual, 9));
    }

    #[test]
    fn a_summary_weighs_races_alike() {
        let small = score_race(&rotations(3), 3, &[1, 2, 3], 1).unwrap();
        let large = score_race(&rotations(30), 30, &shuffled_orders(1, 30, 1), 1).unwrap();
        let summary = summarize(&[small.clone(), large.clone()]).unwrap();
        assert!(close(summary.scores.crps, f64::midpoint(small.scores.crps, large.scores.crps)));
        let all = summarize(&[summary.clone(), small.clone()]).unwrap();
        assert!(close(all.scores.crps, (2.0 * small.scores.crps + large.scores.crps) / 3.0));
        assert_eq!(summarize(&[]), None);
    }

    #[test]
    fn misshapen_orders_are_refused() {
        assert_eq!(score_race(&[], 0, &[1], 1), Err(ForecastError::Empty));
        assert!(matches!(score_race(&[1, 2, 1], 2, &[1, 2], 1), Err(ForecastError::Shape { found: 3, .. })));
        assert!(matches!(
            score_race(&[1, 3], 1, &[1, 2], 1),
            Err(ForecastError::Position { entry: 1, position: 3, .. })
        ));
        assert!(matches!(score_race(&[1, 2], 1, &[0, 2], 1), Err(ForecastError::Position { entry: 0, .. })));
    }
}
