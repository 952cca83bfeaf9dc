//! The enumeration: every feasible lineup once, by groups that share all but the last entry, each with its table bound.
//! It evaluates nothing.

use std::ops::{ControlFlow, Range};

use super::{
    bound::{SubsetTable, binomial},
    space::Candidates,
};

/// Entries that the parts of a space begin with: with three there are a few thousand parts of a 40-driver slate, small enough
/// that a stopped search loses little.
const START_ENTRIES: usize = 3;

/// A group of lineups: all but the last entry, and the candidates for the last.
pub(super) struct Siblings<'a> {
    /// Indices into the free candidates, ascending.
    pub path: &'a [usize],
    /// Candidates for the last place.
    pub last: Range<usize>,
    /// Table sum of each lineup of the group; 0 where the lineup is not allowed.
    pub sums: &'a [u32],
}

/// Counters of an enumeration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Visited {
    /// Partial lineups.
    pub nodes: u64,
    /// Allowed lineups.
    pub leaves: u64,
}

/// Walks through parts of the space.
pub(super) struct Walk<'a> {
    candidates: &'a Candidates,
    table: &'a SubsetTable,
    /// `choices[j]`: the index combinations of `size - 1` out of j path places, flattened.
    choices: Vec<Vec<usize>>,
    /// `ranks[i][c]` = C(c, i + 1).
    ranks: Vec<Vec<usize>>,
    path: Vec<usize>,
    sums: Vec<u32>,
    pub visited: Visited,
}

impl<'a> Walk<'a> {
    pub fn new(candidates: &'a Candidates, table: &'a SubsetTable) -> Self {
        let entries = candidates.free.len();
        let choose = table.size - 1;
        Self {
            candidates,
            table,
            choices: (0..candidates.places).map(|places| combinations(places, choose)).collect(),
            ranks: (0..choose).map(|i| (0..entries).map(|c| binomial(c, i + 1) as usize).collect()).collect(),
            path: Vec::with_capacity(candidates.places),
            sums: vec![0; entries],
            visited: Visited::default(),
        }
    }

    /// The first entries that split the space into parts, in ascending order; every lineup begins with exactly one of them.
    pub fn starts(candidates: &Candidates) -> Vec<Vec<usize>> {
        let length = START_ENTRIES.min(candidates.places.saturating_sub(1));
        if length == 0 {
            return vec![Vec::new()];
        }
        combinations(candidates.free.len(), length).chunks_exact(length).map(<[usize]>::to_vec).collect()
    }

    /// Visits all groups of lineups that begin with `start`, until the visitor breaks.
    pub fn part(
        &mut self,
        start: &[usize],
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.path.clear();
        let (mut salary_usd, mut sum, mut mask) = (0, 0, self.candidates.locked);
        for &entry in start {
            sum += self.sum_with(entry);
            salary_usd += self.candidates.salary_usd[entry];
            mask |= self.candidates.bit(entry);
            self.path.push(entry);
        }
        let missing = self.candidates.places - start.len();
        let from = start.last().map_or(0, |&last| last + 1);
        if self.is_too_dear(salary_usd, missing) || self.is_too_cheap(salary_usd, from, missing) {
            return ControlFlow::Continue(());
        }
        self.descend(salary_usd, sum, mask, visit)
    }

    fn descend(
        &mut self,
        salary_usd: u64,
        sum: u32,
        mask: u128,
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let missing = self.candidates.places - self.path.len();
        let from = self.path.last().map_or(0, |&last| last + 1);
        if !self.candidates.rules.leave_open(mask, self.candidates.later[from], missing as u32) {
            return ControlFlow::Continue(());
        }
        self.visited.nodes += 1;
        if missing == 1 {
            return self.finish(salary_usd, sum, mask, from, visit);
        }
        for entry in from..(self.candidates.free.len() + 1).saturating_sub(missing) {
            let with_entry = salary_usd + self.candidates.salary_usd[entry];
            if self.is_too_cheap(with_entry, entry + 1, missing - 1) {
                // Salaries descend: later entries make it cheaper still.
                break;
            }
            if self.is_too_dear(with_entry, missing - 1) {
                continue;
            }
            let sum_with_entry = sum + self.sum_with(entry);
            self.path.push(entry);
            let flow = self.descend(with_entry, sum_with_entry, mask | self.candidates.bit(entry), visit);
            self.path.pop();
            flow?;
        }
        ControlFlow::Continue(())
    }

    /// The last place: adds up the table rows of the path for all candidates at once.
    fn finish(
        &mut self,
        salary_usd: u64,
        sum: u32,
        mask: u128,
        from: usize,
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let candidates = self.candidates;
        let salaries = &candidates.salary_usd[from..];
        let first = from + salaries.partition_point(|&salary| salary_usd + salary > candidates.cap_usd);
        let end = from + salaries.partition_point(|&salary| salary_usd + salary >= candidates.floor_usd);
        let last = first..end.max(first);
        let allowed = candidates.rules.last(mask);
        if last.is_empty() || allowed & candidates.later[from] == 0 {
            return ControlFlow::Continue(());
        }
        let sums = self.add_rows(sum, last.clone());
        if !candidates.is_plain {
            for (sum, entry) in sums.iter_mut().zip(last.clone()) {
                let bit = candidates.bit(entry);
                if allowed & bit == 0 || !candidates.rules.allow_sums(mask | bit) {
                    *sum = 0;
                }
            }
        }
        self.visited.leaves += self.sums[..last.len()].iter().filter(|&&sum| sum > 0).count() as u64;
        visit(&Siblings { path: &self.path, sums: &self.sums[..last.len()], last })
    }

    /// Table sums of the lineups of a path and each of the last candidates, allowed or not.
    pub fn sums_of(&mut self, path: &[u8], last: Range<usize>) -> &[u32] {
        let mut sum = 0;
        self.path.clear();
        for &entry in path {
            sum += self.sum_with(usize::from(entry));
            self.path.push(usize::from(entry));
        }
        self.add_rows(sum, last)
    }

    /// The sums of all lineups of the path and one of the last candidates.
    fn add_rows(&mut self, sum: u32, last: Range<usize>) -> &mut [u32] {
        let sums = &mut self.sums[..last.len()];
        sums.fill(sum);
        for rank in subset_ranks(&self.choices, &self.ranks, &self.path) {
            let row = &self.table.row(rank)[last.clone()];
            for (sum, element) in sums.iter_mut().zip(row) {
                *sum += element;
            }
        }
        sums
    }

    /// Table sum of the subsets that `entry` completes within the path.
    fn sum_with(&self, entry: usize) -> u32 {
        subset_ranks(&self.choices, &self.ranks, &self.path).map(|rank| self.table.row(rank)[entry]).sum()
    }

    /// Even the dearest `missing` entries from `from` on do not reach the floor.
    fn is_too_cheap(&self, salary_usd: u64, from: usize, missing: usize) -> bool {
        let dearest: u64 = self.candidates.salary_usd.iter().skip(from).take(missing).sum();
        salary_usd + dearest < self.candidates.floor_usd
    }

    /// Even the cheapest `missing` entries break the cap. They are the last ones and may be taken: the loop leaves room.
    fn is_too_dear(&self, salary_usd: u64, missing: usize) -> bool {
        let cheapest: u64 = self.candidates.salary_usd.iter().rev().take(missing).sum();
        salary_usd + cheapest > self.candidates.cap_usd
    }
}

/// Ranks of all subsets of the path with as many elements as a table row has.
fn subset_ranks<'a>(
    choices: &'a [Vec<usize>],
    ranks: &'a [Vec<usize>],
    path: &'a [usize],
) -> impl Iterator<Item = usize> {
    let size = ranks.len();
    let places = &choices[path.len()];
    // An empty subset has one row; `chunks` cannot cut pieces of no elements.
    let singles = usize::from(size == 0);
    let subsets = places.chunks_exact(size.max(1));
    let rank_of = move |subset: &[usize]| subset.iter().zip(ranks).map(|(&place, row)| row[path[place]]).sum();
    std::iter::repeat_n(0, singles).chain(subsets.map(rank_of))
}

/// All ascending combinations of `size` out of `count` indices, flattened.
pub(super) fn combinations(count: usize, size: usize) -> Vec<usize> {
    let mut all = Vec::new();
    let mut current: Vec<usize> = (0..size).collect();
    if size == 0 || size > count {
        return all;
    }
    loop {
        all.extend(&current);
        let Some(place) = (0..size).rev().find(|&place| current[place] < count - size + place) else { return all };
        current[place] += 1;
        for later in place + 1..size {
            current[later] = current[later - 1] + 1;
        }
    }
}
