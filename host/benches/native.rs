//! What the sandbox costs: the built-in constraint in Wasm, metered and checked, beside the same code compiled natively, on the
//! same scenarios in one run.

use std::{fs, path::Path, sync::Arc};

use constraint_race_physics::PhysicsJudge;
use divan::{Bencher, black_box, counter::ItemsCount};
use paddock::{
    domain::{
        interrupt::Interrupt,
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{CallContext, LoadedPlugin, NoLog, PluginLimits, PluginRuntime, PluginsConfig},
};
use paddock_sdk::{Rng, ScenarioJudge};
use serde_json::Map;
use tempfile::TempDir;

const SCENARIOS: usize = 10_000;
const ENTRIES: u16 = 38;
const RACE_LAPS: u16 = 267;

fn main() {
    divan::main();
}

/// The component as committed.
fn component() -> LoadedPlugin {
    let directory = TempDir::new().unwrap();
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits: PluginLimits::default(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components/constraint-race-physics.wasm");
    PluginRuntime::new(config).unwrap().admit(&fs::read(path).unwrap()).unwrap().plugin
}

fn starts() -> Vec<u16> {
    (1..=ENTRIES).collect()
}

/// Shuffled orders in which four entries share the laps, so that no rule ends early.
fn scenarios() -> ScenarioBlock {
    let n = usize::from(ENTRIES);
    let mut rng = Rng::for_stream(1, 1);
    let mut block = ScenarioBlock { scenarios: SCENARIOS, entries: n, ..ScenarioBlock::default() };
    for _ in 0..SCENARIOS {
        let mut finish = starts();
        for last in (1..n).rev() {
            finish.swap(last, rng.below(last as u64 + 1) as usize);
        }
        block.finish.extend(finish);
        let laps = (0..n).map(|entry| [67, 67, 67, 66].get(entry).copied().unwrap_or(0));
        block.laps_led.extend(laps.clone());
        block.fastest_laps.extend(laps);
        block.laps_completed.extend(std::iter::repeat_n(RACE_LAPS, n));
        block.retired.extend((0..n).map(|entry| u8::from(entry % 9 == 0)));
    }
    block
}

#[divan::bench]
fn veto_in_wasm(bencher: Bencher<'_, '_>) {
    let race = RaceSetup {
        track_type: TrackType::Intermediate,
        race_laps: RACE_LAPS,
        driver: vec![None; usize::from(ENTRIES)],
        team: vec![None; usize::from(ENTRIES)],
        start: starts(),
    };
    let context = CallContext { interrupt: Arc::new(Interrupt::new()), fuel: u64::MAX / 4, log: Arc::new(NoLog) };
    let mut judge = component().open_scenario_judge(&context, &race, &Map::new()).unwrap();
    let block = scenarios();
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(|| judge.judge(black_box(&block)).unwrap());
}

#[divan::bench]
fn veto_native(bencher: Bencher<'_, '_>) {
    let race = paddock_sdk::Race {
        track_type: paddock_sdk::TrackType::Intermediate,
        race_laps: RACE_LAPS,
        driver: vec![paddock_sdk::UNSEEN; usize::from(ENTRIES)],
        team: vec![paddock_sdk::UNSEEN; usize::from(ENTRIES)],
        start: starts(),
    };
    let judge = PhysicsJudge::open(race, "{}").unwrap();
    let ScenarioBlock { finish, laps_led, fastest_laps, laps_completed, retired, .. } = scenarios();
    let block = paddock_sdk::ScenarioBlock {
        scenarios: SCENARIOS as u32,
        finish,
        laps_led,
        fastest_laps,
        laps_completed,
        retired,
    };
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(|| judge.judge(black_box(&block)).unwrap());
}
