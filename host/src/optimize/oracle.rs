//! Brute force over every lineup, by definition and without any bound: what the search must agree with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Demand, Infeasible, JudgeFailure, LineupJudge, Portfolio, PortfolioEnd, PortfolioRequest, Proof, Rule, ScoreMatrix,
    SearchFailure, SearchSpace, Session, Unwatched, best_lineup, portfolio,
};
use crate::domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective};

/// Every feasible lineup with its value, best first, ties lexicographic.
pub(super) fn ranking(matrix: &ScoreMatrix, space: &SearchSpace, objective: Objective) -> Vec<(f64, Lineup)> {
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

pub(super) fn is_feasible(space: &SearchSpace, lineup: &Lineup) -> bool {
    let salary_usd: u32 = lineup.entries().iter().map(|&entry| space.salary_usd[usize::from(entry)]).sum();
    lineup.entries().len() == space.roster_size
        && (space.salary_min_usd..=space.salary_max_usd).contains(&salary_usd)
        && space.locks.iter().all(|lock| lineup.entries().contains(lock))
        && !space.excludes.iter().any(|exclude| lineup.entries().contains(exclude))
        && space.rules.iter().all(|rule| is_met(&rule.demand, lineup))
        && space.twins.iter().all(|twins| lineup.entries().iter().filter(|entry| twins.contains(entry)).count() <= 1)
}

fn is_met(demand: &Demand, lineup: &Lineup) -> bool {
    let count = |set: &[u16]| lineup.entries().iter().filter(|entry| set.contains(entry)).count() as u32;
    match demand {
        Demand::Count { of, at_least, at_most } => (*at_least..=*at_most).contains(&count(of)),
        Demand::IfAny { any, then, at_least } => count(any) == 0 || count(then) >= *at_least,
        Demand::Linear { weights, at_least, at_most } => {
            let sum: f64 = lineup.entries().iter().map(|&entry| weights[usize::from(entry)]).sum();
            (*at_least..=*at_most).contains(&sum)
        }
    }
}

/// By the words of the objective's documentation, in floating point; points are in quarters, so all sums are exact.
pub(super) fn value(matrix: &ScoreMatrix, lineup: &Lineup, objective: Objective) -> f64 {
    let score = |scenario: usize| -> f64 {
        lineup.entries().iter().map(|&entry| f64::from(matrix.column(usize::from(entry))[scenario])).sum()
    };
    let mut scores: Vec<f64> = (0..matrix.scenarios()).map(score).collect();
    scores.sort_by(f64::total_cmp);
    let size = scores.len();
    let part = |share: f64| ((share * size as f64 - 1e-9).ceil() as usize).max(1);
    match objective {
        Objective::Mean => scores.iter().sum::<f64>() / size as f64,
        Objective::UpperCvar { alpha } => scores[size - part(alpha)..].iter().sum::<f64>() / part(alpha) as f64,
        Objective::Probability { at_least } => {
            scores.iter().filter(|&&score| score >= at_least).count() as f64 / size as f64
        }
        Objective::Quantile { share } => scores[part(share) - 1],
    }
}

/// Vetoes by a fixed rule that has nothing to do with points, and counts how often it is asked.
pub(super) struct ModuloJudge {
    modulus: u16,
    asked: BTreeMap<Lineup, usize>,
}

impl ModuloJudge {
    pub fn new(modulus: u16) -> Self {
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

/// Vetoes what has one of some sets, whole lineups and parts alike.
struct SetJudge(Vec<Vec<u16>>);

impl SetJudge {
    fn verdict(&self, lineup: &Lineup) -> u8 {
        let has = |set: &Vec<u16>| set.iter().all(|entry| lineup.entries().contains(entry));
        u8::from(self.0.iter().any(has))
    }
}

impl LineupJudge for SetJudge {
    fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, JudgeFailure> {
        Ok(lineups.iter().map(|lineup| self.verdict(lineup)).collect())
    }

    fn judge_partial(&mut self, lineups: &[Lineup]) -> Result<Option<Vec<u8>>, JudgeFailure> {
        self.judge(lineups).map(Some)
    }
}

/// The greedy portfolio over a full ranking, and the vetoes met on the way.
fn greedy(
    ranking: &[(f64, Lineup)],
    request: &PortfolioRequest,
    judge: impl Fn(&Lineup) -> u8,
) -> (Vec<(f64, Lineup)>, BTreeMap<u8, u64>) {
    let mut picked: Vec<(f64, Lineup)> = Vec::new();
    let mut vetoes = BTreeMap::new();
    for (value, lineup) in ranking {
        let is_far = picked.iter().all(|(_, other)| lineup.differences(other) >= request.min_differences);
        if picked.len() == request.lineups || !is_far {
            continue;
        }
        match judge(lineup) {
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
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    portfolio(matrix, space, request, judge, &mut session)
}

fn space(salary_usd: &[u32], roster_size: usize, salary_max_usd: u32) -> SearchSpace {
    SearchSpace {
        salary_usd: salary_usd.to_vec(),
        roster_size,
        salary_min_usd: 0,
        salary_max_usd,
        locks: Vec::new(),
        excludes: Vec::new(),
        rules: Vec::new(),
        twins: Vec::new(),
        never: Vec::new(),
        names: (0..salary_usd.len()).map(|entry| format!("Driver {entry}")).collect(),
    }
}

/// Any rule over a slate; weights are quarters.
fn demands(entries: u16) -> impl Strategy<Value = Demand> {
    let set = prop::collection::btree_set(0..entries, 1..=usize::from(entries).min(5))
        .prop_map(|set| set.into_iter().collect::<Vec<u16>>());
    let count = (set.clone(), 0_u32..3, 0_u32..4).prop_map(|(of, at_least, more)| Demand::Count {
        of,
        at_least,
        at_most: at_least + more,
    });
    let condition =
        (set.clone(), set, 1_u32..3).prop_map(|(any, then, at_least)| Demand::IfAny { any, then, at_least });
    let weights =
        prop::collection::vec((-8_i8..20).prop_map(|quarters| f64::from(quarters) / 4.0), usize::from(entries));
    let linear = (weights, -10_i8..5, 0_i8..30).prop_map(|(weights, low, width)| {
        let (at_least, at_most) = (f64::from(low), f64::from(low) + f64::from(width));
        Demand::Linear { weights, at_least, at_most }
    });
    prop_oneof![2 => count, 2 => condition, 1 => linear]
}

/// Points in quarters, so that ties happen.
pub(super) fn instances() -> impl Strategy<Value = (ScoreMatrix, SearchSpace, PortfolioRequest, Option<u16>)> {
    let shape = (1_usize..=9, 1_usize..=40).prop_flat_map(|(entries, scenarios)| {
        let points =
            prop::collection::vec((-80_i16..400).prop_map(|quarters| f32::from(quarters) / 4.0), entries * scenarios);
        let salaries = prop::collection::vec((1_u32..12).prop_map(|thousands| thousands * 1_000), entries);
        let picks = prop::collection::vec(0..entries as u16, 0..3);
        let rules = prop::collection::vec(demands(entries as u16), 0..3);
        (Just((entries, scenarios)), points, salaries, 1..=entries.min(7), picks.clone(), picks, rules)
    });
    let money = (prop::option::of(5_000_u32..40_000), prop::option::of(8_000_u32..60_000));
    let objective = prop_oneof![
        Just(Objective::Mean),
        (0.01..1.0).prop_map(|alpha| Objective::UpperCvar { alpha }),
        (-20_i16..900).prop_map(|quarters| Objective::Probability { at_least: f64::from(quarters) / 4.0 }),
        (0.01..0.99).prop_map(|share| Objective::Quantile { share }),
    ];
    let request = (objective, 1_usize..60, 1_usize..4);
    let twins = prop::bool::weighted(0.2);
    (shape, money, request, prop::option::of(1_u16..6), twins).prop_map(|(shape, money, request, modulus, twins)| {
        let ((entries, scenarios), points, salary_usd, roster_size, locks, excludes, rules) = shape;
        let (objective, lineups, min_differences) = request;
        let space = SearchSpace {
            salary_min_usd: money.0.unwrap_or(0),
            salary_max_usd: money.1.unwrap_or(u32::MAX),
            locks: if modulus == Some(5) { Vec::new() } else { locks },
            excludes,
            rules: rules.into_iter().map(|demand| Rule { name: "rule".to_owned(), demand }).collect(),
            twins: if twins && entries > 3 { vec![vec![0, entries as u16 - 1], vec![1, 2]] } else { Vec::new() },
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
        let interrupt = Interrupt::new();
        let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
        match best_lineup(&matrix, &space, request.objective, &mut session) {
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
    fn a_judge_of_partial_lineups_changes_no_pick(
        (matrix, space, request, _) in instances(),
        sets in prop::collection::vec(prop::collection::btree_set(0_u16..9, 1..5), 0..6),
    ) {
        let sets: Vec<Vec<u16>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        let mut judge = SetJudge(sets);
        let ranking = ranking(&matrix, &space, request.objective);
        let (expected, _) = greedy(&ranking, &request, |lineup| judge.verdict(lineup));
        match solve(&matrix, &space, &request, Some(&mut judge)) {
            Ok(found) => {
                let picked: Vec<(f64, Lineup)> = found.lineups.iter().map(|pick| (pick.value, pick.lineup.clone())).collect();
                prop_assert_eq!(picked, expected);
            }
            Err(SearchFailure::Infeasible(Infeasible::DifferencesAbovePlaces { free, .. })) => {
                prop_assert!(request.min_differences > free);
            }
            Err(failure) => {
                prop_assert!(matches!(failure, SearchFailure::Infeasible(_)), "{failure}");
                prop_assert!(expected.is_empty(), "{failure}");
            }
        }
    }

    #[test]
    fn the_portfolio_is_that_of_brute_force((matrix, space, request, modulus) in instances()) {
        let ranking = ranking(&matrix, &space, request.objective);
        let mut judge = ModuloJudge::new(modulus.unwrap_or(u16::MAX));
        let (expected, vetoes) = greedy(&ranking, &request, |lineup| judge.verdict(lineup));
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
