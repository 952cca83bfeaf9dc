//! Partial lineups that a monotone constraint vetoes: whatever is added to them stays vetoed, so the search never goes there.
//!
//! The judge is asked about every driver, pair and triple once, before the search: some thousand verdicts that cut the space
//! where millions of lineups would have to be judged one by one. Only the smallest vetoed sets are kept.

use std::collections::{BTreeMap, HashSet};

use super::{answer::SearchFailure, portfolio::LineupJudge, space::SearchSpace, value::entries_of, walk::combinations};
use crate::domain::lineup::Lineup;

/// Most entries of a partial lineup that is judged.
const SIZE_MAX: usize = 3;

/// Most partial lineups of one size that are judged; of more, the search finds out lineup by lineup.
const JUDGED_MAX: usize = 20_000;

/// What the judge says of partial lineups.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cuts {
    /// The smallest sets that are vetoed.
    pub sets: Vec<Vec<u16>>,
    /// Their number by reason.
    pub by_reason: BTreeMap<u8, u64>,
}

/// Asks the judge about partial lineups of the space; nothing is cut where it judges none.
///
/// # Errors
/// [`SearchFailure::Judge`] where the judge fails.
pub(super) fn cuts(space: &SearchSpace, judge: &mut dyn LineupJudge) -> Result<Cuts, SearchFailure> {
    let mut cuts = Cuts::default();
    let mut vetoed: HashSet<u128> = HashSet::new();
    let set_of = |set: &[u16]| set.iter().fold(0, |mask, &entry| mask | 1_u128 << entry);
    let twins: Vec<u128> = space.twins.iter().map(|twins| set_of(twins)).collect();
    let entries = space.names.len();
    for size in 1..=SIZE_MAX.min(space.roster_size.saturating_sub(1)) {
        let asked: Vec<u128> = combinations(entries, size)
            .chunks_exact(size)
            .map(|set| set.iter().fold(0, |mask, &entry| mask | 1_u128 << entry))
            .filter(|&mask| !has_part(mask, &vetoed) && twins.iter().all(|twins| (mask & twins).count_ones() <= 1))
            .collect();
        if asked.len() > JUDGED_MAX {
            break;
        }
        let lineups: Vec<Lineup> = asked.iter().map(|&mask| Lineup(entries_of(mask))).collect();
        let Some(verdicts) = judge.judge_partial(&lineups)? else { return Ok(cuts) };
        for ((mask, lineup), verdict) in asked.into_iter().zip(lineups).zip(verdicts) {
            if verdict > 0 {
                vetoed.insert(mask);
                cuts.sets.push(lineup.0);
                *cuts.by_reason.entry(verdict).or_default() += 1;
            }
        }
    }
    Ok(cuts)
}

/// Whether the set has a part that is vetoed already; parts are as small as one entry.
fn has_part(mask: u128, vetoed: &HashSet<u128>) -> bool {
    let mut part = mask;
    while part != 0 {
        if vetoed.contains(&part) {
            return true;
        }
        part = (part - 1) & mask;
    }
    false
}
