//! Brute force over every lineup, by definition and without any bound: what the search must agree with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Infeasible, JudgeFailure, LineupJudge, Portfolio, PortfolioEnd, PortfolioRequest, Proof, ScoreMatrix,
    SearchFailure, SearchSpace, best_lineup, portfolio,
    value::{column_mean, lineup_scores, tail_count, upper_mean},
};
use crate::domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective};

/// Every feasible lineup with its value, best first, ties lexicographic.
fn ranking(matrix: &ScoreMatrix, space: &SearchSpace, objective: Objective) -> Vec<(f64, Lineup)> {
    let mut ranking = Vec::new();
    for mask in 0_u32..1 << matrix.entries() {
        let lineup = Lineup((0..matrix.entries() as u16).filter(|entry| mask >> entry & 1 == 1).collect());
        if is_feasible(space, &lineup) {
            ranking.push((value(matrix, &lineup, objective), lineup));
        }
    }
    ranking.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    ranking
}

fn is_feasible(space: &SearchSpace, lineup: &Lineup) -> bool {
    let salary_usd: u32 = lineup.entries().iter().map(|&entry| space.salary_usd[usize::from(entry)]).sum();
    lineup.entries().len() == space.roster_size
        && (space.salary_min_usd..=space.salary_max_usd).contains(&salary_usd)
        && space.locks.iter().all(|lock| lineup.entries().contains(lock))
        && !space.excludes.iter().any(|exclude| lineup.entries().contains(exclude))
}

fn value(matrix: &ScoreMatrix, lineup: &Lineup, objective: Objective) -> f64 {
    match objective {
        Objective::Mean => lineup.entries().iter().map(|&entry| column_mean(matrix.column(usize::from(entry)))).sum(),
        Objective::UpperCvar { alpha } => {
            let mut scores = Vec::new();
            lineup_scores(matrix, lineup.entries(), &mut scores);
            let count = tail_count(alpha, scores.len()).unwrap();
            upper_mean(&mut scores, count)
        }
    }
}

/// Vetoes by a fixed rule that has nothing to do with points, and counts how often it is asked.
struct ModuloJudge {
    modulus: u16,
    asked: BTreeMap<Lineup, usize>,
}

impl ModuloJudge {
    fn new(modulus: u16) -> Self {
        Self { modulus, asked: BTreeMap::new() }
    }

    fn verdict(&self, lineup: &Lineup) -> u8 {
        match lineup.entries().iter().sum::<u16>() % self.modulus {
            0 => 1,
            1 if self.modulus > 2 => 2,
            _ => 0,
        }
    }
}

impl LineupJudge for ModuloJudge {
    fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, JudgeFailure> {
        for lineup in lineups {
            *self.asked.entry(lineup.clone()).or_default() += 1;
        }
        Ok(lineups.iter().map(|lineup| self.verdict(lineup)).collect())
    }
}

/// The greedy portfolio over a full ranking, and the vetoes met on the way.
fn greedy(
    ranking: &[(f64, Lineup)],
    request: &PortfolioRequest,
    judge: &ModuloJudge,
) -> (Vec<(f64, Lineup)>, BTreeMap<u8, u64>) {
    let mut picked: Vec<(f64, Lineup)> = Vec::new();
    let mut vetoes = BTreeMap::new();
    for (value, lineup) in ranking {
        let is_far = picked.iter().all(|(_, other)| lineup.differences(other) >= request.min_differences);
        if picked.len() == request.lineups || !is_far {
            continue;
        }
        match judge.verdict(lineup) {
            0 => picked.push((*value, lineup.clone())),
            reason => *vetoes.entry(reason).or_default() += 1,
        }
    }
    (picked, vetoes)
}

fn solve(
    matrix: &ScoreMatrix,
    space: &SearchSpace,
    request: &PortfolioRequest,
    judge: Option<&mut dyn LineupJudge>,
) -> Result<Portfolio, SearchFailure> {
    portfolio(matrix, space, request, judge, &mut |_| {}, &Interrupt::new())
}

fn space(salary_usd: &[u32], roster_size: usize, salary_max_usd: u32) -> SearchSpace {
    SearchSpace {
        salary_usd: salary_usd.to_vec(),
        roster_size,
        salary_min_usd: 0,
        salary_max_usd,
        locks: Vec::new(),
        excludes: Vec::new(),
        names: (0..salary_usd.len()).map(|entry| format!("Driver {entry}")).collect(),
    }
}

/// Points in quarters, so that ties happen.
fn instances() -> impl Strategy<Value = (ScoreMatrix, SearchSpace, PortfolioRequest, Option<u16>)> {
    let shape = (1_usize..=9, 1_usize..=40).prop_flat_map(|(entries, scenarios)| {
        let points =
            prop::collection::vec((-80_i16..400).prop_map(|quarters| f32::from(quarters) / 4.0), entries * scenarios);
        let salaries = prop::collection::vec((1_u32..12).prop_map(|thousands| thousands * 1_000), entries);
        let picks = prop::collection::vec(0..entries as u16, 0..3);
        (Just((entries, scenarios)), points, salaries, 1..=entries.min(7), picks.clone(), picks)
    });
    let money = (prop::option::of(5_000_u32..40_000), prop::option::of(8_000_u32..60_000));
    let objective = prop_oneof![Just(Objective::Mean), (0.01..1.0).prop_map(|alpha| Objective::UpperCvar { alpha })];
    let request = (objective, 1_usize..60, 1_usize..4);
    (shape, money, request, prop::option::of(1_u16..6)).prop_map(|(shape, money, request, modulus)| {
        let ((entries, scenarios), points, salary_usd, roster_size, locks, excludes) = shape;
        let (objective, lineups, min_differences) = request;
        let space = SearchSpace {
            salary_min_usd: money.0.unwrap_or(0),
            salary_max_usd: money.1.unwrap_or(u32::MAX),
            locks: if modulus == Some(5) { Vec::new() } else { locks },
            excludes,
            ..space(&salary_usd, roster_size, 0)
        };
        let matrix = ScoreMatrix::new(entries, scenarios, points).unwrap();
        (matrix, space, PortfolioRequest { objective, lineups, min_differences }, modulus)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_best_lineup_is_that_of_brute_force((matrix, space, request, _) in instances()) {
        let ranking = ranking(&matrix, &space, request.objective);
        match best_lineup(&matrix, &space, request.objective, &Interrupt::new()) {
            Ok(solved) => {
                prop_assert_eq!((solved.value, solved.lineup), ranking[0].clone());
                prop_assert_eq!(solved.certificate.proof, Proof::Optimal);
                prop_assert_eq!(solved.certificate.leaves, ranking.len() as u64);
            }
            Err(failure) => {
                prop_assert!(matches!(failure, SearchFailure::Infeasible(_)), "{failure}");
                prop_assert!(ranking.is_empty(), "{failure}, but {:?}", ranking[0]);
            }
        }
    }

    #[test]
    fn the_portfolio_is_that_of_brute_force((matrix, space, request, modulus) in instances()) {
        let ranking = ranking(&matrix, &space, request.objective);
        let mut judge = ModuloJudge::new(modulus.unwrap_or(u16::MAX));
        let (expected, vetoes) = greedy(&ranking, &request, &judge);
        let judge_used: Option<&mut dyn LineupJudge> = if modulus.is_some() { Some(&mut judge) } else { None };
        match solve(&matrix, &space, &request, judge_used) {
            Ok(found) => {
                let picked: Vec<(f64, Lineup)> = found.lineups.iter().map(|pick| (pick.value, pick.lineup.clone())).collect();
                if modulus.is_some() {
                    prop_assert_eq!(&picked, &expected);
                    prop_assert_eq!(&found.vetoes_by_reason, &vetoes);
                }
                let is_complete = found.end == PortfolioEnd::Complete;
                prop_assert_eq!(is_complete, picked.len() == request.lineups);
                prop_assert!(found.lineups.iter().all(|pick| pick.certificate.proof == Proof::Optimal));
            }
            Err(SearchFailure::Infeasible(Infeasible::AllVetoed { judged, vetoes: counts })) => {
                prop_assert!(expected.is_empty() && judged == ranking.len() as u64);
                prop_assert_eq!(counts, vetoes);
            }
            Err(SearchFailure::Infeasible(Infeasible::DifferencesAbovePlaces { free, .. })) => {
                prop_assert!(request.min_differences > free);
            }
            Err(failure) => {
                prop_assert!(matches!(failure, SearchFailure::Infeasible(_)), "{failure}");
                prop_assert!(ranking.is_empty(), "{failure}");
            }
        }
        prop_assert!(judge.asked.values().all(|&times| times == 1));
    }
}
