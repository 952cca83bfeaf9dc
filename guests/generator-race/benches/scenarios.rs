//! Scenarios per second of the generator, natively: 38 entries, a fitted-like posterior of 1,000 draws.

use divan::counter::ItemsCount;
use generator_race::RaceGenerator;
use paddock_sdk::{Generator, Model, Race, Rng, TrackType};

const SCENARIOS: u32 = 1000;

fn main() {
    divan::main();
}

#[divan::bench(args = [TrackType::Superspeedway, TrackType::Road, TrackType::Short, TrackType::Intermediate])]
fn scenarios_of_38_entries(bencher: divan::Bencher<'_, '_>, track_type: TrackType) {
    let n = 38;
    let race = Race {
        track_type,
        race_laps: 267,
        driver: (0..n).collect(),
        team: (0..n).map(|entry| entry / 3).collect(),
        start: (1..=n as u16).collect(),
    };
    let mut generator = RaceGenerator::open(model(n), race, "{}", 1).expect("valid inputs");
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(move || generator.generate(0, SCENARIOS));
}

fn model(driver_count: u32) -> Model {
    let layout = attrition_model::Layout { driver_count: driver_count as usize, team_count: 13 };
    let draw_count = 1000;
    let mut rng = Rng::for_stream(2, 2);
    Model {
        layout: attrition_model::LAYOUT.into(),
        parameters: layout.parameters(),
        driver_count,
        team_count: 13,
        draw_count,
        draws: (0..layout.columns() * draw_count as usize).map(|_| 0.4 * rng.normal()).collect(),
    }
}
