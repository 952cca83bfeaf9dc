//! Whatever a guest says of itself or leaves in its memory as a result, the host reads a value that keeps the contract, or says which
//! place of it does not.
//!
//! The results are read from real guests: the fixtures below answer with the bytes that they are given as numbers when they are opened.

#![no_main]

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use hostile::fixture::{BLOCK, Fixture, LISTS, RESULT};
use libfuzzer_sys::fuzz_target;
use paddock::{
    domain::{
        history::History,
        interrupt::Interrupt,
        model::Posterior,
        plugin::World,
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{
        CallContext, LoadedPlugin, NoLog, Outcome, PluginFailure, PluginLimits, PluginRuntime, PluginsConfig,
        fuzzing::{RawDescription, check_description, described},
    },
};
use serde_json::Map;

/// Bytes that a guest is given at most.
const BYTES_MAX: usize = 4_096;
const FUEL: u64 = 100_000_000;
const ENTRIES: u16 = 3;

/// Guests that answer with what they are given.
struct Echoes {
    judge: LoadedPlugin,
    generator: LoadedPlugin,
    chain: LoadedPlugin,
}

static ECHOES: LazyLock<Echoes> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let runtime = PluginRuntime::new(PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: PathBuf::from(std::env::var_os("PADDOCK_BINARY").expect("PADDOCK_BINARY is the paddock binary")),
        limits: PluginLimits::default(),
    });
    let runtime = runtime.unwrap();
    let admit = |fixture: Fixture| runtime.admit(&fixture.build()).unwrap().plugin;
    // The arguments of `open`: the judge's come one by one, the others' in memory. A list is a pointer and a length.
    let copy = |pointer: &str, length: &str, to: u32| format!("(memory.copy (i32.const {to}) {pointer} {length})");
    let bytes = |count: &str, size: u32| format!("(i32.mul {count} (i32.const {size}))");
    let mut judge = Fixture::constraint().with("scenario-judge.judge", format!("(i32.const {RESULT})"));
    judge.open = format!("{} {}", copy("(local.get 2)", &bytes("(local.get 3)", 4), LISTS), judge.open);
    let judge = judge.with(
        "scenario-judge.judge",
        format!("(memory.copy (i32.const {RESULT}) (i32.const {LISTS}) (i32.const 64)) (i32.const {RESULT})"),
    );
    let mut generator = Fixture::generator();
    let draws = "(i32.load offset=28 (local.get 0))";
    let draw_bytes = bytes("(i32.load offset=32 (local.get 0))", 8);
    generator.open = format!("{} {}", copy(draws, &draw_bytes, BLOCK), generator.open);
    let mut chain = Fixture::calibrator();
    let weight = "(i32.load offset=32 (local.get 0))";
    let weight_bytes = bytes("(i32.load offset=36 (local.get 0))", 8);
    chain.open = format!("{} {}", copy(weight, &weight_bytes, LISTS), chain.open);
    let answer = |at: u32| {
        format!("(memory.copy (i32.const {RESULT}) (i32.const {}) (i32.const 32)) (i32.const {RESULT})", LISTS + at)
    };
    let chain = chain
        .with("chain.layout", format!("(i32.const {LISTS})"))
        .with("chain.step", answer(64))
        .with("chain.take-draws", answer(96))
        .with("chain.checkpoint", answer(128));
    Echoes { judge: admit(judge), generator: admit(generator), chain: admit(chain) }
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&what, bytes)) = bytes.split_first() else { return };
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    match what % 4 {
        0 => describe(bytes),
        1 => told(judge(bytes)),
        2 => told(generate(bytes)),
        _ => told(fit(bytes)),
    }
});

/// A failure has to say where and what.
fn told(result: Result<(), PluginFailure>) {
    let Err(failure) = result else { return };
    assert!(!matches!(failure.outcome, Outcome::HostFailed { .. } | Outcome::Rejected(_)), "{failure}");
    let problem = failure.to_problem();
    assert!(problem.plugin.is_some() && problem.function.is_some(), "{problem:?}");
    assert!(problem.detail.len() < 4_000 && !problem.detail.chars().any(char::is_control), "{problem:?}");
}

fn context() -> CallContext {
    CallContext { interrupt: Arc::new(Interrupt::new()), fuel: FUEL, log: Arc::new(NoLog) }
}

fn numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word)).collect()
}

fn race(driver: Vec<Option<u32>>) -> RaceSetup {
    RaceSetup {
        track_type: TrackType::Short,
        race_laps: 10,
        driver,
        team: vec![None; ENTRIES.into()],
        start: (1..=ENTRIES).collect(),
    }
}

fn judge(bytes: &[u8]) -> Result<(), PluginFailure> {
    let driver = bytes.as_chunks::<4>().0.iter().map(|word| Some(u32::from_le_bytes(*word))).collect();
    let row = vec![0; ENTRIES.into()];
    let block = ScenarioBlock {
        scenarios: 1,
        entries: ENTRIES.into(),
        finish: (1..=ENTRIES).collect(),
        laps_led: row.clone(),
        fastest_laps: row.clone(),
        laps_completed: row,
        retired: vec![0; ENTRIES.into()],
    };
    let verdicts = ECHOES.judge.open_scenario_judge(&context(), &race(driver), &Map::new())?.judge(&block)?;
    assert!(verdicts.len() == 1 && verdicts[0] <= 2, "{verdicts:?}");
    Ok(())
}

fn generate(bytes: &[u8]) -> Result<(), PluginFailure> {
    let plugin = &ECHOES.generator;
    let layout = plugin.description().posterior_layout.clone().unwrap();
    let posterior = Posterior { layout, chains: 1, draws: 1, values: numbers(bytes), ..Posterior::default() };
    let race = race(vec![None; ENTRIES.into()]);
    let block = plugin.open_generator(&context(), &posterior, &race, &Map::new(), 7)?.generate(0, 2)?;
    assert_eq!((block.scenarios, block.finish.len(), block.retired.len()), (2, 6, 6));
    for row in block.finish.chunks(ENTRIES.into()) {
        assert_eq!(row.iter().sum::<u16>(), 6, "{row:?}");
    }
    Ok(())
}

fn fit(bytes: &[u8]) -> Result<(), PluginFailure> {
    let history = History { weight: numbers(bytes), ..History::default() };
    let mut chain = ECHOES.chain.open_chain(&context(), &history, &Map::new(), 1, 0)?;
    let columns = chain.columns();
    assert_eq!(columns, chain.layout().iter().map(|block| block.shape.iter().product::<u32>() as usize).sum::<usize>());
    let progress = chain.step(10)?;
    assert!(progress.iterations_done <= progress.iterations_total);
    let draws = chain.take_draws()?;
    assert!(draws.iter().all(|value| value.is_finite()) && draws.len() % columns == 0);
    chain.checkpoint().map(|_| ())
}

/// The fields of a description, each ended by a zero byte, and its schema: its world is in the first byte.
fn describe(bytes: &[u8]) {
    let Some((&world, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let mut fields = text.split('\0').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let world = [World::Calibrator, World::Generator, World::Constraint][usize::from(world % 3)];
    let raw: RawDescription = described(world, [next(), next(), next(), next(), next(), next(), next()]);
    match check_description(raw, &PluginLimits::default()) {
        Ok((description, schema)) => {
            assert!(!description.name.is_empty() && description.name.len() <= 64 && description.params_schema.is_object());
            // What it takes or refuses it says at once, with its defaults filled in.
            let _ = schema.complete(&Map::new(), &PluginLimits::default());
        }
        Err(rejection) => assert!(!rejection.to_string().chars().any(char::is_control), "{rejection:?}"),
    }
}
