//! Points as whole numbers. Contests count in hundredths of a point, so whole numbers lose nothing, add up to the same sum in
//! any order, and compare exactly: no rounding error decides whether a score reaches a threshold.
//!
//! A score is a sum of thousandths of a point. The loops of a search work on units: the largest step that all points are
//! multiples of, or, where sums would leave 16 bits, a coarser one to which points are rounded up.

use rayon::prelude::*;

use super::{
    kernels::{self, Column, PAD},
    matrix::ScoreMatrix,
    space::Candidates,
};

/// Thousandths in a point.
pub(super) const MILLI: f64 = 1e3;

/// Largest difference of two scores in units, with room for the rounding of each entry.
const RANGE_MAX: i64 = 32_000;

/// The free candidates' points in units, over all scenarios or some of them.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Thousandths of a point per unit.
    pub unit: i64,
    /// Whether all points are whole units.
    pub is_exact: bool,
    /// Sum of the locked entries per scenario, in units.
    pub base: Vec<i32>,
    /// One column per free candidate.
    pub columns: Vec<Column>,
    /// The scenarios; `None` where they are all of the matrix.
    pub scenarios: Option<Vec<u32>>,
    /// Smallest and largest score of any lineup, in units; partial lineups stay within, or between 0 and it.
    range: (i32, i32),
}

/// Points in thousandths.
pub(super) fn milli(points: f32) -> i32 {
    (f64::from(points) * MILLI).round() as i32
}

impl Grid {
    /// Takes the largest unit that is exact, if sums of `places` fit.
    pub fn new(matrix: &ScoreMatrix, candidates: &Candidates) -> Self {
        let columns: Vec<&[f32]> = candidates.free.iter().map(|&entry| matrix.column(usize::from(entry))).collect();
        let base = locked_scores(matrix, &candidates.locks);
        let step = columns.par_iter().map(|column| common_step(column)).reduce(|| 0, gcd);
        let step = gcd(step, base.iter().fold(0, |step, &score| gcd(step, score))).max(1);
        let (least, most) = extremes(&columns, &base, candidates.places);
        let places = candidates.places as i64 + 1;
        let room = RANGE_MAX - 2 * places;
        let is_exact = (most - least) / i64::from(step) <= room;
        let unit = if is_exact { i64::from(step) } else { (most - least).div_euclid(room) + 1 };
        let up = |score: i32| i64::from(score).div_euclid(unit) + i64::from(i64::from(score).rem_euclid(unit) != 0);
        let column = |column: &&[f32]| Column::new(column.iter().map(|&points| up(milli(points)) as i16), 0);
        Self {
            unit,
            is_exact,
            base: base.iter().map(|&score| up(score) as i32).collect(),
            columns: columns.par_iter().map(column).collect(),
            scenarios: None,
            range: ((least.div_euclid(unit) - 1) as i32, (most.div_euclid(unit) + 1 + places) as i32),
        }
    }

    /// The same over some of its scenarios only, which are numbers of this grid's scenarios. On one thread: others may wait for it,
    /// and must not be made to help.
    pub fn only(&self, scenarios: &[u32]) -> Self {
        let gather = |column: &Column| {
            let numbers = column.numbers();
            Column::new(scenarios.iter().map(|&scenario| numbers[scenario as usize]), 0)
        };
        let original = |&scenario: &u32| self.scenarios.as_ref().map_or(scenario, |all| all[scenario as usize]);
        Self {
            base: scenarios.iter().map(|&scenario| self.base[scenario as usize]).collect(),
            columns: self.columns.iter().map(gather).collect(),
            scenarios: Some(scenarios.iter().map(original).collect()),
            ..*self
        }
    }

    /// A floor that no score reaches although it is taken so many times.
    pub fn beyond(&self, factor: f64) -> i32 {
        (f64::from(self.range.1) * factor.max(1.0)).ceil() as i32 + 1
    }

    /// The least that any lineup can have in any scenario, in thousandths.
    pub fn lowest(&self) -> i64 {
        i64::from(self.range.0) * self.unit
    }

    /// The most that any lineup of so many free entries can have per scenario, salaries aside, in thousandths.
    pub fn highest(&self, places: usize) -> Vec<i64> {
        let of_scenario = |scenario: usize| {
            let mut points: Vec<i16> = self.columns.iter().map(|column| column.numbers()[scenario]).collect();
            points.sort_unstable_by(|left, right| right.cmp(left));
            let best: i64 = points.iter().take(places).map(|&number| i64::from(number)).sum();
            (i64::from(self.base[scenario]) + best) * self.unit
        };
        (0..self.len()).into_par_iter().with_min_len(256).map(of_scenario).collect()
    }

    /// Number of scenarios.
    pub fn len(&self) -> usize {
        self.base.len()
    }

    /// Difference of the largest and the smallest score, in units.
    pub fn width(&self) -> f64 {
        f64::from(self.range.1 - self.range.0)
    }

    /// The largest whole number of units that is no more than this many thousandths, and no further out than any score.
    pub fn floor(&self, score: i64) -> i32 {
        (score.div_euclid(self.unit)).clamp(i64::from(self.range.0), i64::from(self.range.1)) as i32
    }

    /// The smallest whole number of units that is no less, and no further out than any score.
    pub fn ceil(&self, score: i64) -> i32 {
        (-(-score).div_euclid(self.unit)).clamp(i64::from(self.range.0), i64::from(self.range.1)) as i32
    }

    /// What lineups start from: the locked entries' score minus a floor per scenario, in units.
    pub fn start(&self, floor: impl Fn(usize) -> i32) -> Column {
        let above = |(scenario, &score): (usize, &i32)| {
            // A floor that no score reaches is as good as any other that no score reaches.
            (score - floor(scenario)).clamp(-RANGE_MAX as i32, RANGE_MAX as i32) as i16
        };
        Column::new(self.base.iter().enumerate().map(above), PAD)
    }

    /// Score of the locked entries and these free ones per scenario, in units.
    pub fn scores(&self, picks: &[usize]) -> Column {
        let mut sum = self.start(|_| 0);
        for &pick in picks {
            let shorter = sum.clone();
            kernels::add(&mut sum, &shorter, &self.columns[pick]);
        }
        sum
    }
}

/// Scores of a lineup in thousandths of a point, in these scenarios or all.
pub(super) fn exact_scores(matrix: &ScoreMatrix, entries: &[u16], scenarios: Option<&[u32]>, scores: &mut Vec<i32>) {
    scores.clear();
    scores.resize(scenarios.map_or(matrix.scenarios(), <[u32]>::len), 0);
    for &entry in entries {
        let column = matrix.column(usize::from(entry));
        match scenarios {
            None => scores.iter_mut().zip(column).for_each(|(score, &points)| *score += milli(points)),
            Some(some) => {
                scores.iter_mut().zip(some).for_each(|(score, &scenario)| *score += milli(column[scenario as usize]));
            }
        }
    }
}

/// Sum of the locked entries per scenario, in thousandths.
fn locked_scores(matrix: &ScoreMatrix, locks: &[u16]) -> Vec<i32> {
    let mut scores = Vec::new();
    exact_scores(matrix, locks, None, &mut scores);
    scores
}

/// The largest step in thousandths that all points of a column are multiples of; 0 where all are 0.
fn common_step(column: &[f32]) -> i32 {
    column.iter().fold(0, |step, &points| gcd(step, milli(points)))
}

fn gcd(left: i32, right: i32) -> i32 {
    let (mut left, mut right) = (left.abs(), right.abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

/// Bounds of the scores of all lineups in thousandths: the worst scenario for the best `places`, and the other way round.
fn extremes(columns: &[&[f32]], base: &[i32], places: usize) -> (i64, i64) {
    let of_scenario = |scenario: usize| {
        let mut points: Vec<i32> = columns.iter().map(|column| milli(column[scenario])).collect();
        points.sort_unstable();
        let lowest = points.iter().take(places).filter(|&&score| score < 0).map(|&score| i64::from(score));
        let highest = points.iter().rev().take(places).filter(|&&score| score > 0).map(|&score| i64::from(score));
        let locked = i64::from(base[scenario]);
        (locked.min(0) + lowest.sum::<i64>(), locked.max(0) + highest.sum::<i64>())
    };
    let wider = |left: (i64, i64), right: (i64, i64)| (left.0.min(right.0), left.1.max(right.1));
    (0..base.len()).into_par_iter().with_min_len(1_024).map(of_scenario).reduce(|| (0, 0), wider)
}
