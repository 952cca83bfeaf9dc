//! The exact objective of one lineup: the definition that the search's bounds are bounds of.

use super::{answer::SearchFailure, matrix::ScoreMatrix};
use crate::domain::spec::Objective;

/// How many of `scenarios` scores the tail holds: `ceil(alpha * scenarios)`, at least 1.
///
/// A hair is taken off first, so that alpha = 0.07 of 100 scenarios is 7 although `0.07 * 100 > 7` in binary.
///
/// # Errors
/// [`SearchFailure::Invalid`] where alpha is not in (0, 1].
pub(super) fn tail_count(alpha: f64, scenarios: usize) -> Result<usize, SearchFailure> {
    if alpha > 0.0 && alpha <= 1.0 {
        return Ok(((alpha * scenarios as f64 * (1.0 - 1e-12)).ceil() as usize).clamp(1, scenarios));
    }
    Err(SearchFailure::Invalid {
        field: "objective/alpha",
        detail: format!("alpha is {alpha}, allowed is 0 < alpha <= 1"),
    })
}

/// Checks the objective.
///
/// # Errors
/// As [`tail_count`].
pub(super) fn check_objective(objective: Objective) -> Result<(), SearchFailure> {
    match objective {
        Objective::Mean => Ok(()),
        Objective::UpperCvar { alpha } => tail_count(alpha, 1).map(drop),
    }
}

/// Mean of a column in points.
pub(super) fn column_mean(column: &[f32]) -> f64 {
    column.iter().map(|&points| f64::from(points)).sum::<f64>() / column.len() as f64
}

/// Scores of a lineup in the given scenarios: sums in `f64`, entries in ascending order, so that equal lineups give equal bits.
pub(super) fn lineup_scores(matrix: &ScoreMatrix, entries: &[u16], scores: &mut Vec<f64>) {
    scores.clear();
    scores.resize(matrix.scenarios(), 0.0);
    for &entry in entries {
        for (score, &points) in scores.iter_mut().zip(matrix.column(usize::from(entry))) {
            *score += f64::from(points);
        }
    }
}

/// Mean of the largest `count` scores, which are reordered. Summed in ascending order, so the result does not depend on the
/// order of `scores`.
pub(super) fn upper_mean(scores: &mut [f64], count: usize) -> f64 {
    let rest = scores.len() - count;
    if rest > 0 {
        scores.select_nth_unstable_by(rest, f64::total_cmp);
    }
    let tail = &mut scores[rest..];
    tail.sort_unstable_by(f64::total_cmp);
    // Adding zero turns -0 into 0: equal values must compare equal bit by bit.
    tail.iter().sum::<f64>() / count as f64 + 0.0
}

/// Entries of a set, ascending.
pub(super) fn entries_of(mask: u128) -> Vec<u16> {
    let mut rest = mask;
    let mut entries = Vec::with_capacity(mask.count_ones() as usize);
    while rest != 0 {
        entries.push(rest.trailing_zeros() as u16);
        rest &= rest - 1;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_rounded_up_but_not_by_a_rounding_error() {
        let count = |alpha, scenarios| tail_count(alpha, scenarios).unwrap();
        assert_eq!(
            [count(0.05, 10_000), count(0.07, 100), count(0.05, 30), count(1.0, 7), count(1e-9, 7)],
            [500, 7, 2, 7, 1]
        );
        for alpha in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(tail_count(alpha, 10).unwrap_err().to_string().contains("objective/alpha"));
        }
    }

    #[test]
    fn the_upper_mean_is_of_the_largest_scores() {
        assert_eq!(upper_mean(&mut [1.0, 5.0, -2.0, 4.0], 2), 4.5);
        assert_eq!(upper_mean(&mut [1.0, 5.0, -2.0, 4.0], 4), 2.0);
        assert_eq!(upper_mean(&mut [-0.0], 1).to_bits(), 0.0_f64.to_bits());
    }
}
