//! Verdicts per second, natively: 1,000 scenarios of 38 entries. The host's benchmark runs the same scenarios in Wasm.

use constraint_race_physics::PhysicsJudge;
use divan::counter::ItemsCount;
use paddock_sdk::{Race, Rng, ScenarioBlock, ScenarioJudge, TrackType};

const SCENARIOS: u32 = 1000;
const ENTRIES: u16 = 38;
const RACE_LAPS: u16 = 267;

fn main() {
    divan::main();
}

#[divan::bench]
fn judge_1000_scenarios(bencher: divan::Bencher<'_, '_>) {
    let race = Race {
        track_type: TrackType::Intermediate,
        race_laps: RACE_LAPS,
        driver: (0..u32::from(ENTRIES)).collect(),
        team: vec![0; usize::from(ENTRIES)],
        start: (1..=ENTRIES).collect(),
    };
    let judge = PhysicsJudge::open(race, "{}").expect("valid inputs");
    let block = scenarios();
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(|| judge.judge(divan::black_box(&block)));
}

/// Shuffled orders; the first four entries share the laps, so that every rule is looked at.
fn scenarios() -> ScenarioBlock {
    let n = usize::from(ENTRIES);
    let mut rng = Rng::for_stream(1, 1);
    let mut block = ScenarioBlock { scenarios: SCENARIOS, ..ScenarioBlock::default() };
    for _ in 0..SCENARIOS {
        let mut finish: Vec<u16> = (1..=ENTRIES).collect();
        for i in (1..n).rev() {
            let j = (rng.uniform() * (i + 1) as f64) as usize;
            finish.swap(i, j.min(i));
        }
        block.finish.extend(finish);
        let led = (0..n).map(|entry| [67, 67, 67, 66].get(entry).copied().unwrap_or(0));
        block.laps_led.extend(led.clone());
        block.fastest_laps.extend(led);
        block.laps_completed.extend(std::iter::repeat_n(RACE_LAPS, n));
        block.retired.extend((0..n).map(|entry| u8::from(entry % 9 == 0)));
    }
    block
}
