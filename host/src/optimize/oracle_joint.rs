//! Brute force over every portfolio of two lineups: what portfolios that are judged together must agree with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Exposure, JointPortfolio, JointRequest, PortfolioEnd, ScoreMatrix, SearchFailure, SearchSpace, Session, Unwatched,
    Worth, joint_portfolio, oracle,
};
use crate::domain::{
    interrupt::Interrupt,
    lineup::Lineup,
    spec::{Objective, Together},
};

/// By the words of the documentation; points are in quarters, so all sums are exact.
fn worth(matrix: &ScoreMatrix, lineups: &[&Lineup], worth: Worth) -> f64 {
    let score = |lineup: &Lineup, scenario: usize| -> f64 {
        lineup.entries().iter().map(|&entry| f64::from(matrix.column(usize::from(entry))[scenario])).sum()
    };
    let best = |scenario: usize| lineups.iter().map(|lineup| score(lineup, scenario)).fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<f64> = (0..matrix.scenarios()).map(best).collect();
    match worth {
        Worth::Each(objective) => lineups.iter().map(|lineup| oracle::value(matrix, lineup, objective)).sum(),
        Worth::Together(Together::ExpectedMaximum) => best.iter().sum::<f64>() / best.len() as f64,
        Worth::Together(Together::AnyReaches { at_least }) => {
            best.iter().filter(|&&score| score >= at_least).count() as f64 / best.len() as f64
        }
    }
}

fn worths() -> impl Strategy<Value = Worth> {
    prop_oneof![
        Just(Worth::Together(Together::ExpectedMaximum)),
        (20_i16..600)
            .prop_map(|quarters| Worth::Together(Together::AnyReaches { at_least: f64::from(quarters) / 4.0 })),
        (0.05..1.0).prop_map(|alpha| Worth::Each(Objective::UpperCvar { alpha })),
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
        let ranking = oracle::ranking(&matrix, &space, Objective::Mean);
        let request = JointRequest { worth: judged, lineups: 2, min_differences: request.min_differences, exposures: Vec::new() };
        let pairs = ranking.iter().enumerate().flat_map(|(index, (_, first))| {
            ranking[index + 1..].iter().map(move |(_, second)| [first, second])
        });
        let pairs: Vec<[&Lineup; 2]> = pairs.filter(|[first, second]| first.differences(second) >= request.min_differences).collect();
        match solve(&matrix, &space, &request) {
            Ok(found) if found.end == PortfolioEnd::Complete => {
                let lineups: Vec<&Lineup> = found.lineups.iter().map(|picked| &picked.lineup).collect();
                prop_assert!(lineups.iter().all(|lineup| oracle::is_feasible(&space, lineup)));
                prop_assert!(lineups[0].differences(lineups[1]) >= request.min_differences);
                prop_assert!((found.value - worth(&matrix, &lineups, judged)).abs() < 1e-9);
                let best = pairs.iter().map(|pair| worth(&matrix, pair, judged)).fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(found.upper_bound >= best - 1e-9, "{} is no bound of {best}", found.upper_bound);
                let greedy_first = ranking.iter().map(|(_, lineup)| worth(&matrix, &[lineup], judged)).fold(f64::NEG_INFINITY, f64::max);
                if !matches!(judged, Worth::Each(_)) {
                    prop_assert!(found.value >= greedy_first - 1e-9);
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
    fn exposures_are_kept((matrix, space, _, _) in oracle::instances(), judged in worths(), least in 0_u32..4, most in 2_u32..6, lineups in 2_usize..7) {
        let exposures = vec![Exposure { entry: 0, at_least: least, at_most: most }];
        let request = JointRequest { worth: judged, lineups, min_differences: 1, exposures };
        if let Ok(found) = solve(&matrix, &space, &request) {
            let mut used: BTreeMap<u16, u32> = BTreeMap::new();
            for &entry in found.lineups.iter().flat_map(|picked| picked.lineup.entries()) {
                *used.entry(entry).or_default() += 1;
            }
            let used = used.get(&0).copied().unwrap_or(0);
            prop_assert!(used <= most);
            if found.end == PortfolioEnd::Complete {
                prop_assert!(used >= least);
            }
        }
    }
}
