//! Iterations of a chain per second, natively: 100 made-up races of 38 entries, 45 drivers and 14 teams.

use calibrator_attrition::AttritionChain;
use divan::counter::ItemsCount;
use paddock_sdk::{Calibrator, History, Rng, TrackType};

const RACES: u32 = 100;
const ENTRIES: usize = 38;
const DRIVERS: u32 = 45;
const ITERATIONS: u32 = 50;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10)]
fn first_50_iterations(bencher: divan::Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(ITERATIONS))
        .with_inputs(|| AttritionChain::open(history(), "{}", 1, 0).expect("valid inputs"))
        .bench_local_values(|mut chain| chain.step(ITERATIONS));
}

/// Random orders, in which drivers with lower numbers tend to finish first.
fn history() -> History {
    let mut rng = Rng::for_stream(3, 3);
    let mut history = History { race_offsets: vec![0], driver_count: DRIVERS, team_count: 14, ..History::default() };
    for race in 0..RACES {
        let mut order: Vec<(f64, u32)> =
            (0..DRIVERS).map(|driver| (f64::from(driver) / 20.0 + rng.gumbel(), driver)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        order.truncate(ENTRIES);
        history.track.push(race % 20);
        history.track_type.push(TrackType::ALL[race as usize % 6]);
        history.race_laps.push(200);
        history.weight.push(1.0);
        for (place, (_, driver)) in order.into_iter().enumerate() {
            history.driver.push(driver);
            history.team.push(driver / 4);
            history.start.push((place * 7 % ENTRIES) as u16 + 1);
            history.finish.push(place as u16 + 1);
            history.laps_completed.push(200);
            history.laps_led.push(0);
            history.retired.push(0);
        }
        history.race_offsets.push(history.driver.len() as u32);
    }
    history
}
