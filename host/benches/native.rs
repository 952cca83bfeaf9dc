//! What the sandbox costs: each built-in plugin in Wasm, metered and checked, beside the same code compiled natively, on the same
//! inputs in one run; and scenarios drawn and judged per second by several constraints.

use std::{fs, path::Path, sync::Arc};

use calibrator_attrition::AttritionChain;
use constraint_race_physics::PhysicsJudge;
use constraint_team_limit::TeamJudge;
use divan::{Bencher, black_box, counter::ItemsCount};
use generator_race::RaceGenerator;
use paddock::{
    domain::{
        history::History,
        interrupt::Interrupt,
        lineup::Lineup,
        model::{Parameter, Posterior},
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{
        CallContext, GeneratorSession, LoadedPlugin, NoLog, PluginLimits, PluginRuntime, PluginsConfig,
        ScenarioJudgeSession, SlateView,
    },
};
use paddock_sdk::{Calibrator, Generator, LineupJudge, Rng, ScenarioJudge};
use serde_json::Map;
use tempfile::TempDir;

const SCENARIOS: usize = 10_000;
const GENERATED: u32 = 1_000;
const LINEUPS: usize = 100_000;
const ROSTER: usize = 6;
const ITERATIONS: u32 = 50;
const ENTRIES: u16 = 38;
const DRIVERS: u32 = 45;
const TEAMS: u32 = 13;
const RACES: u32 = 100;
const RACE_LAPS: u16 = 267;

fn main() {
    divan::main();
}

/// A component as committed.
fn component(name: &str) -> LoadedPlugin {
    let directory = TempDir::new().unwrap();
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits: PluginLimits::default(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../guests/components/{name}.wasm"));
    PluginRuntime::new(config).unwrap().admit(&fs::read(path).unwrap()).unwrap().plugin
}

fn context() -> CallContext {
    CallContext { interrupt: Arc::new(Interrupt::new()), fuel: u64::MAX / 4, log: Arc::new(NoLog) }
}

fn starts() -> Vec<u16> {
    (1..=ENTRIES).collect()
}

fn race() -> RaceSetup {
    RaceSetup {
        track_type: TrackType::Intermediate,
        race_laps: RACE_LAPS,
        driver: (0..ENTRIES).map(|entry| Some(entry.into())).collect(),
        team: (0..ENTRIES).map(|entry| Some(u32::from(entry) / 3)).collect(),
        start: starts(),
    }
}

fn sdk_race() -> paddock_sdk::Race {
    paddock_sdk::Race {
        track_type: paddock_sdk::TrackType::Intermediate,
        race_laps: RACE_LAPS,
        driver: (0..ENTRIES).map(u32::from).collect(),
        team: (0..ENTRIES).map(|entry| u32::from(entry) / 3).collect(),
        start: starts(),
    }
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

fn judge_session() -> ScenarioJudgeSession {
    component("constraint-race-physics").open_scenario_judge(&context(), &race(), &Map::new()).unwrap()
}

#[divan::bench]
fn veto_in_wasm(bencher: Bencher<'_, '_>) {
    let (mut judge, block) = (judge_session(), scenarios());
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(|| judge.judge(black_box(&block)).unwrap());
}

#[divan::bench]
fn veto_native(bencher: Bencher<'_, '_>) {
    let judge = PhysicsJudge::open(sdk_race(), "{}").unwrap();
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

/// A judge that looks at nothing: what remains of [`veto_in_wasm`] without the judging.
#[divan::bench]
fn veto_in_wasm_crossing_alone(bencher: Bencher<'_, '_>) {
    let directory = TempDir::new().unwrap();
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits: PluginLimits::default(),
    };
    let wasm = hostile::fixture::Fixture::constraint().build();
    let plugin = PluginRuntime::new(config).unwrap().admit(&wasm).unwrap().plugin;
    let mut judge = plugin.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    let block = scenarios();
    bencher.counter(ItemsCount::new(SCENARIOS)).bench_local(|| judge.judge(black_box(&block)).unwrap());
}

/// Lineups of any six entries.
fn lineups() -> Vec<Lineup> {
    let mut rng = Rng::for_stream(3, 3);
    let lineup = |_| {
        let mut entries = starts();
        (0..ROSTER).for_each(|place| {
            let other = place + rng.below((usize::from(ENTRIES) - place) as u64) as usize;
            entries.swap(place, other);
        });
        entries.truncate(ROSTER);
        entries.sort_unstable();
        Lineup::new(entries.into_iter().map(|entry| entry - 1).collect())
    };
    (0..LINEUPS).map(lineup).collect()
}

fn team_names() -> Vec<String> {
    (0..ENTRIES).map(|entry| format!("Team {}", entry / 3)).collect()
}

#[divan::bench]
fn lineups_in_wasm(bencher: Bencher<'_, '_>) {
    let names = || (0..ENTRIES).map(|entry| format!("Driver {entry}")).collect::<Vec<_>>();
    let slate = SlateView {
        driver: names(),
        team: team_names(),
        make: vec![String::new(); ENTRIES.into()],
        salary_usd: vec![8_000; ENTRIES.into()],
        start: starts(),
        salary_cap_usd: 50_000,
    };
    let mut judge = component("constraint-team-limit").open_lineup_judge(&context(), &slate, &Map::new()).unwrap();
    let lineups = lineups();
    bencher.counter(ItemsCount::new(LINEUPS)).bench_local(|| judge.judge(black_box(&lineups)).unwrap());
}

#[divan::bench]
fn lineups_native(bencher: Bencher<'_, '_>) {
    let slate = paddock_sdk::Slate { team: team_names(), ..paddock_sdk::Slate::default() };
    let judge = TeamJudge::open(slate, "{}").unwrap();
    let entry = lineups().iter().flat_map(Lineup::entries).copied().collect();
    let block = paddock_sdk::LineupBlock { lineups: LINEUPS as u32, roster_size: ROSTER as u32, entry };
    bencher.counter(ItemsCount::new(LINEUPS)).bench_local(|| judge.judge(black_box(&block)).unwrap());
}

/// A posterior like a fitted one, of 1,000 draws.
fn model() -> paddock_sdk::Model {
    let layout = attrition_model::Layout { driver_count: DRIVERS as usize, team_count: TEAMS as usize };
    let draw_count = 1_000;
    let mut rng = Rng::for_stream(2, 2);
    paddock_sdk::Model {
        layout: attrition_model::LAYOUT.into(),
        parameters: layout.parameters(),
        driver_count: DRIVERS,
        team_count: TEAMS,
        draw_count,
        draws: (0..layout.columns() * draw_count as usize).map(|_| 0.4 * rng.normal()).collect(),
    }
}

fn generator_session() -> GeneratorSession {
    let model = model();
    let parameter = |parameter: paddock_sdk::Parameter| Parameter {
        name: parameter.name,
        shape: parameter.shape,
        is_main: parameter.is_main,
    };
    let posterior = Posterior {
        layout: model.layout,
        parameters: model.parameters.into_iter().map(parameter).collect(),
        drivers: (0..DRIVERS).map(|driver| format!("Driver {driver}")).collect(),
        teams: (0..TEAMS).map(|team| format!("Team {team}")).collect(),
        chains: 1,
        draws: model.draw_count as usize,
        values: model.draws,
    };
    component("generator-race").open_generator(&context(), &posterior, &race(), &Map::new(), 1).unwrap()
}

#[divan::bench]
fn scenarios_in_wasm(bencher: Bencher<'_, '_>) {
    let mut generator = generator_session();
    bencher.counter(ItemsCount::new(GENERATED)).bench_local(|| generator.generate(0, GENERATED).unwrap());
}

#[divan::bench]
fn scenarios_native(bencher: Bencher<'_, '_>) {
    let mut generator = RaceGenerator::open(model(), sdk_race(), "{}", 1).unwrap();
    bencher.counter(ItemsCount::new(GENERATED)).bench_local(|| generator.generate(0, GENERATED).unwrap());
}

/// Scenarios that are drawn, judged by so many constraints, and thrown away.
#[divan::bench(args = [0, 1, 5])]
fn scenarios_judged_by(bencher: Bencher<'_, '_>, constraints: usize) {
    let mut generator = generator_session();
    let mut judges: Vec<_> = (0..constraints).map(|_| judge_session()).collect();
    bencher.counter(ItemsCount::new(GENERATED)).bench_local(|| {
        let block = generator.generate(0, GENERATED).unwrap();
        judges.iter_mut().map(|judge| judge.judge(&block).unwrap().len()).sum::<usize>()
    });
}

/// Random orders, in which drivers with lower numbers tend to finish first.
fn sdk_history() -> paddock_sdk::History {
    let mut rng = Rng::for_stream(3, 3);
    let mut history = paddock_sdk::History {
        race_offsets: vec![0],
        driver_count: DRIVERS,
        team_count: TEAMS,
        ..paddock_sdk::History::default()
    };
    for race in 0..RACES {
        let mut order: Vec<(f64, u32)> =
            (0..DRIVERS).map(|driver| (f64::from(driver) / 20.0 + rng.gumbel(), driver)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        order.truncate(ENTRIES.into());
        history.track.push(race % 20);
        history.track_type.push(paddock_sdk::TrackType::Intermediate);
        history.race_laps.push(RACE_LAPS);
        history.weight.push(1.0);
        for (place, (_, driver)) in (0..ENTRIES).zip(order) {
            history.driver.push(driver);
            history.team.push((driver / 4).min(TEAMS - 1));
            history.start.push(place * 7 % ENTRIES + 1);
            history.finish.push(place + 1);
            history.laps_completed.push(RACE_LAPS);
            history.laps_led.push(0);
            history.retired.push(0);
        }
        history.race_offsets.push(history.driver.len() as u32);
    }
    history
}

fn history() -> History {
    let sdk = sdk_history();
    History {
        race_offsets: sdk.race_offsets,
        track: sdk.track,
        track_type: vec![TrackType::Intermediate; RACES as usize],
        race_laps: sdk.race_laps,
        weight: sdk.weight,
        drivers: (0..DRIVERS).map(|driver| format!("Driver {driver}")).collect(),
        teams: (0..TEAMS).map(|team| format!("Team {team}")).collect(),
        driver: sdk.driver,
        team: sdk.team,
        start: sdk.start,
        finish: sdk.finish,
        laps_completed: sdk.laps_completed,
        laps_led: sdk.laps_led,
        retired: sdk.retired,
    }
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn chain_in_wasm(bencher: Bencher<'_, '_>) {
    let (plugin, history) = (component("calibrator-attrition"), history());
    bencher
        .counter(ItemsCount::new(ITERATIONS))
        .with_inputs(|| plugin.open_chain(&context(), &history, &Map::new(), 1, 0).unwrap())
        .bench_local_refs(|chain| chain.step(ITERATIONS).unwrap());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn chain_native(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(ITERATIONS))
        .with_inputs(|| AttritionChain::open(sdk_history(), "{}", 1, 0).unwrap())
        .bench_local_refs(|chain| chain.step(ITERATIONS).unwrap());
}
