//! A good lineup to start from: swaps one entry at a time while that helps. It proves nothing, its lineup only sets
//! thresholds: the better it is, the more the search can exclude.

use super::{goal::Evaluator, space::Candidates};
use crate::domain::interrupt::{Interrupt, StopReason};

/// Rounds after which climbing ends even if a swap still helps; a handful is usual.
const ROUNDS_MAX: usize = 50;

/// Improves the lineup `picks` (indices into the free candidates) and gives its value.
///
/// # Errors
/// The reason, where the interrupt is raised.
pub(super) fn climb(
    candidates: &Candidates,
    evaluator: &mut Evaluator<'_>,
    picks: &mut [usize],
    interrupt: &Interrupt,
) -> Result<i64, StopReason> {
    let (&last, path) = picks.split_last().unwrap_or((&0, &[]));
    let mut value = evaluator.value(path, last, i64::MIN).unwrap_or(i64::MIN);
    for _ in 0..ROUNDS_MAX {
        let Some((place, entry, better)) = best_swap(candidates, evaluator, picks, value, interrupt)? else { break };
        picks[place] = entry;
        value = better;
    }
    picks.sort_unstable();
    Ok(value)
}

/// The feasible swap with the highest value above `value`: place, new entry, value.
fn best_swap(
    candidates: &Candidates,
    evaluator: &mut Evaluator<'_>,
    picks: &[usize],
    value: i64,
    interrupt: &Interrupt,
) -> Result<Option<(usize, usize, i64)>, StopReason> {
    let salary_usd: u64 = picks.iter().map(|&pick| candidates.salary_usd[pick]).sum();
    let mut best = None;
    let mut best_value = value;
    for place in 0..picks.len() {
        let others: Vec<usize> = picks.iter().copied().filter(|&pick| pick != picks[place]).collect();
        for entry in 0..candidates.free.len() {
            let swapped_usd = salary_usd - candidates.salary_usd[picks[place]] + candidates.salary_usd[entry];
            if picks.contains(&entry) || !(candidates.floor_usd..=candidates.cap_usd).contains(&swapped_usd) {
                continue;
            }
            if !candidates.rules.allow(candidates.mask(others.iter().copied().chain([entry]))) {
                continue;
            }
            if let Some(reason) = interrupt.reason() {
                return Err(reason);
            }
            let found = evaluator.value(&others, entry, best_value).filter(|&found| found > best_value);
            if let Some(found) = found {
                best_value = found;
                best = Some((place, entry, found));
            }
        }
    }
    Ok(best)
}
