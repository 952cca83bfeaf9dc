//! The optimizer on a real slate, where it is at hand: against brute force over every lineup, and at full size against optima that
//! brute force has found once.

use std::{fs, path::PathBuf};

use paddock::{
    domain::{interrupt::Interrupt, spec::Objective},
    optimize::{
        JointRequest, Proof, ScoreMatrix, SearchSpace, Session, Unwatched, Worth, best_lineup, joint_portfolio,
    },
};
use rayon::prelude::*;

/// Drivers on the slate.
const DRIVERS: usize = 37;

/// Scenarios of the file.
const SCENARIOS: usize = 10_000;

/// The slate over every `step`-th scenario; `None` with a line on standard error where it is absent.
fn bristol(step: usize) -> Option<(ScoreMatrix, SearchSpace)> {
    let directory = std::env::var_os("PADDOCK_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = directory.join("scen_pts_10k.npy");
    if !path.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "real data not found at {}", path.display());
        eprintln!("skipped: real data not found at {}", path.display());
        return None;
    }
    // The header of the file is 128 bytes; row-major f32 follows, one row per scenario.
    let bytes = fs::read(path).unwrap();
    let numbers: Vec<f32> = bytes[128..].as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!(numbers.len(), SCENARIOS * DRIVERS);
    let column = |driver: usize| (0..SCENARIOS).step_by(step).map(move |row| row * DRIVERS + driver);
    let columns = (0..DRIVERS).flat_map(column).map(|cell| numbers[cell]).collect();
    let slate = fs::read_to_string(directory.join("slate_bristol37.csv")).unwrap();
    let rows: Vec<Vec<&str>> = slate.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let space = SearchSpace {
        salary_usd: rows.iter().map(|row| row[1].parse().unwrap()).collect(),
        names: rows.iter().map(|row| row[0].to_owned()).collect(),
        roster_size: 6,
        salary_max_usd: 50_000,
        ..SearchSpace::default()
    };
    Some((ScoreMatrix::new(DRIVERS, SCENARIOS / step, columns).unwrap(), space))
}

/// All lineups under the cap.
fn lineups(space: &SearchSpace) -> Vec<[u16; 6]> {
    fn complete(space: &SearchSpace, partial: &mut Vec<u16>, salary_usd: u32, found: &mut Vec<[u16; 6]>) {
        if partial.len() == 6 {
            found.extend(<[u16; 6]>::try_from(partial.as_slice()));
            return;
        }
        for driver in partial.last().map_or(0, |&last| last + 1)..DRIVERS as u16 {
            let salary_usd = salary_usd + space.salary_usd[usize::from(driver)];
            if salary_usd <= space.salary_max_usd {
                partial.push(driver);
                complete(space, partial, salary_usd, found);
                partial.pop();
            }
        }
    }
    let mut found = Vec::new();
    complete(space, &mut Vec::new(), 0, &mut found);
    found
}

/// In hundredths of a point, the sums that objectives are made of; ties need no care, values are compared.
fn measured(scores: &mut [i32], objective: Objective) -> f64 {
    let size = scores.len();
    match objective {
        Objective::Mean => scores.iter().map(|&score| f64::from(score)).sum::<f64>() / size as f64 / 100.0,
        Objective::UpperCvar { alpha } => {
            let count = (alpha * size as f64).round() as usize;
            let (_, _, _) = scores.select_nth_unstable(size - count);
            let tail = &scores[size - count..];
            tail.iter().map(|&score| f64::from(score)).sum::<f64>() / count as f64 / 100.0
        }
        Objective::Probability { at_least } => {
            scores.iter().filter(|&&score| score >= (at_least * 100.0) as i32).count() as f64 / size as f64
        }
        Objective::Quantile { share } => {
            f64::from(*scores.select_nth_unstable((share * size as f64).round() as usize - 1).1) / 100.0
        }
    }
}

const OBJECTIVES: [Objective; 4] = [
    Objective::Mean,
    Objective::UpperCvar { alpha: 0.05 },
    Objective::Probability { at_least: 380.0 },
    Objective::Quantile { share: 0.9 },
];

fn solve(matrix: &ScoreMatrix, space: &SearchSpace, objective: Objective) -> (Vec<u16>, f64) {
    let interrupt = Interrupt::new();
    let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
    let solved = best_lineup(matrix, space, objective, &mut session).unwrap();
    assert_eq!((solved.certificate.proof, solved.certificate.leaves), (Proof::Optimal, 2_106_658));
    (solved.lineup.entries().to_vec(), solved.value)
}

#[test]
fn every_optimum_is_that_of_brute_force_over_two_million_lineups() {
    let Some((matrix, space)) = bristol(20) else { return };
    let columns: Vec<Vec<i32>> = (0..DRIVERS)
        .map(|driver| matrix.column(driver).iter().map(|points| (f64::from(*points) * 100.0).round() as i32).collect())
        .collect();
    let all = lineups(&space);
    assert_eq!(all.len(), 2_106_658);
    for objective in OBJECTIVES {
        let value = |lineup: &[u16; 6]| {
            let score = |scenario: usize| lineup.iter().map(|&driver| columns[usize::from(driver)][scenario]).sum();
            measured(&mut (0..matrix.scenarios()).map(score).collect::<Vec<i32>>(), objective)
        };
        let best = all.par_iter().map(value).reduce(|| f64::NEG_INFINITY, f64::max);
        let (_, found) = solve(&matrix, &space, objective);
        assert!((found - best).abs() < 1e-9, "{objective:?}: {found} is not {best}");
    }
}

#[test]
fn the_optima_over_ten_thousand_scenarios_stay_as_they_are() {
    let Some((matrix, space)) = bristol(1) else { return };
    let expected = [
        ([3, 5, 8, 14, 15, 28], 272.254_555),
        ([1, 3, 8, 14, 24, 28], 437.304_9),
        ([2, 3, 8, 14, 24, 28], 0.091_6),
        ([2, 3, 8, 14, 22, 28], 375.4),
    ];
    for (objective, (lineup, value)) in OBJECTIVES.into_iter().zip(expected) {
        let (found, found_value) = solve(&matrix, &space, objective);
        assert_eq!(found, lineup, "{objective:?}");
        assert!((found_value - value).abs() < 1e-9, "{objective:?}: {found_value}");
    }
}

#[test]
fn a_portfolio_of_150_is_proven_to_be_within_five_percent_of_the_optimum() {
    let Some((matrix, space)) = bristol(5) else { return };
    let interrupt = Interrupt::new();
    for worth in [Worth::ExpectedMaximum, Worth::AnyReaches(380.0)] {
        let request = JointRequest { worth, lineups: 150, min_differences: 1, exposures: Vec::new() };
        let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
        let found = joint_portfolio(&matrix, &space, &request, None, &mut session).unwrap();
        assert_eq!(found.lineups.len(), 150);
        assert!(found.value >= 0.95 * found.upper_bound, "{} of {}", found.value, found.upper_bound);
    }
}
