//! Brute force over every portfolio of two lineups: what portfolios that are judged together must agree with.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Exposure, JointPortfolio, JointRequest, Payouts, PortfolioEnd, ScoreMatrix, SearchFailure, SearchSpace, Session,
    Unwatched, Worth, joint_portfolio, oracle,
};
use crate::domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective};

/// By the words of the documentation; points are in quarters, so all sums are exact.
fn worth(matrix: &ScoreMatrix, lineups: &[&Lineup], worth: &Worth) -> f64 {
    let score = |lineup: &Lineup, scenario: usize| -> f64 {
        lineup.entries().iter().map(|&entry| f64::from(matrix.column(usize::from(entry))[scenario])).sum()
    };
    let best = |scenario: usize| lineups.iter().map(|lineup| score(lineup, scenario)).fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<f64> = (0..matrix.scenarios()).map(best).collect();
    match worth {
        Worth::Each(objective) => lineups.iter().map(|lineup| oracle::value(matrix, lineup, *objective)).sum(),
        Worth::ExpectedMaximum => best.iter().sum::<f64>() / best.len() as f64,
        Worth::AnyReaches(at_least) => {
            best.iter().filter(|score| *score >= at_least).count() as f64 / best.len() as f64
        }
        Worth::Payout(payouts) => {
            let won = |scenario: usize| -> f64 {
                let opponents = payouts.opponents.iter().map(|lineup| score(lineup, scenario));
                let own: Vec<f64> = lineups.iter().map(|lineup| score(lineup, scenario)).collect();
                let all: Vec<f64> = opponents.chain(own.iter().copied()).collect();
                own.iter().map(|own| prize(payouts, &all, *own)).sum()
            };
            let total: f64 = (0..matrix.scenarios()).map(won).sum();
            total / matrix.scenarios() as f64 - lineups.len() as f64 * payouts.fee as f64 / 1e6
        }
    }
}

/// The mean prize of the places that those with this score share, in dollars.
fn prize(payouts: &Payouts, all: &[f64], score: f64) -> f64 {
    let above = all.iter().filter(|&&other| other > score).count();
    let tied = all.iter().filter(|&&other| other == score).count();
    let prizes = (above..above + tied).map(|place| payouts.prizes.get(place).copied().unwrap_or(0));
    prizes.sum::<i64>() as f64 / tied as f64 / 1e6
}

/// What lineups are worth, before it is known of which slate.
#[derive(Debug, Clone)]
enum Kind {
    Of(Worth),
    /// Numbers that stand for opponents, and prizes and a fee in dollars.
    Payout(Vec<u32>, Vec<u16>, u16),
}

impl Kind {
    fn on(&self, matrix: &ScoreMatrix, space: &SearchSpace) -> Worth {
        let (opponents, prizes, fee) = match self {
            Self::Of(worth) => return worth.clone(),
            Self::Payout(opponents, prizes, fee) => (opponents, prizes, fee),
        };
        let entries = matrix.entries() as u32;
        let lineup = |&number: &u32| {
            let first = (0..space.roster_size as u32)
                .map(|place| ((number + place * (1 + number % 3 / 2 * 2)) % entries) as u16);
            let mut lineup: Vec<u16> = first.collect();
            lineup.sort_unstable();
            lineup.dedup();
            Lineup(lineup)
        };
        let mut prizes: Vec<i64> = prizes.iter().map(|&usd| i64::from(usd) * 1_000_000).collect();
        prizes.sort_unstable_by(|left, right| right.cmp(left));
        let opponents = opponents.iter().map(lineup).collect();
        Worth::Payout(Arc::new(Payouts { prizes, fee: i64::from(*fee) * 1_000_000, opponents }))
    }
}

fn worths() -> impl Strategy<Value = Kind> {
    let payouts = (prop::collection::vec(0_u32..1_000, 0..12), prop::collection::vec(0_u16..9, 0..6), 0_u16..3);
    let of = prop_oneof![
        Just(Worth::ExpectedMaximum),
        (20_i16..600).prop_map(|quarters| Worth::AnyReaches(f64::from(quarters) / 4.0)),
        (0.05..1.0).prop_map(|alpha| Worth::Each(Objective::UpperCvar { alpha })),
    ];
    prop_oneof![
        3 => of.prop_map(Kind::Of),
        2 => payouts.prop_map(|(opponents, prizes, fee)| Kind::Payout(opponents, prizes, fee)),
    ]
}

fn solve(matrix: &ScoreMatrix, space: &SearchSpace, request: &JointRequest) -> Result<JointPortfolio, SearchFailure> {
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    joint_portfolio(matrix, space, request, None, &mut session)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_lineups_are_nearly_the_best_pair_and_the_bound_holds((matrix, space, request, _) in oracle::instances(), judged in worths()) {
        let judged = &judged.on(&matrix, &space);
        let ranking = oracle::ranking(&matrix, &space, Objective::Mean);
        let request = JointRequest { worth: judged.clone(), lineups: 2, min_differences: request.min_differences, exposures: Vec::new() };
        let pairs = ranking.iter().enumerate().flat_map(|(index, (_, first))| {
            ranking[index + 1..].iter().map(move |(_, second)| [first, second])
        });
        let pairs: Vec<[&Lineup; 2]> = pairs.filter(|[first, second]| first.differences(second) >= request.min_differences).collect();
        match solve(&matrix, &space, &request) {
            Ok(found) if found.end == PortfolioEnd::Complete => {
                let lineups: Vec<&Lineup> = found.lineups.iter().map(|picked| &picked.lineup).collect();
                prop_assert!(lineups.iter().all(|lineup| oracle::is_feasible(&space, lineup)));
                prop_assert!(lineups[0].differences(lineups[1]) >= request.min_differences);
                prop_assert!((found.value - worth(&matrix, &lineups, judged)).abs() < 2e-5, "{} {}", found.value, worth(&matrix, &lineups, judged));
                let best = pairs.iter().map(|pair| worth(&matrix, pair, judged)).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(found.upper_bound >= best - 1e-9, "{} is no bound of {best}", found.upper_bound);
                let greedy_first = ranking.iter().map(|(_, lineup)| worth(&matrix, &[lineup], judged)).fold(f64::NEG_INFINITY, f64::max);
                let fee = if let Worth::Payout(payouts) = judged { payouts.fee as f64 / 1e6 } else { 0.0 };
                if !matches!(judged, Worth::Each(_)) {
                    prop_assert!(found.value >= greedy_first - fee - 2e-5);
                }
                prop_assert_eq!(found.feasible, ranking.len() as u64);
            }
            Ok(found) => prop_assert_eq!(found.lineups.len(), 1),
            Err(failure) => {
                prop_assert!(matches!(failure, SearchFailure::Infeasible(_)), "{failure}");
                let locked: std::collections::BTreeSet<u16> = space.locks.iter().copied().collect();
                prop_assert!(ranking.is_empty() || pairs.is_empty() || locked.len() + request.min_differences > space.roster_size, "{failure}");
            }
        }
    }

    #[test]
    fn one_lineup_is_the_best_one((matrix, space, _, _) in oracle::instances(), judged in worths()) {
        let judged = &judged.on(&matrix, &space);
        let ranking = oracle::ranking(&matrix, &space, Objective::Mean);
        let request = JointRequest { worth: judged.clone(), lineups: 1, min_differences: 1, exposures: Vec::new() };
        if let Ok(found) = solve(&matrix, &space, &request) {
            let best = ranking.iter().map(|(_, lineup)| worth(&matrix, &[lineup], judged)).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((found.value - best).abs() < 2e-5, "{} is not {best}", found.value);
            prop_assert!(found.upper_bound >= best - 1e-9);
        }
    }

    #[test]
    fn exposures_are_kept((matrix, space, _, _) in oracle::instances(), judged in worths(), least in 0_u32..4, most in 2_u32..6, lineups in 2_usize..7) {
        let exposures = vec![Exposure { entry: 0, at_least: least, at_most: most }];
        let request = JointRequest { worth: judged.on(&matrix, &space), lineups, min_differences: 1, exposures };
        if let Ok(found) = solve(&matrix, &space, &request) {
            let same = space.twins.iter().find(|twins| twins.contains(&0)).cloned().unwrap_or(vec![0]);
            let entries = found.lineups.iter().flat_map(|picked| picked.lineup.entries());
            let used = entries.filter(|entry| same.contains(entry)).count() as u32;
            prop_assert!(used <= most);
            if found.end == PortfolioEnd::Complete {
                prop_assert!(used >= least);
            }
        }
    }
}
