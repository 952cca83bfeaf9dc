//! Upper bounds of whole lineups from a table over small subsets of entries.
//!
//! Every threshold t bounds a tail mean: `CVaR(X) <= t + E[(X - t)+] / a` (Rockafellar and Uryasev 2000, theorem 1), and the
//! right side is convex in X. A lineup of r free entries over a locked base B is the average of `B + (r/L) Q` over all its
//! subsets Q of L entries, hence
//! `CVaR(lineup) <= t + average over Q of E[(B + (r/L) Q - t)+] / a`.
//! One pass over the scenarios per subset, done once, then bounds every lineup by a few additions. With L = r - 2 there are
//! an order of magnitude fewer subsets than lineups; see the benchmark for what is left over.
//!
//! The mean is linear: its table is of single entries and the bound is the value itself.

use rayon::prelude::*;

use super::{
    fixed_point::{Column, FixedPoint, add_columns, positive_sum},
    matrix::ScoreMatrix,
    space::Candidates,
    value::column_mean,
};
use crate::domain::interrupt::Interrupt;

/// Most elements of a table (4 bytes each).
const TABLE_MAX: u128 = 1 << 22;

/// Largest sum of table elements over a lineup; leaves room below 2^32.
const SUM_MAX: f64 = 2e9;

/// Bounds by subsets: a lineup's value is at most `offset + step * (sum of the table over its subsets of `size` entries)`.
#[derive(Debug)]
pub(super) struct SubsetTable {
    /// Entries per subset, 1..=places.
    pub size: usize,
    entries: usize,
    /// Shape `[subset of size - 1 entries, by rank][largest entry of the subset]`, in units of `step`.
    rows: Vec<u32>,
    offset: f64,
    step: f64,
}

/// Threshold and tail of the upper CVaR in fixed point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Threshold t of the bound, in units.
    pub threshold: i16,
    /// Scenarios in the tail.
    pub count: usize,
}

impl SubsetTable {
    /// Table of single entries for the mean.
    pub fn of_means(matrix: &ScoreMatrix, candidates: &Candidates) -> Self {
        let mean = |&entry: &u16| column_mean(matrix.column(usize::from(entry)));
        let means: Vec<f64> = candidates.free.iter().map(mean).collect();
        // With 0 in the range a step is far larger than the rounding error of any sum of means.
        let least = means.iter().copied().fold(0.0, f64::min);
        let most = means.iter().copied().fold(0.0, f64::max);
        let places = candidates.places as f64;
        let step = ((most - least) * places / SUM_MAX).max(f64::MIN_POSITIVE);
        let offset = candidates.locks.iter().map(mean).sum::<f64>() + places * least;
        // One step is added against rounding errors of the division.
        let rows = means.iter().map(|mean| ((mean - least) / step).ceil() as u32 + 1).collect();
        Self { size: 1, entries: means.len(), rows, offset, step }
    }

    /// Table for the upper CVaR, over subsets of `subset_size(candidates)` entries.
    ///
    /// Stops early, with a useless table, where the interrupt is raised: the caller looks.
    pub fn of_tails(
        matrix: &ScoreMatrix,
        candidates: &Candidates,
        fixed: &FixedPoint,
        tail: Tail,
        interrupt: &Interrupt,
    ) -> Self {
        let size = subset_size(candidates);
        let entries = candidates.free.len();
        let wide = fixed.scaled(matrix, candidates, candidates.places as f64 / size as f64);
        let base: Column = fixed.base.iter().map(|&score| score - tail.threshold).collect();
        let subsets = binomial(candidates.places, size) as f64;
        let largest = 2.0 * 16_000.0 * matrix.scenarios() as f64 * subsets;
        let shift = (largest / SUM_MAX).log2().ceil().max(0.0) as u32;
        let mut rows = vec![0; binomial(entries, size - 1) as usize * entries];
        let build = Build { wide: &wide, size, shift, interrupt };
        build.all_rows(&base, &mut rows);
        let count = tail.count as f64;
        Self {
            size,
            entries,
            rows,
            offset: f64::from(tail.threshold) * fixed.unit,
            step: f64::from(1_u32 << shift) / subsets * fixed.unit / count,
        }
    }

    /// Table elements of the subsets that consist of the subset with this rank and one larger entry, by that entry.
    pub fn row(&self, rank: usize) -> &[u32] {
        &self.rows[rank * self.entries..][..self.entries]
    }

    /// Upper bound in points of a lineup whose subsets sum to `sum`.
    pub fn bound(&self, sum: u32) -> f64 {
        self.offset + self.step * f64::from(sum)
    }

    /// Upper bound in points of every lineup.
    pub fn loosest_bound(&self, places: usize) -> f64 {
        let largest = self.rows.iter().copied().max().unwrap_or(0);
        self.offset + self.step * f64::from(largest) * binomial(places, self.size) as f64
    }

    /// Lineups whose subsets sum to less than this are worse than `value`. At least 1.
    pub fn cut(&self, value: f64) -> u32 {
        // One step is taken off against rounding errors of the division; a cast of -inf or NaN gives 0.
        (((value - self.offset) / self.step).floor() - 1.0).clamp(1.0, f64::from(u32::MAX)) as u32
    }
}

/// Two entries fewer than the places, where the table stays small; fewer otherwise.
pub(super) fn subset_size(candidates: &Candidates) -> usize {
    let (entries, places) = (candidates.free.len(), candidates.places);
    let wanted = if places > 3 { places - 2 } else { places.saturating_sub(1).max(1) };
    let fits = |&size: &usize| binomial(entries, size - 1) * entries as u128 <= TABLE_MAX;
    (1..=wanted).rev().find(fits).unwrap_or(1)
}

/// Subsets of `size` of `count` elements. Fits: the search has at most 128 entries.
pub(super) fn binomial(count: usize, size: usize) -> u128 {
    if size > count {
        return 0;
    }
    (0..size.min(count - size) as u128).fold(1, |product, index| product * (count as u128 - index) / (index + 1))
}

/// The work of filling a table, rows in parallel.
struct Build<'a> {
    wide: &'a [Column],
    size: usize,
    shift: u32,
    interrupt: &'a Interrupt,
}

impl Build<'_> {
    /// A subset's rank is `sum of C(c_i, i)` over its ascending elements `c_1 < c_2 < ...`, so rows with the same largest
    /// element are neighbours: each such group is one unit of work.
    fn all_rows(&self, base: &[i16], rows: &mut [u32]) {
        let entries = self.wide.len();
        if self.size == 1 {
            self.fill_row(base, 0, rows);
            return;
        }
        let mut groups = Vec::new();
        let mut rest = rows;
        for largest in 0..entries {
            let (group, after) = rest.split_at_mut(binomial(largest, self.size - 2) as usize * entries);
            groups.push((largest, group));
            rest = after;
        }
        groups.into_par_iter().for_each(|(largest, group)| {
            let mut sum = vec![0; base.len()];
            add_columns(&mut sum, base, &self.wide[largest]);
            self.fill_group(&sum, largest, largest + 1, self.size - 2, group);
        });
    }

    /// Adds `missing` more entries below `smallest` to the sum, then fills the rows in the order of their ranks.
    fn fill_group(&self, sum: &[i16], smallest: usize, first: usize, missing: usize, group: &mut [u32]) {
        if missing == 0 {
            self.fill_row(sum, first, group);
            return;
        }
        let mut longer = vec![0; sum.len()];
        let mut rest = group;
        for entry in 0..smallest {
            let rows = binomial(entry, missing - 1) as usize * self.wide.len();
            let (part, after) = rest.split_at_mut(rows);
            rest = after;
            if rows > 0 {
                add_columns(&mut longer, sum, &self.wide[entry]);
                self.fill_group(&longer, entry, first, missing - 1, part);
            }
        }
    }

    fn fill_row(&self, sum: &[i16], first: usize, row: &mut [u32]) {
        if self.interrupt.reason().is_some() {
            return;
        }
        for (element, column) in row.iter_mut().zip(self.wide).skip(first) {
            *element = (positive_sum(sum, column) >> self.shift) as u32 + 1;
        }
    }
}
