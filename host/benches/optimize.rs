//! How fast the optimizer is at the size of a real contest: 40 entries, 10,000 scenarios, and 6 or 5 places. Run with
//! `cargo bench -p paddock --profile release --bench optimize`; medians are what the documentation quotes.

use divan::{Bencher, black_box};
use paddock::{
    domain::{interrupt::Interrupt, lineup::Lineup, spec::Objective},
    optimize::{
        PortfolioRequest, ScoreMatrix, SearchFailure, SearchSpace, Session, Solved, Unwatched, best_lineup, portfolio,
        score_lineups,
    },
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Cars on the slate.
const ENTRIES: usize = 40;

/// Share of scenarios in the tail.
const ALPHA: f64 = 0.05;

fn main() {
    divan::main();
}

/// Contest forms: places, and whether points are those of DraftKings (fastest laps count) or FanDuel.
const PLACES: [usize; 2] = [6, 5];

#[divan::bench(args = PLACES, sample_count = 5, sample_size = 1)]
fn single_mean(bencher: Bencher<'_, '_>, places: usize) {
    let (matrix, space) = contest(10_000, places);
    bencher.bench_local(|| single(black_box(&matrix), &space, Objective::Mean));
}

#[divan::bench(args = PLACES, sample_count = 5, sample_size = 1)]
fn single_upper_cvar(bencher: Bencher<'_, '_>, places: usize) {
    let (matrix, space) = contest(10_000, places);
    bencher.bench_local(|| single(black_box(&matrix), &space, tail()));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn single_upper_cvar_of_100000(bencher: Bencher<'_, '_>) {
    let (matrix, space) = contest(100_000, 6);
    bencher.bench_local(|| single(black_box(&matrix), &space, tail()));
}

/// The chance of 350 points, which the best lineups reach in about a tenth of the races.
#[divan::bench(args = PLACES, sample_count = 5, sample_size = 1)]
fn single_probability(bencher: Bencher<'_, '_>, places: usize) {
    let (matrix, space) = contest(10_000, places);
    bencher.bench_local(|| single(black_box(&matrix), &space, Objective::Probability { at_least: 350.0 }));
}

#[divan::bench(args = PLACES, sample_count = 5, sample_size = 1)]
fn single_quantile(bencher: Bencher<'_, '_>, places: usize) {
    let (matrix, space) = contest(10_000, places);
    bencher.bench_local(|| single(black_box(&matrix), &space, Objective::Quantile { share: 0.9 }));
}

/// The 150 best lineups, and twenty of which any two differ in two drivers.
#[divan::bench(args = [(150, 1), (20, 2)], sample_count = 5, sample_size = 1)]
fn several_by_upper_cvar(bencher: Bencher<'_, '_>, (lineups, min_differences): (usize, usize)) {
    let (matrix, space) = contest(10_000, 6);
    let request = PortfolioRequest { objective: tail(), lineups, min_differences };
    let interrupt = Interrupt::new();
    bencher.bench_local(|| {
        let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
        portfolio(black_box(&matrix), &space, &request, None, &mut session)
    });
}

fn single(matrix: &ScoreMatrix, space: &SearchSpace, objective: Objective) -> Result<Solved, SearchFailure> {
    let interrupt = Interrupt::new();
    best_lineup(matrix, space, objective, &mut Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None })
}

/// Full distributions of a thousand given lineups.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn score_1000_lineups(bencher: Bencher<'_, '_>) {
    let (matrix, _) = contest(10_000, 6);
    let first = |index: u16| (0..6).map(|step| (index * 7 + step * 5) % ENTRIES as u16).collect();
    let lineups: Vec<Lineup> = (0..1_000).map(|index| Lineup::new(first(index))).collect();
    bencher.bench_local(|| score_lineups(black_box(&matrix), &lineups, ALPHA));
}

const fn tail() -> Objective {
    Objective::UpperCvar { alpha: ALPHA }
}

/// Simulated races of cars of falling strength: finishing points, moves from the start, and dominators who lead laps.
/// Salaries follow the strength, with noise, in steps of 100.
fn contest(scenarios: usize, places: usize) -> (ScoreMatrix, SearchSpace) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut columns = vec![0.0; ENTRIES * scenarios];
    for scenario in 0..scenarios {
        let points = race(&mut random);
        for (entry, points) in points.into_iter().enumerate() {
            columns[entry * scenarios + scenario] = points;
        }
    }
    let salary =
        |entry: usize, noise: f64| 4_500 + (70.0 * (1.0 - entry as f64 / 40.0).powi(2) + 8.0 * noise) as u32 * 100;
    let space = SearchSpace {
        salary_usd: (0..ENTRIES).map(|entry| salary(entry, random.random())).collect(),
        roster_size: places,
        salary_max_usd: 50_000,
        names: (0..ENTRIES).map(|entry| format!("Car {entry}")).collect(),
        ..SearchSpace::default()
    };
    let matrix = ScoreMatrix::new(ENTRIES, scenarios, columns).unwrap_or_else(|error| panic!("{error}"));
    (matrix, space)
}

/// Points of each car in one race.
fn race(random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let mut noise = || (random.random::<f64>() / (1.0 - random.random::<f64>())).ln();
    let paces: Vec<f64> = (0..ENTRIES).map(|entry| noise() - 0.09 * entry as f64).collect();
    let starts: Vec<f64> = (0..ENTRIES).map(|entry| entry as f64 + 4.0 * noise()).collect();
    let places = |values: &[f64], descending: bool| -> Vec<usize> {
        let rank =
            |value: &f64| values.iter().filter(|other| (*other > value) == descending && *other != value).count();
        values.iter().map(rank).collect()
    };
    let (finish, start) = (places(&paces, true), places(&starts, false));
    let points = |entry: usize| {
        let (finish, start) = (finish[entry] as f32, start[entry] as f32);
        let dominates = (-finish / 2.0).exp() * 100.0 * (1.0 - start / 80.0);
        (45.0 - finish) + (start - finish) + (0.7 * dominates).round() / 4.0 * 2.0
    };
    (0..ENTRIES).map(points).collect()
}
