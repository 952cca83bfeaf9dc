//! What searches do at the edges: no lineup, one lineup, more lineups wanted than there are, one scenario, equal salaries, negative
//! points, and demands that contradict each other. Every objective and every worth goes through each of them.

use std::sync::Arc;

use super::{
    Exposure, Infeasible, JointPortfolio, JointRequest, Payouts, Portfolio, PortfolioEnd, PortfolioRequest, Proof,
    ScoreMatrix, SearchFailure, SearchSpace, Session, Solved, Unwatched, Worth, best_lineup, joint_portfolio, oracle,
    portfolio,
};
use crate::domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective};

/// Entries of the slate here.
const ENTRIES: usize = 8;

const OBJECTIVES: [Objective; 4] = [
    Objective::Mean,
    Objective::UpperCvar { alpha: 0.3 },
    Objective::Probability { at_least: -20.0 },
    Objective::Quantile { share: 0.5 },
];

fn worths() -> Vec<Worth> {
    let payouts =
        Payouts { prizes: vec![9_000_000, 4_000_000], fee: 1_000_000, opponents: vec![Lineup(vec![0, 1, 2])] };
    let mut worths = vec![Worth::ExpectedMaximum, Worth::AnyReaches(-20.0), Worth::Payout(Arc::new(payouts))];
    worths.extend(OBJECTIVES.map(Worth::Each));
    worths
}

/// Salaries fall from 8,000 by 1,000; the cheapest three cost 6,000.
fn space(salary_max_usd: u32) -> SearchSpace {
    SearchSpace {
        salary_usd: (0..ENTRIES as u32).map(|entry| 8_000 - entry * 1_000).collect(),
        roster_size: 3,
        salary_max_usd,
        names: (0..ENTRIES).map(|entry| format!("Driver {entry}")).collect(),
        ..SearchSpace::default()
    }
}

/// Points in quarters between -50 and 0, without a pattern.
fn negative(scenarios: usize) -> ScoreMatrix {
    let points = (0..ENTRIES * scenarios).map(|cell| -((cell * 7_919 % 201) as f32) / 4.0).collect();
    ScoreMatrix::new(ENTRIES, scenarios, points).unwrap()
}

fn best(matrix: &ScoreMatrix, space: &SearchSpace, objective: Objective) -> Result<Solved, SearchFailure> {
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    best_lineup(matrix, space, objective, &mut session)
}

fn several(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    objective: Objective,
    lineups: usize,
) -> Result<Portfolio, SearchFailure> {
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    portfolio(matrix, space, &PortfolioRequest { objective, lineups, min_differences: 1 }, None, &mut session)
}

fn together(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    worth: Worth,
    lineups: usize,
    exposures: Vec<Exposure>,
) -> Result<JointPortfolio, SearchFailure> {
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    let request = JointRequest { worth, lineups, min_differences: 1, exposures };
    joint_portfolio(matrix, space, &request, None, &mut session)
}

#[test]
fn a_cap_below_the_cheapest_lineup_is_said_with_both_numbers() {
    let (matrix, space) = (negative(20), space(5_999));
    let is_said = |failure: SearchFailure| {
        let SearchFailure::Infeasible(Infeasible::CheapestAboveCap { cheapest_usd, cap_usd, .. }) = failure else {
            panic!("{failure}")
        };
        assert_eq!((cheapest_usd, cap_usd), (6_000, 5_999));
    };
    for objective in OBJECTIVES {
        is_said(best(&matrix, &space, objective).unwrap_err());
        is_said(several(&matrix, &space, objective, 4).unwrap_err());
    }
    worths().into_iter().for_each(|worth| is_said(together(&matrix, &space, worth, 4, Vec::new()).unwrap_err()));
}

#[test]
fn the_only_lineup_is_found_and_a_second_one_is_not_made_up() {
    let (matrix, space) = (negative(20), space(6_000));
    let only = Lineup(vec![5, 6, 7]);
    for objective in OBJECTIVES {
        assert_eq!(best(&matrix, &space, objective).unwrap().lineup, only);
        let found = several(&matrix, &space, objective, 4).unwrap();
        assert!(matches!(found.end, PortfolioEnd::Exhausted { found: 1, wanted: 4, .. }), "{:?}", found.end);
    }
    for worth in worths() {
        let found = together(&matrix, &space, worth, 4, Vec::new()).unwrap();
        assert_eq!(found.lineups.iter().map(|picked| &picked.lineup).collect::<Vec<_>>(), [&only]);
        assert!(matches!(found.end, PortfolioEnd::Exhausted { found: 1, wanted: 4, .. }), "{:?}", found.end);
    }
}

#[test]
fn one_scenario_negative_points_and_equal_salaries_are_searched_like_any_other() {
    let mut equal = space(15_000);
    equal.salary_usd = vec![5_000; ENTRIES];
    for (scenarios, space) in [(1, &space(14_000)), (1, &equal), (33, &equal), (500, &space(12_000))] {
        let matrix = negative(scenarios);
        for objective in OBJECTIVES {
            let ranking = oracle::ranking(&matrix, space, objective);
            let solved = best(&matrix, space, objective).unwrap();
            assert_eq!((solved.value, &solved.lineup), (ranking[0].0, &ranking[0].1), "{objective:?} {scenarios}");
            assert_eq!(solved.certificate.proof, Proof::Optimal);
        }
        for worth in worths() {
            let found = together(&matrix, space, worth.clone(), 3, Vec::new()).unwrap();
            assert!(found.value <= found.upper_bound + 1e-9, "{worth:?} {scenarios}: {found:?}");
        }
    }
}

#[test]
fn more_lineups_than_are_feasible_gives_all_of_them_once() {
    let (matrix, space) = (negative(20), space(8_000));
    let feasible = oracle::ranking(&matrix, &space, Objective::Mean).len();
    for objective in OBJECTIVES {
        let found = several(&matrix, &space, objective, feasible + 50).unwrap();
        assert_eq!(found.lineups.len(), feasible, "{objective:?}");
    }
    for worth in worths() {
        let found = together(&matrix, &space, worth.clone(), feasible + 50, Vec::new()).unwrap();
        let mut lineups: Vec<&Lineup> = found.lineups.iter().map(|picked| &picked.lineup).collect();
        lineups.sort();
        lineups.dedup();
        assert_eq!(lineups.len(), feasible, "{worth:?}");
    }
}

#[test]
fn exposures_that_contradict_each_other_are_said_with_numbers() {
    let (matrix, space) = (negative(20), space(14_000));
    let exposure = |entry, at_least, at_most| Exposure { entry, at_least, at_most };
    let contradictions = [
        (vec![exposure(7, 3, 4), exposure(7, 0, 2)], "Driver 7 must be in 3 of 4 lineups and may be in 2"),
        ((0..4).map(|entry| exposure(entry, 4, 4)).collect(), "fill 16 places, but 4 lineups have 12"),
        ((0..8).map(|entry| exposure(entry, 0, 1)).collect(), "leave 8 places, but 4 lineups have 12"),
    ];
    for (exposures, reason) in contradictions {
        for worth in worths() {
            let failure = together(&matrix, &space, worth, 4, exposures.clone()).unwrap_err();
            assert!(failure.to_string().contains(reason), "{failure}");
        }
    }
}
