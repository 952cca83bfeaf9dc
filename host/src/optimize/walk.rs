//! The enumeration: every feasible lineup once, by groups that share all but the last entry, each with its table bound.
//! It evaluates nothing.

use std::ops::{ControlFlow, Range};

use super::{
    bound::{SubsetTable, binomial},
    space::Candidates,
};

/// Lineups that are not allowed although the space has them: those too close to lineups picked before.
#[derive(Debug, Clone, Default)]
pub(super) struct Spacing {
    /// Sets of entries picked before.
    pub picked: Vec<u128>,
    /// Entries that an allowed lineup shares with each of them at most.
    pub shared_max: u32,
}

impl Spacing {
    /// Whether the set is far enough from all picked before.
    pub fn allows(&self, mask: u128) -> bool {
        self.picked.iter().all(|picked| (picked & mask).count_ones() <= self.shared_max)
    }

    /// Entries that may not be added to a partial lineup, or `None` where it is too close already.
    fn forbidden(&self, partial: u128) -> Option<u128> {
        let mut forbidden = 0;
        for picked in &self.picked {
            match (picked & partial).count_ones().cmp(&self.shared_max) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => forbidden |= picked,
                std::cmp::Ordering::Greater => return None,
            }
        }
        Some(forbidden)
    }
}

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
#[derive(Debug, Clone, Copy, Default)]
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
    spacing: &'a Spacing,
    /// `choices[j]`: the index combinations of `size - 1` out of j path places, flattened.
    choices: Vec<Vec<usize>>,
    /// `ranks[i][c]` = C(c, i + 1).
    ranks: Vec<Vec<usize>>,
    path: Vec<usize>,
    sums: Vec<u32>,
    pub visited: Visited,
}

impl<'a> Walk<'a> {
    pub fn new(candidates: &'a Candidates, table: &'a SubsetTable, spacing: &'a Spacing) -> Self {
        let entries = candidates.free.len();
        let choose = table.size - 1;
        Self {
            candidates,
            table,
            spacing,
            choices: (0..candidates.places).map(|places| combinations(places, choose)).collect(),
            ranks: (0..choose).map(|i| (0..entries).map(|c| binomial(c, i + 1) as usize).collect()).collect(),
            path: Vec::with_capacity(candidates.places),
            sums: vec![0; entries],
            visited: Visited::default(),
        }
    }

    /// The first entries that split the space into parts, in ascending order; every lineup begins with exactly one of them.
    pub fn starts(candidates: &Candidates) -> Vec<Vec<usize>> {
        let entries = candidates.free.len();
        match candidates.places {
            0 | 1 => vec![Vec::new()],
            2 => (0..entries).map(|first| vec![first]).collect(),
            _ => (0..entries).flat_map(|first| (first + 1..entries).map(move |second| vec![first, second])).collect(),
        }
    }

    /// Visits all groups of lineups that begin with `start`, until the visitor breaks.
    pub fn part(
        &mut self,
        start: &[usize],
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.path.clear();
        let (mut salary_usd, mut sum) = (0, 0);
        for &entry in start {
            sum += self.sum_with(entry);
            salary_usd += self.candidates.salary_usd[entry];
            self.path.push(entry);
        }
        self.descend(salary_usd, sum, visit)
    }

    fn descend(
        &mut self,
        salary_usd: u64,
        sum: u32,
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.visited.nodes += 1;
        let missing = self.candidates.places - self.path.len();
        let from = self.path.last().map_or(0, |&last| last + 1);
        if missing == 1 {
            return self.finish(salary_usd, sum, from, visit);
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
            let with_sum = sum + self.sum_with(entry);
            self.path.push(entry);
            self.descend(with_entry, with_sum, visit)?;
            self.path.pop();
        }
        ControlFlow::Continue(())
    }

    /// Hands over the group of all allowed last entries.
    fn finish(
        &mut self,
        salary_usd: u64,
        sum: u32,
        from: usize,
        visit: &mut impl FnMut(&Siblings<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let candidates = self.candidates;
        let Some(budget_usd) = candidates.cap_usd.checked_sub(salary_usd) else { return ControlFlow::Continue(()) };
        let needed_usd = candidates.floor_usd.saturating_sub(salary_usd);
        let salaries = &candidates.salary_usd[from.min(candidates.free.len())..];
        let last = from + salaries.partition_point(|&salary| salary > budget_usd)
            ..from + salaries.partition_point(|&salary| salary >= needed_usd);
        if last.is_empty() {
            return ControlFlow::Continue(());
        }
        let Some(forbidden) = self.spacing.forbidden(candidates.mask(self.path.iter().copied())) else {
            return ControlFlow::Continue(());
        };
        let sums = &mut self.sums[..last.len()];
        sums.fill(sum);
        for choice in subset_ranks(&self.choices, &self.ranks, &self.path) {
            for (sum, element) in sums.iter_mut().zip(&self.table.row(choice)[last.clone()]) {
                *sum += element;
            }
        }
        self.visited.leaves += last.len() as u64;
        if forbidden != 0 {
            for (sum, &entry) in sums.iter_mut().zip(&candidates.free[last.clone()]) {
                if forbidden >> entry & 1 == 1 {
                    *sum = 0;
                    self.visited.leaves -= 1;
                }
            }
        }
        visit(&Siblings { path: &self.path, sums: &self.sums[..last.len()], last })
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
