//! The optimizer's figures, one table: what the README quotes. Run with
//! `cargo bench -p paddock --profile release --bench figures [-- WORD...]`; words choose rows by name.
//!
//! The slate is real where `PADDOCK_REAL_DATA` has one (37 drivers, 10,000 scenarios) and made up otherwise; a row says which.
//! `--write DIR` leaves the slate and what was found on it there, for other programs to be measured on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use paddock::{
    domain::{interrupt::Interrupt, spec::Objective},
    optimize::{
        JointRequest, Payouts, PortfolioRequest, ScoreMatrix, SearchSpace, Session, Unwatched, Worth, best_lineup,
        joint_portfolio, portfolio, sample_field,
    },
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Share of scenarios in the tail.
const ALPHA: f64 = 0.05;

/// Runs of a row that takes a moment, and of one that takes seconds.
const RUNS: (usize, usize) = (7, 3);

/// A slate and its scenarios.
struct Slate {
    name: &'static str,
    matrix: ScoreMatrix,
    space: SearchSpace,
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let directory = words.iter().position(|word| word == "--write").map(|at| {
        words.remove(at);
        PathBuf::from(words.remove(at))
    });
    println!("{:<58} {:>10} {:>10}  found", "", "median", "fastest");
    let mut figures = Figures { words };
    let classic = real().unwrap_or_else(|| made_up(37, 10_000, 6));
    if let Some(directory) = directory {
        write(&classic, &directory);
    }
    figures.singles(&classic);
    figures.portfolios(&classic);
    let mut places = classic;
    places.space.roster_size = 5;
    figures.single("FanDuel form, 5 places: CVaR 5 %", &places, tail(), RUNS.0);
    let sizes = [
        ("60 entries: CVaR 5 %", 60, 10_000, RUNS.1),
        ("100,000 scenarios: CVaR 5 %", 37, 100_000, RUNS.1),
        ("1,000,000 scenarios: CVaR 5 %", 37, 1_000_000, 1),
    ];
    for (name, entries, scenarios, runs) in sizes {
        if figures.wants(name) {
            figures.single(name, &made_up(entries, scenarios, 6), tail(), runs);
        }
    }
    println!("peak memory of all of these: {} MiB", peak_memory_mib());
}

const fn tail() -> Objective {
    Objective::UpperCvar { alpha: ALPHA }
}

struct Figures {
    words: Vec<String>,
}

impl Figures {
    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Times `run`, which says what it has found.
    fn row(&mut self, name: &str, slate: &Slate, runs: usize, run: impl Fn() -> String) {
        let name = format!("{name} ({})", slate.name);
        if !self.wants(&name) {
            return;
        }
        let mut times = Vec::with_capacity(runs);
        let mut found = String::new();
        for _ in 0..runs {
            let started = Instant::now();
            found = run();
            times.push(started.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        println!("{name:<58} {:>8.3} s {:>8.3} s  {found}", times[runs / 2], times[0]);
    }

    fn single(&mut self, name: &str, slate: &Slate, objective: Objective, runs: usize) {
        self.row(name, slate, runs, || {
            let interrupt = Interrupt::new();
            let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
            let solved = best_lineup(&slate.matrix, &slate.space, objective, &mut session);
            let solved = solved.unwrap_or_else(|error| panic!("{error}"));
            let certificate = solved.certificate;
            format!(
                "{:.4} {:?}, {} of {} lineups cut",
                solved.value, solved.lineup.0, certificate.pruned, certificate.leaves
            )
        });
    }

    fn singles(&mut self, slate: &Slate) {
        self.single("mean", slate, Objective::Mean, RUNS.0);
        self.single("CVaR 5 %", slate, tail(), RUNS.0);
        for at_least in [340.0, 380.0] {
            self.single(&format!("P(score >= {at_least})"), slate, Objective::Probability { at_least }, RUNS.0);
        }
        self.single("90 % quantile", slate, Objective::Quantile { share: 0.9 }, RUNS.0);
        for (name, objective) in [("150 best by mean", Objective::Mean), ("150 best by CVaR 5 %", tail())] {
            self.row(name, slate, RUNS.0, || {
                let interrupt = Interrupt::new();
                let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
                let request = PortfolioRequest { objective, lineups: 150, min_differences: 1 };
                let found = portfolio(&slate.matrix, &slate.space, &request, None, &mut session);
                let found = found.unwrap_or_else(|error| panic!("{error}"));
                format!("{} lineups, the last one {:.4}", found.lineups.len(), found.lineups[149].value)
            });
        }
    }

    fn portfolios(&mut self, slate: &Slate) {
        let payouts = payouts(&slate.space, 2_000);
        let worths = [
            ("150 lineups: expected maximum".to_owned(), Worth::ExpectedMaximum, 150),
            ("150 lineups: P(any >= 340)".to_owned(), Worth::AnyReaches(340.0), 150),
            ("150 lineups: P(any >= 380)".to_owned(), Worth::AnyReaches(380.0), 150),
            ("1 lineup: payout among 2,000".to_owned(), Worth::Payout(payouts.clone().into()), 1),
            ("20 lineups: payout among 2,000".to_owned(), Worth::Payout(payouts.clone().into()), 20),
            ("150 lineups: payout among 2,000".to_owned(), Worth::Payout(payouts.into()), 150),
        ];
        for (name, worth, lineups) in worths {
            self.row(&name, slate, 1, || {
                let interrupt = Interrupt::new();
                let mut session = Session { interrupt: &interrupt, watch: &mut Unwatched, resume: None };
                let request = JointRequest { worth: worth.clone(), lineups, min_differences: 1, exposures: Vec::new() };
                let found = joint_portfolio(&slate.matrix, &slate.space, &request, None, &mut session);
                let found = found.unwrap_or_else(|error| panic!("{error}"));
                let share = 100.0 * found.value / found.upper_bound;
                format!(
                    "{:.4}, bound {:.4} ({share:.2} %), {} evaluated, {} swaps",
                    found.value, found.upper_bound, found.evaluated, found.swaps
                )
            });
        }
    }
}

/// A top-heavy contest: a tenth of 20 dollars stays with the house, a fifth of the entrants wins something.
fn payouts(space: &SearchSpace, entrants: usize) -> Payouts {
    let pool = 18.0 * entrants as f64;
    let tiers = [
        (1, 0.20),
        (1, 0.08),
        (1, 0.05),
        (2, 0.06),
        (5, 0.07),
        (10, 0.08),
        (20, 0.08),
        (40, 0.08),
        (120, 0.12),
        (200, 0.18),
    ];
    let tier =
        |&(places, share): &(usize, f64)| std::iter::repeat_n((pool * share / places as f64 * 1e6) as i64, places);
    let ownership: Vec<f64> = space.salary_usd.iter().map(|&salary| f64::from(salary).powi(2)).collect();
    let opponents = sample_field(space, &ownership, entrants, 1).unwrap_or_else(|error| panic!("{error}"));
    Payouts { prizes: tiers.iter().flat_map(tier).collect(), fee: 20_000_000, opponents }
}

/// The slate of the real data, where it is at hand.
fn real() -> Option<Slate> {
    const DRIVERS: usize = 37;
    let directory = std::env::var_os("PADDOCK_REAL_DATA").map(PathBuf::from)?;
    let bytes = fs::read(directory.join("scen_pts_10k.npy")).ok()?;
    let text = fs::read_to_string(directory.join("slate_bristol37.csv")).ok()?;
    // The header of the file is 128 bytes; row-major f32 follows, one row per scenario.
    let numbers: Vec<f32> = bytes[128..].as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let scenarios = numbers.len() / DRIVERS;
    let cell = |index: usize| numbers[index % scenarios * DRIVERS + index / scenarios];
    let columns = (0..DRIVERS * scenarios).map(cell).collect();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let space = SearchSpace {
        salary_usd: rows.iter().filter_map(|row| row[1].parse().ok()).collect(),
        names: rows.iter().map(|row| row[0].to_owned()).collect(),
        roster_size: 6,
        salary_max_usd: 50_000,
        ..SearchSpace::default()
    };
    let matrix = ScoreMatrix::new(DRIVERS, scenarios, columns).ok()?;
    Some(Slate { name: "real", matrix, space })
}

/// Simulated races of cars of falling strength: finishing points, moves from the start, and dominators who lead laps.
/// Salaries follow the strength, with noise, in steps of 100.
fn made_up(entries: usize, scenarios: usize, places: usize) -> Slate {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut columns = vec![0.0; entries * scenarios];
    for scenario in 0..scenarios {
        for (entry, points) in race(&mut random, entries).into_iter().enumerate() {
            columns[entry * scenarios + scenario] = points;
        }
    }
    let salary = |entry: usize, noise: f64| {
        4_500 + (70.0 * (1.0 - entry as f64 / entries as f64).powi(2) + 8.0 * noise) as u32 * 100
    };
    let space = SearchSpace {
        salary_usd: (0..entries).map(|entry| salary(entry, random.random())).collect(),
        roster_size: places,
        salary_max_usd: 50_000,
        names: (0..entries).map(|entry| format!("Car {entry}")).collect(),
        ..SearchSpace::default()
    };
    let matrix = ScoreMatrix::new(entries, scenarios, columns).unwrap_or_else(|error| panic!("{error}"));
    Slate { name: "made up", matrix, space }
}

/// Points of each car in one race.
fn race(random: &mut Xoshiro256PlusPlus, entries: usize) -> Vec<f32> {
    let mut noise = || (random.random::<f64>() / (1.0 - random.random::<f64>())).ln();
    let paces: Vec<f64> = (0..entries).map(|entry| noise() - 0.09 * entry as f64).collect();
    let starts: Vec<f64> = (0..entries).map(|entry| entry as f64 + 4.0 * noise()).collect();
    let places = |values: &[f64], descending: bool| -> Vec<usize> {
        let rank =
            |value: &f64| values.iter().filter(|other| (*other > value) == descending && *other != value).count();
        values.iter().map(rank).collect()
    };
    let (finish, start) = (places(&paces, true), places(&starts, false));
    let points = |entry: usize| {
        let (finish, start) = (finish[entry] as f32, start[entry] as f32);
        let dominates = (-finish / 2.0).exp() * 100.0 * (1.0 - start / 80.0);
        ((45.0 - finish).max(0.0) + (start - finish) + (0.7 * dominates).round() / 4.0 * 2.0).max(-40.0)
    };
    (0..entries).map(points).collect()
}

/// Leaves the slate as `slate.csv` (name, salary) and `points.f32` (row-major, scenario by scenario).
fn write(slate: &Slate, directory: &Path) {
    let (entries, scenarios) = (slate.matrix.entries(), slate.matrix.scenarios());
    let rows = slate.space.names.iter().zip(&slate.space.salary_usd);
    let text: String = rows.map(|(name, salary)| format!("{name},{salary}\n")).collect();
    let cells = (0..scenarios).flat_map(|scenario| (0..entries).map(move |entry| (scenario, entry)));
    let bytes: Vec<u8> =
        cells.flat_map(|(scenario, entry)| slate.matrix.column(entry)[scenario].to_le_bytes()).collect();
    let written =
        fs::write(directory.join("slate.csv"), text).and_then(|()| fs::write(directory.join("points.f32"), bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
}

/// What Linux says the process has used at most.
fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
