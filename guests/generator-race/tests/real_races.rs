//! Simulated races look like the 251 real ones: each statistic of the shape, per track type, within a stated tolerance.

use std::fmt::Write as _;

use generator_race::scenario::{Row, Simulator};
use generator_race::shape::Shape;
use paddock_sdk::{Rng, TrackType};

mod real;
use real::RealRace;

/// A statistic of races: its name, its tolerance between simulated and real mean, and its value for one race.
type Statistic = (&'static str, f64, fn(&RealRace) -> f64);

const STATISTICS: &[Statistic] = &[
    ("leaders", 1.5, |race| race.led.iter().filter(|&&led| led > 0).count() as f64),
    ("share of laps led, first", 0.05, |race| ranked_share(&race.led, race.race_laps, 0)),
    ("share of laps led, second", 0.05, |race| ranked_share(&race.led, race.race_laps, 1)),
    ("share of laps led, third", 0.04, |race| ranked_share(&race.led, race.race_laps, 2)),
    ("winner's share of laps led", 0.06, |race| share(race.led[0], race.race_laps)),
    ("pole sitter's share of laps led", 0.06, |race| share(race.led[pole(race)], race.race_laps)),
    ("winner led the most laps", 0.14, |race| f64::from(u8::from(race.led.iter().max() == Some(&race.led[0])))),
    ("mean finish of a lap's leader", 2.5, |race| mean_index(&race.led)),
    ("mean start of a lap's leader", 2.5, |race| weighted_mean(&race.led, &race.start)),
    ("fastest laps per lap", 0.05, |race| f64::from(race.fastest.iter().sum::<u16>()) / f64::from(race.race_laps)),
    ("share of fastest laps, first", 0.05, |race| ranked_share(&race.fastest, race.fastest.iter().sum(), 0)),
    ("share of fastest laps, second", 0.05, |race| ranked_share(&race.fastest, race.fastest.iter().sum(), 1)),
    ("cars with a fastest lap", 4.5, |race| race.fastest.iter().filter(|&&fastest| fastest > 0).count() as f64),
    ("winner's share of fastest laps", 0.05, |race| share(race.fastest[0], race.fastest.iter().sum())),
    ("correlation of led and fastest laps", 0.25, |race| correlation(&race.led, &race.fastest)),
    ("retired share", 0.03, |race| f64::from(race.retired.iter().sum::<u8>()) / race.retired.len() as f64),
    ("mean place of the retired", 0.05, mean_retired_place),
    ("share of the distance of the retired", 0.08, mean_retired_distance),
    ("cars on the lead lap", 3.0, |race| race.completed.iter().filter(|&&laps| laps == race.race_laps).count() as f64),
    ("laps down of running cars", 2.5, mean_laps_down),
    ("best contest score", 9.0, |race| contest_scores(race)[0]),
    ("six best contest scores", 16.0, |race| contest_scores(race)[..6].iter().sum()),
];

/// Given the real order, starts and rough worths, the rest of the race is simulated 40 times for each real race.
#[test]
fn simulated_races_have_the_shape_of_real_ones() {
    let Some(races) = real::races() else { return };
    let mut report = String::new();
    let mut is_off = false;
    for track_type in TrackType::ALL.into_iter().filter(|&track_type| track_type != TrackType::Dirt) {
        let here: Vec<&RealRace> = races.iter().filter(|race| race.track_type == track_type).collect();
        let simulated: Vec<RealRace> = here.iter().flat_map(|race| (0..40).map(|k| simulate_below(race, k))).collect();
        for (name, tolerance, value) in STATISTICS {
            let real = mean(here.iter().map(|race| value(race)));
            let ours = mean(simulated.iter().map(value));
            let is_within = (real - ours).abs() <= *tolerance;
            is_off |= !is_within;
            let mark = if is_within { " " } else { "*" };
            let _ =
                writeln!(report, "{mark} {track_type:?} {name}: real {real:.3}, simulated {ours:.3}, +-{tolerance}");
        }
    }
    println!("{report}");
    assert!(!is_off, "statistics outside their tolerance are marked *\n{report}");
}

/// With orders simulated from a two-parameter attrition model fitted per track type, cars move as far as in real races.
#[test]
fn simulated_orders_move_as_far_from_the_start_as_real_ones() {
    let Some(races) = real::races() else { return };
    for track_type in TrackType::ALL.into_iter().filter(|&track_type| track_type != TrackType::Dirt) {
        let here: Vec<&RealRace> = races.iter().filter(|race| race.track_type == track_type).collect();
        let weights = fit_attrition(&here);
        let moves = |race: &RealRace| {
            mean((0..).zip(&race.start).map(|(k, &start)| (f64::from(start) - f64::from(k + 1)).abs()))
        };
        let real = mean(here.iter().map(|race| moves(race)));
        let ours = mean(here.iter().flat_map(|race| (0..20).map(|k| moves(&simulate_whole(race, weights, k)))));
        println!("{track_type:?}: weights {weights:?}, moves per car real {real:.2}, simulated {ours:.2}");
        assert!((real - ours).abs() <= 1.0, "{track_type:?}: moves per car real {real:.2}, simulated {ours:.2}");
    }
}

fn simulate_below(race: &RealRace, replicate: u64) -> RealRace {
    let order: Vec<u16> = (1..=race.start.len() as u16).collect();
    simulate(race, &race.worth, replicate, |simulator, rng, row| {
        simulator.simulate_given_finish(rng, &race.worth, &order, row);
    })
}

fn simulate_whole(race: &RealRace, weights: [f64; 2], replicate: u64) -> RealRace {
    let worth = worths(race, weights);
    simulate(race, &worth, replicate, |simulator, rng, row| simulator.simulate(rng, &worth, row))
}

/// A simulated race in the place of `race`, its cars in finish order as `race`'s are.
fn simulate(
    race: &RealRace,
    worth: &[f64],
    replicate: u64,
    draw: impl FnOnce(&mut Simulator, &mut Rng, Row<'_>),
) -> RealRace {
    let n = race.start.len();
    let mut simulator = Simulator::new(&Shape::fitted(race.track_type), race.start.clone(), race.race_laps);
    let key = race
        .driver
        .iter()
        .flat_map(|name| name.bytes())
        .fold(7, |key: u64, byte| key.wrapping_mul(31) + u64::from(byte));
    let mut rng = Rng::for_stream(key, replicate);
    let (mut finish, mut led, mut fastest, mut completed, mut retired) =
        (vec![0; n], vec![0; n], vec![0; n], vec![0; n], vec![0; n]);
    draw(
        &mut simulator,
        &mut rng,
        Row {
            finish: &mut finish,
            laps_led: &mut led,
            fastest_laps: &mut fastest,
            laps_completed: &mut completed,
            retired: &mut retired,
        },
    );
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&entry| finish[entry]);
    let sorted = |values: &[u16]| order.iter().map(|&entry| values[entry]).collect();
    RealRace {
        track_type: race.track_type,
        race_laps: race.race_laps,
        driver: order.iter().map(|&entry| race.driver[entry].clone()).collect(),
        start: sorted(&race.start),
        led: sorted(&led),
        fastest: sorted(&fastest),
        completed: sorted(&completed),
        retired: order.iter().map(|&entry| retired[entry]).collect(),
        worth: order.iter().map(|&entry| worth[entry]).collect(),
    }
}

fn worths(race: &RealRace, weights: [f64; 2]) -> Vec<f64> {
    let n = race.start.len();
    let covariate = |start: u16| attrition_model::start_covariate(start, n);
    race.worth
        .iter()
        .zip(&race.start)
        .map(|(worth, &start)| weights[0] * worth + weights[1] * covariate(start))
        .collect()
}

/// Maximum likelihood of (weight of worth, weight of start) by gradient ascent on the attrition order's log-likelihood,
/// sum over places k = n..2 of -w_k - log sum_(j <= k) exp(-w_j).
fn fit_attrition(races: &[&RealRace]) -> [f64; 2] {
    let mut weights = [0.5, 0.3];
    let cars: usize = races.iter().map(|race| race.start.len()).sum();
    for _ in 0..200 {
        let mut gradient = [0.0; 2];
        for race in races {
            let n = race.start.len();
            let features: Vec<[f64; 2]> =
                (0..n).map(|k| [race.worth[k], attrition_model::start_covariate(race.start[k], n)]).collect();
            let (mut mass, mut moments) = (0.0, [0.0; 2]);
            for (k, (worth, feature)) in worths(race, weights).iter().zip(&features).enumerate() {
                let rate = (-worth).exp();
                mass += rate;
                for axis in 0..2 {
                    moments[axis] += rate * feature[axis];
                    gradient[axis] += if k > 0 { moments[axis] / mass - feature[axis] } else { 0.0 };
                }
            }
        }
        for axis in 0..2 {
            weights[axis] += 1.0 * gradient[axis] / cars as f64;
        }
    }
    weights
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) =
        values.filter(|value| value.is_finite()).fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}

fn share(part: u16, whole: u16) -> f64 {
    f64::from(part) / f64::from(whole)
}

fn ranked_share(parts: &[u16], whole: u16, rank: usize) -> f64 {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    share(sorted[rank], whole)
}

fn pole(race: &RealRace) -> usize {
    race.start.iter().position(|&start| start == 1).expect("a pole sitter")
}

fn mean_index(weights: &[u16]) -> f64 {
    let positions: Vec<u16> = (1..=weights.len() as u16).collect();
    weighted_mean(weights, &positions)
}

fn weighted_mean(weights: &[u16], values: &[u16]) -> f64 {
    let sum: f64 = weights.iter().zip(values).map(|(&weight, &value)| f64::from(weight) * f64::from(value)).sum();
    sum / f64::from(weights.iter().sum::<u16>())
}

fn correlation(left: &[u16], right: &[u16]) -> f64 {
    let n = left.len() as f64;
    let centre = |values: &[u16]| -> Vec<f64> {
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        values.iter().map(|&x| f64::from(x) - mean).collect()
    };
    let (left, right) = (centre(left), centre(right));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(&left, &right) / (dot(&left, &left) * dot(&right, &right)).sqrt()
}

fn mean_retired_place(race: &RealRace) -> f64 {
    let n = race.start.len() as f64;
    mean((0..).zip(&race.retired).filter(|(_, retired)| **retired == 1).map(|(k, _)| (f64::from(k) + 0.5) / n))
}

fn mean_retired_distance(race: &RealRace) -> f64 {
    let pairs = race.completed.iter().zip(&race.retired);
    mean(pairs.filter(|(_, retired)| **retired == 1).map(|(&laps, _)| share(laps, race.race_laps)))
}

fn mean_laps_down(race: &RealRace) -> f64 {
    let pairs = race.completed.iter().zip(&race.retired);
    let down = pairs.filter(|(_, retired)| **retired == 0).map(|(&laps, _)| race.race_laps.saturating_sub(laps));
    mean(down.filter(|&laps| laps > 0).map(f64::from))
}

/// Contest scores of the current DraftKings table, highest first.
fn contest_scores(race: &RealRace) -> Vec<f64> {
    let mut scores: Vec<f64> = (0..race.start.len())
        .map(|k| {
            let finish = k as f64 + 1.0;
            let points = match k {
                0 => 45.0,
                1..10 => 44.0 - finish,
                10..20 => 43.0 - finish,
                20..30 => 42.0 - finish,
                _ => (41.0 - finish).max(0.0),
            };
            let moved = f64::from(race.start[k]) - finish;
            points + moved + 0.25 * f64::from(race.led[k]) + 0.45 * f64::from(race.fastest[k])
        })
        .collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores
}
