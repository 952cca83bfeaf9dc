//! Upper bounds of whole lineups from a table over small subsets of entries.
//!
//! All objectives but the mean are bounded by a hinge: `value <= offset + factor * H`, `H = sum over s of (X_s - v_s)+`, for a
//! floor v of each scenario. For the upper CVaR that is Rockafellar and Uryasev (2000, theorem 1), for the gain of a
//! maximum it is an identity, and a step at T is below the line through `T - c` that reaches 1 at T.
//!
//! A hinge is convex in X. A lineup of r free entries over a locked base B is the average of `B + (r/L) Q` over all its subsets Q
//! of L entries, hence `H(lineup) <= average over Q of H(B + (r/L) Q)`. One pass over the scenarios per subset, done once, then
//! bounds every lineup by a few additions. With L = r - 1 there are a few times fewer subsets than lineups and the bound is far tighter;
//! with L = r - 2 there are an order of magnitude fewer, for a table that is made again and again.
//!
//! The mean is linear: its table is of single entries and the bound is the value itself.

use rayon::prelude::*;

use super::{
    grid::Grid,
    kernels::{self, Column},
    space::Candidates,
};
use crate::domain::interrupt::Interrupt;

/// Most elements of a table (4 bytes each).
const TABLE_MAX: u128 = 1 << 22;

/// Largest sum of table elements over a lineup; leaves room below 2^32.
const SUM_MAX: f64 = 2e9;

/// Largest magnitude of a scaled score minus a floor, in units of the table.
const RANGE_MAX: f64 = 32_000.0;

/// Rounding errors of the bound's floating-point numbers are far below this share of it.
const ROUNDING: f64 = 1e-9;

/// How a value is bounded by a hinge: `value <= offset + factor * hinge`, the hinge in thousandths of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HingeBound {
    pub offset: f64,
    pub factor: f64,
}

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

impl SubsetTable {
    /// Table of single entries for an objective that is a sum over entries; `locked` is that of the locked ones.
    pub fn of_sums(sums: &[i64], locked: i64, places: usize) -> Self {
        // With 0 in the range a step is far larger than the rounding error of any sum.
        let least = sums.iter().copied().fold(0, i64::min);
        let most = sums.iter().copied().fold(0, i64::max);
        let step = ((most - least) as f64 * places as f64 / SUM_MAX).max(1.0);
        // One step is added against rounding errors of the division, and because 0 stands for what is not allowed.
        let rows = sums.iter().map(|sum| ((sum - least) as f64 / step).ceil() as u32 + 1).collect();
        Self { size: 1, entries: sums.len(), rows, offset: (locked + places as i64 * least) as f64, step }
    }

    /// Table of hinges over the floors (in units, one per scenario) of subsets of `size` entries.
    ///
    /// Stops early, with a useless table, where the interrupt is raised: the caller looks.
    pub fn of_hinges(
        grid: &Grid,
        candidates: &Candidates,
        size: usize,
        floor: impl Fn(usize) -> i32,
        bound: HingeBound,
        interrupt: &Interrupt,
    ) -> Self {
        let scaled = Scaled::new(grid, candidates.places as f64 / size as f64);
        let subsets = binomial(candidates.places, size) as f64;
        let largest = 2.0 * RANGE_MAX * grid.len() as f64 * subsets;
        let shift = (largest / SUM_MAX).log2().ceil().max(0.0) as u32;
        let entries = candidates.free.len();
        let mut rows = vec![0; binomial(entries, size - 1) as usize * entries];
        let build = Build { columns: &scaled.columns, size, shift, interrupt };
        build.all_rows(&scaled.start(grid, floor), &mut rows);
        let step = f64::from(1_u32 << shift) / subsets * scaled.unit * grid.unit as f64 * bound.factor;
        Self { size, entries, rows, offset: bound.offset, step }
    }

    /// The table of the sum of values that these tables bound; `None` where there are none.
    pub fn add_up(mut tables: impl Iterator<Item = Self>, places: usize) -> Option<Self> {
        let Self { size, entries, rows, offset: mut total, step } = tables.next()?;
        let mut values: Vec<f64> = rows.into_iter().map(|element| f64::from(element) * step).collect();
        for Self { rows, offset, step, .. } in tables {
            total += offset;
            values.iter_mut().zip(rows).for_each(|(value, element)| *value += f64::from(element) * step);
        }
        let largest = values.iter().copied().fold(0.0, f64::max);
        let step = (largest * binomial(places, size) as f64 / SUM_MAX).max(f64::MIN_POSITIVE);
        // One step is added against rounding errors of the division, and because 0 stands for what is not allowed.
        let rows = values.into_iter().map(|value| (value / step).ceil() as u32 + 1).collect();
        Some(Self { size, entries, rows, offset: total, step })
    }

    /// Table elements of the subsets that consist of the subset with this rank and one larger entry, by that entry.
    pub fn row(&self, rank: usize) -> &[u32] {
        &self.rows[rank * self.entries..][..self.entries]
    }

    /// Upper bound of the value of a lineup whose subsets sum to `sum`.
    pub fn bound(&self, sum: u32) -> i64 {
        let bound = self.offset + self.step * f64::from(sum);
        (bound + bound.abs() * ROUNDING).ceil() as i64
    }

    /// Upper bound of the value of every lineup.
    pub fn loosest_bound(&self, places: usize) -> i64 {
        let largest = self.rows.iter().copied().max().unwrap_or(0);
        let bound = self.offset + self.step * f64::from(largest) * binomial(places, self.size) as f64;
        (bound + bound.abs() * ROUNDING).ceil() as i64
    }

    /// Lineups whose subsets sum to less than this have a lower value. At least 1.
    pub fn cut(&self, value: i64) -> u32 {
        let value = value as f64;
        let least = value - value.abs() * ROUNDING - self.offset;
        // One step is taken off against rounding errors of the division; a cast of -inf or NaN gives 0.
        ((least / self.step).floor() - 1.0).clamp(1.0, f64::from(u32::MAX)) as u32
    }
}

/// How much a table may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// It is used for one pass over all lineups, which it makes much shorter.
    Once,
    /// It is made again at every step.
    Often,
}

/// One entry fewer than the places, or two, where the table stays small; fewer otherwise.
pub(super) fn subset_size(candidates: &Candidates, effort: Effort) -> usize {
    let (entries, places) = (candidates.free.len(), candidates.places);
    let spared = if effort == Effort::Often && places > 3 { 2 } else { 1 };
    let wanted = places.saturating_sub(spared).max(1);
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

/// A grid's columns, each as if it were so many times as large: a subset then stands for a whole lineup.
#[derive(Debug)]
pub(super) struct Scaled {
    pub columns: Vec<Column>,
    /// Units of the grid per unit here; a whole number.
    pub unit: f64,
}

impl Scaled {
    pub fn new(grid: &Grid, factor: f64) -> Self {
        let unit = (grid.width() * factor / RANGE_MAX).ceil().max(1.0);
        let scale = |column: &Column| {
            Column::new(column.numbers().iter().map(|&score| (f64::from(score) * factor / unit).ceil() as i16), 0)
        };
        Self { columns: grid.columns.par_iter().map(scale).collect(), unit }
    }

    /// The base of the grid minus the floors, rounded up.
    pub fn start(&self, grid: &Grid, floor: impl Fn(usize) -> i32) -> Column {
        let above = |(scenario, &score): (usize, &i32)| {
            (f64::from(score - floor(scenario)) / self.unit).ceil().clamp(-RANGE_MAX, RANGE_MAX) as i16
        };
        Column::new(grid.base.iter().enumerate().map(above), kernels::PAD)
    }
}

/// The work of filling a table, rows in parallel.
struct Build<'a> {
    columns: &'a [Column],
    size: usize,
    shift: u32,
    interrupt: &'a Interrupt,
}

impl Build<'_> {
    /// A subset's rank is `sum of C(c_i, i)` over its ascending elements `c_1 < c_2 < ...`, so rows with the same largest
    /// element are neighbours: each such group is one unit of work.
    fn all_rows(&self, start: &Column, rows: &mut [u32]) {
        let entries = self.columns.len();
        if self.size == 1 {
            self.fill_row(start, 0, rows);
            return;
        }
        let mut groups = Vec::new();
        let mut rest = rows;
        for largest in 0..entries {
            let (group, after) = rest.split_at_mut(binomial(largest, self.size - 2) as usize * entries);
            groups.push((largest, group));
            rest = after;
        }
        // The largest groups come first, so that no thread is left with one of them at the end.
        groups.into_par_iter().rev().with_max_len(1).for_each(|(largest, group)| {
            let mut sum = start.clone();
            kernels::add(&mut sum, start, &self.columns[largest]);
            self.fill_group(&sum, largest, largest + 1, self.size - 2, group);
        });
    }

    /// Adds `missing` more entries below `smallest` to the sum, then fills the rows in the order of their ranks.
    fn fill_group(&self, sum: &Column, smallest: usize, first: usize, missing: usize, group: &mut [u32]) {
        if missing == 0 {
            self.fill_row(sum, first, group);
            return;
        }
        let mut longer = sum.clone();
        let mut rest = group;
        for entry in 0..smallest {
            let rows = binomial(entry, missing - 1) as usize * self.columns.len();
            let (part, after) = rest.split_at_mut(rows);
            rest = after;
            if rows > 0 {
                kernels::add(&mut longer, sum, &self.columns[entry]);
                self.fill_group(&longer, entry, first, missing - 1, part);
            }
        }
    }

    fn fill_row(&self, sum: &Column, first: usize, row: &mut [u32]) {
        for (elements, columns) in row[first..].chunks_mut(4).zip(self.columns[first..].chunks(4)) {
            if self.interrupt.reason().is_some() {
                return;
            }
            let four = std::array::from_fn(|column| &columns[column.min(columns.len() - 1)]);
            for (element, hinge) in elements.iter_mut().zip(kernels::hinge_sums(sum, four)) {
                *element = (hinge >> self.shift) as u32 + 1;
            }
        }
    }
}
