//! The exact value of a lineup: the definition that the search's bounds are bounds of.
//!
//! Scores are whole thousandths of a point and values are whole numbers made of them, so equal lineups have equal values on every
//! machine, and two values are equal or different by their definition, never by rounding.

use std::sync::Arc;

use super::{answer::SearchFailure, grid::MILLI, standing::MICRO, steps::Steps};
use crate::domain::spec::Objective;

/// Largest threshold in points: no lineup can have more.
const THRESHOLD_MAX: f64 = 2_000_000.0;

/// What is made of the scores of a lineup. Higher is better.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    /// Their sum.
    Sum,
    /// The sum of the `count` largest.
    Tail { count: usize },
    /// How many are at least so many thousandths.
    Reach { milli: i32 },
    /// The `count`-th largest.
    Rank { count: usize },
    /// The sum of what exceeds the floor of each scenario, in thousandths.
    Gain { floors: Vec<i32> },
    /// The sum of what each is worth in its scenario, in millionths.
    Steps(Arc<Steps>),
}

impl Measure {
    /// What an objective measures over so many scenarios.
    ///
    /// # Errors
    /// [`SearchFailure::Invalid`] where a number of the objective is out of its range.
    pub fn new(objective: Objective, scenarios: usize) -> Result<Self, SearchFailure> {
        match objective {
            Objective::Mean => Ok(Self::Sum),
            Objective::UpperCvar { alpha } => Ok(Self::Tail { count: tail_count(alpha, scenarios)? }),
            Objective::Probability { at_least } => Ok(Self::Reach { milli: threshold(at_least)? }),
            Objective::Quantile { share } => Ok(Self::Rank { count: rank_count(share, scenarios)? }),
        }
    }

    /// The value of these scores, in thousandths, which are reordered.
    pub fn of(&self, scores: &mut [i32]) -> i64 {
        match self {
            Self::Sum => scores.iter().map(|&score| i64::from(score)).sum(),
            Self::Tail { count } => largest(scores, *count).iter().map(|&score| i64::from(score)).sum(),
            Self::Reach { milli } => scores.iter().filter(|&score| score >= milli).count() as i64,
            Self::Rank { count } => largest(scores, *count).iter().copied().min().map_or(0, i64::from),
            Self::Gain { floors } => {
                let gains = scores.iter().zip(floors).map(|(&score, &floor)| i64::from(score) - i64::from(floor));
                gains.map(|gain| gain.max(0)).sum()
            }
            Self::Steps(steps) => steps.worth(scores.iter().copied()),
        }
    }

    /// A value as people read it: points, a share of the scenarios, or dollars.
    pub fn shown(&self, value: i64, scenarios: usize) -> f64 {
        let divisor = match self {
            Self::Sum | Self::Gain { .. } => MILLI * scenarios as f64,
            Self::Tail { count } => MILLI * *count as f64,
            Self::Reach { .. } => scenarios as f64,
            Self::Rank { .. } => MILLI,
            Self::Steps(_) => MICRO * scenarios as f64,
        };
        value as f64 / divisor
    }
}

/// The `count` largest scores.
fn largest(scores: &mut [i32], count: usize) -> &[i32] {
    let rest = scores.len() - count;
    if rest > 0 {
        scores.select_nth_unstable(rest);
    }
    &scores[rest..]
}

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

/// From the top: the smallest score that a share of the scenarios does not exceed.
fn rank_count(share: f64, scenarios: usize) -> Result<usize, SearchFailure> {
    if share > 0.0 && share < 1.0 {
        return Ok(scenarios + 1 - tail_count(share, scenarios)?);
    }
    Err(SearchFailure::Invalid {
        field: "objective/share",
        detail: format!("the share is {share}, allowed is 0 < share < 1"),
    })
}

/// Points to reach, in thousandths.
fn threshold(points: f64) -> Result<i32, SearchFailure> {
    if points.abs() <= THRESHOLD_MAX {
        return Ok((points * MILLI).round() as i32);
    }
    Err(SearchFailure::Invalid {
        field: "objective/at_least",
        detail: format!("{points} points are to be reached, allowed are up to {THRESHOLD_MAX}"),
    })
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
    fn every_measure_is_that_of_its_definition() {
        let measured = |objective| {
            let measure = Measure::new(objective, 4).unwrap();
            measure.shown(measure.of(&mut [1_000, 5_000, -2_000, 4_000]), 4)
        };
        assert_eq!(measured(Objective::Mean), 2.0);
        assert_eq!(measured(Objective::UpperCvar { alpha: 0.5 }), 4.5);
        assert_eq!(measured(Objective::Probability { at_least: 4.0 }), 0.5);
        assert_eq!(measured(Objective::Quantile { share: 0.5 }), 1.0);
        assert_eq!(measured(Objective::Quantile { share: 0.75 }), 4.0);
        let gain = Measure::Gain { floors: vec![2_000; 4] };
        assert_eq!(gain.shown(gain.of(&mut [1_000, 5_000, -2_000, 4_000]), 4), 1.25);
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_field() {
        for share in [0.0, 1.0, f64::NAN] {
            let failure = Measure::new(Objective::Quantile { share }, 4).unwrap_err();
            assert!(failure.to_string().contains("objective/share"));
        }
        assert!(Measure::new(Objective::Probability { at_least: THRESHOLD_MAX }, 4).is_ok());
        assert!(Measure::new(Objective::Probability { at_least: THRESHOLD_MAX + 1.0 }, 4).is_err());
    }
}
