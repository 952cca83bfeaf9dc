//! How much of a choice survives on scenarios that it has not seen: of a portfolio as a whole, and of the choice itself. Single
//! lineups are validated in `score`.

use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::SearchFailure,
    cover::Worth,
    grid::{MILLI, exact_scores},
    matrix::ScoreMatrix,
    score::{Statistic, TailValidation, bootstrap_interval, check_entries},
    standing::{MICRO, Payouts, Standing},
};
use crate::domain::lineup::Lineup;

/// How a figure fares on fresh scenarios, as [`TailValidation`] says, for the portfolio as a whole.
///
/// # Errors
/// [`SearchFailure::Invalid`] where a number of the worth is out of range or a lineup has an entry that a matrix lacks.
pub fn validate_worth(
    chosen_on: &ScoreMatrix,
    fresh: &ScoreMatrix,
    lineups: &[Lineup],
    worth: &Worth,
    each: &[TailValidation],
    seed: u64,
) -> Result<TailValidation, SearchFailure> {
    if let Worth::Each(_) = worth {
        return Ok(mean_of(each));
    }
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / sample.len().max(1) as f64;
    let in_sample = mean(&worth_by_scenario(chosen_on, lineups, worth)?);
    let mut sample = worth_by_scenario(fresh, lineups, worth)?;
    sample.sort_unstable_by(f64::total_cmp);
    let (interval_low, interval_high) = bootstrap_interval(&sample, Statistic::Mean { reach: None }, seed);
    Ok(TailValidation::new(in_sample, mean(&sample), (interval_low, interval_high)))
}

/// The mean over lineups of everything. Lineups of a portfolio are alike, so that their errors do not cancel: the mean of the
/// intervals is that of the mean, and a little wide.
fn mean_of(each: &[TailValidation]) -> TailValidation {
    let mean = |of: fn(&TailValidation) -> f64| each.iter().map(of).sum::<f64>() / each.len().max(1) as f64;
    let interval = (mean(|one| one.interval_low), mean(|one| one.interval_high));
    TailValidation::new(mean(|one| one.in_sample), mean(|one| one.fresh), interval)
}

/// What the lineups are worth together in each scenario; its mean is what they are worth.
fn worth_by_scenario(matrix: &ScoreMatrix, lineups: &[Lineup], worth: &Worth) -> Result<Vec<f64>, SearchFailure> {
    check_entries(matrix, lineups)?;
    if let Worth::Payout(payouts) = worth {
        return winnings(matrix, lineups, payouts);
    }
    let best = best_scores(matrix, lineups);
    let at_least = if let Worth::AnyReaches(at_least) = worth { Some((at_least * MILLI).round() as i32) } else { None };
    let of_score = |score: i32| match at_least {
        Some(at_least) => f64::from(u8::from(score >= at_least)),
        None => f64::from(score) / MILLI,
    };
    Ok(best.into_iter().map(of_score).collect())
}

/// What the lineups win less their fees, in dollars per scenario.
fn winnings(matrix: &ScoreMatrix, lineups: &[Lineup], payouts: &Arc<Payouts>) -> Result<Vec<f64>, SearchFailure> {
    let mut standing = Standing::new(matrix, Arc::clone(payouts))?;
    let mut scores = Vec::new();
    for lineup in lineups {
        exact_scores(matrix, lineup.entries(), None, &mut scores);
        standing.add(&scores);
    }
    let fees = standing.fee_usd() * lineups.len() as f64;
    Ok(standing.by_scenario().into_iter().map(|won| won as f64 / MICRO - fees).collect())
}

/// The best score in each scenario, in thousandths.
fn best_scores(matrix: &ScoreMatrix, lineups: &[Lineup]) -> Vec<i32> {
    let mut best = vec![i32::MIN; matrix.scenarios()];
    let mut scores = Vec::new();
    for lineup in lineups {
        exact_scores(matrix, lineup.entries(), None, &mut scores);
        best.iter_mut().zip(&scores).for_each(|(best, score)| *best = (*best).max(*score));
    }
    best
}

/// Where a lineup is good.
#[derive(Debug, Clone, PartialEq)]
pub struct GoodScenarios {
    /// Share of scenarios in which it is the best of the lineups; lineups that tie share the scenario.
    pub best_share: f64,
    /// The scenarios of its best scores, ascending.
    pub tail: Vec<u32>,
}

/// Where each lineup is the best of all, and where its own best `tail` scores are; of equal scores the first ones count.
///
/// # Errors
/// [`SearchFailure::Invalid`] where a lineup has an entry that the matrix lacks.
pub fn good_scenarios(
    matrix: &ScoreMatrix,
    lineups: &[Lineup],
    tail: usize,
) -> Result<Vec<GoodScenarios>, SearchFailure> {
    check_entries(matrix, lineups)?;
    let best = best_scores(matrix, lineups);
    let mut sharing = vec![0_u32; best.len()];
    let mut scores = Vec::new();
    for lineup in lineups {
        exact_scores(matrix, lineup.entries(), None, &mut scores);
        sharing
            .iter_mut()
            .zip(&scores)
            .zip(&best)
            .for_each(|((count, score), best)| *count += u32::from(score == best));
    }
    let of_lineup = |lineup: &Lineup| {
        let mut scores = Vec::new();
        exact_scores(matrix, lineup.entries(), None, &mut scores);
        let shared = scores.iter().zip(&best).zip(&sharing).filter(|((score, best), _)| score == best);
        let best_share = shared.map(|(_, &count)| 1.0 / f64::from(count)).sum::<f64>() / best.len() as f64;
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_unstable_by_key(|&scenario| (std::cmp::Reverse(scores[scenario as usize]), scenario));
        order.truncate(tail);
        order.sort_unstable();
        GoodScenarios { best_share, tail: order }
    };
    Ok(lineups.par_iter().map(of_lineup).collect())
}

/// How a choice would have come out on other scenarios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stability {
    /// Sets of scenarios, drawn with other seeds, that the first lineup was tried on.
    pub seeds: u32,
    /// Share of them on which the same lineup would have been chosen first.
    pub same_choice: f64,
    /// Mean number of the first lineup's drivers that the choice on another set has too.
    pub shared_drivers: f64,
    /// Mean of the objective of the first lineup on the sets.
    pub value_mean: f64,
    /// Standard deviation of it over the sets, divisor sets - 1; 0 for one set.
    pub value_sd: f64,
    /// Mean of what the best lineup of each set has more there than the first lineup.
    pub regret_mean: f64,
}

/// The choice on one other set of scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherChoice {
    /// What would have been chosen.
    pub lineup: Lineup,
    /// Its objective there.
    pub value: f64,
    /// The objective there of the lineup that was chosen.
    pub chosen_value: f64,
}

impl Stability {
    /// Of a lineup, from the choices on other scenarios, of which there is at least one.
    #[must_use]
    pub fn new(chosen: &Lineup, others: &[OtherChoice]) -> Self {
        let count = others.len().max(1) as f64;
        let mean = |of: &dyn Fn(&OtherChoice) -> f64| others.iter().map(of).sum::<f64>() / count;
        let value_mean = mean(&|other| other.chosen_value);
        let squares: f64 = others.iter().map(|other| (other.chosen_value - value_mean).powi(2)).sum();
        Self {
            seeds: others.len() as u32,
            same_choice: mean(&|other| f64::from(u8::from(other.lineup == *chosen))),
            shared_drivers: mean(&|other| (chosen.entries().len() - chosen.differences(&other.lineup)) as f64),
            value_mean,
            value_sd: (squares / (count - 1.0).max(1.0)).sqrt(),
            regret_mean: mean(&|other| other.value - other.chosen_value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> ScoreMatrix {
        ScoreMatrix::new(3, 4, vec![1.0, 5.0, 2.0, 9.0, 4.0, 5.0, 1.0, 1.0, 0.0, 0.0, 3.0, 0.0]).unwrap()
    }

    fn lineups() -> [Lineup; 2] {
        [Lineup(vec![0]), Lineup(vec![1])]
    }

    #[test]
    fn a_lineup_is_good_where_it_is_the_best_and_where_its_own_best_scores_are() {
        let good = good_scenarios(&matrix(), &lineups(), 2).unwrap();
        assert_eq!(good[0], GoodScenarios { best_share: (0.5 + 1.0 + 1.0) / 4.0, tail: vec![1, 3] });
        assert_eq!(good[1], GoodScenarios { best_share: (1.0 + 0.5) / 4.0, tail: vec![0, 1] });
    }

    #[test]
    fn a_portfolio_is_validated_by_what_it_is_worth_together() {
        let matrix = matrix();
        let of = |worth: &Worth| validate_worth(&matrix, &matrix, &lineups(), worth, &[], 1).unwrap();
        assert_eq!(of(&Worth::ExpectedMaximum).fresh, (4.0 + 5.0 + 2.0 + 9.0) / 4.0);
        assert_eq!(of(&Worth::AnyReaches(4.5)).fresh, 0.5);
        let opponents = vec![Lineup(vec![2])];
        let payouts = Payouts { prizes: vec![10_000_000, 2_000_000], fee: 1_000_000, opponents };
        // Places 1 and 2 in the first, second and last scenario; 2 and 3 in the third.
        let found = of(&Worth::Payout(Arc::new(payouts)));
        assert_eq!((found.fresh, found.optimism), ((12.0 * 3.0 + 2.0) / 4.0 - 2.0, 0.0));
        assert!(found.is_inside && found.interval_low < found.fresh && found.fresh < found.interval_high);
    }

    #[test]
    fn single_lineups_are_validated_by_their_mean() {
        let each = [TailValidation::new(10.0, 8.0, (7.0, 9.0)), TailValidation::new(8.0, 8.0, (7.0, 9.0))];
        let worth = Worth::Each(crate::domain::spec::Objective::Mean);
        let found = validate_worth(&matrix(), &matrix(), &lineups(), &worth, &each, 1).unwrap();
        assert_eq!(found, TailValidation::new(9.0, 8.0, (7.0, 9.0)));
        assert!(found.is_inside);
    }

    #[test]
    fn stability_counts_what_other_scenarios_would_have_chosen() {
        let other =
            |lineup: &[u16], value, chosen_value| OtherChoice { lineup: Lineup(lineup.to_vec()), value, chosen_value };
        let found = Stability::new(&Lineup(vec![0, 1, 2]), &[other(&[0, 1, 2], 5.0, 5.0), other(&[0, 4, 5], 9.0, 7.0)]);
        assert_eq!((found.same_choice, found.shared_drivers, found.regret_mean), (0.5, 2.0, 1.0));
        assert_eq!((found.value_mean, found.value_sd), (6.0, 2.0_f64.sqrt()));
    }
}
