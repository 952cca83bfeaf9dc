//! What a plugin costs before it does any work: compiling it in the child process, loading compiled code, opening a session, and
//! one call. Over the built-in components and over a fixture of the smallest size; not a test of speed.

use std::{fmt, fs, path::Path, sync::Arc};

use divan::{Bencher, black_box};
use hostile::fixture;
use paddock::{
    domain::{
        interrupt::Interrupt,
        plugin::World,
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{CallContext, LoadedPlugin, NoLog, PluginLimits, PluginRuntime, PluginsConfig, hash_of},
};
use serde_json::Map;
use tempfile::TempDir;

/// Entries of a full field.
const ENTRIES: u16 = 40;

fn main() {
    divan::main();
}

/// A component with a name for the table.
struct Subject {
    name: String,
    wasm: Vec<u8>,
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} KiB)", self.name, self.wasm.len() >> 10)
    }
}

/// The fixture and every built-in component.
fn subjects() -> Vec<Subject> {
    let mut subjects = vec![Subject { name: "fixture".to_owned(), wasm: fixture::Fixture::constraint().build() }];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components");
    let files = fs::read_dir(directory).into_iter().flatten().map(|file| file.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        subjects.push(Subject { name, wasm: fs::read(path).unwrap() });
    }
    subjects.sort_by_key(|subject| subject.wasm.len());
    subjects
}

/// A runtime that keeps nothing in memory, so that every load goes to the cache on disk.
fn runtime(directory: &TempDir) -> PluginRuntime {
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits: PluginLimits { loaded_max: 0, ..PluginLimits::default() },
    };
    PluginRuntime::new(config).unwrap()
}

/// Screen, compile in the child process, link, describe.
#[divan::bench(args = subjects(), sample_count = 10, sample_size = 1)]
fn cold_compile(bencher: Bencher<'_, '_>, subject: &Subject) {
    let runtime_of = || {
        let directory = TempDir::new().unwrap();
        (runtime(&directory), directory)
    };
    bencher.with_inputs(runtime_of).bench_refs(|(runtime, _)| runtime.admit(&subject.wasm).unwrap());
}

/// Read the compiled code, check its MAC, link, describe.
#[divan::bench(args = subjects(), sample_count = 50)]
fn cached_load(bencher: Bencher<'_, '_>, subject: &Subject) {
    let directory = TempDir::new().unwrap();
    let runtime = runtime(&directory);
    runtime.admit(&subject.wasm).unwrap();
    let hash = hash_of(&subject.wasm);
    bencher.bench(|| runtime.load(&hash, || Ok::<_, String>(&subject.wasm)).unwrap());
}

/// Every subject that judges scenarios.
fn judges() -> Vec<Judge> {
    let directory = TempDir::new().unwrap();
    let runtime = runtime(&directory);
    let admitted = subjects().into_iter().map(|subject| runtime.admit(&subject.wasm).unwrap().plugin);
    admitted
        .filter(|plugin| plugin.description().world == World::Constraint && plugin.description().judges_scenarios)
        .map(Judge)
        .collect()
}

struct Judge(LoadedPlugin);

impl fmt::Display for Judge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.label())
    }
}

/// A fresh store, instantiation, and opening the judge.
#[divan::bench(args = judges())]
fn open_session(bencher: Bencher<'_, '_>, judge: &Judge) {
    let (context, race) = (context(), race());
    bencher.bench(|| judge.0.open_scenario_judge(&context, &race, &Map::new()).unwrap());
}

/// One call with one scenario: what crossing the boundary costs.
#[divan::bench(args = judges())]
fn one_call(bencher: Bencher<'_, '_>, judge: &Judge) {
    let mut session = judge.0.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    let block = scenarios(1);
    bencher.bench_local(|| session.judge(black_box(&block)).unwrap());
}

/// A thousand scenarios of a full field in one call.
#[divan::bench(args = judges())]
fn one_call_of_1000_scenarios(bencher: Bencher<'_, '_>, judge: &Judge) {
    let mut session = judge.0.open_scenario_judge(&context(), &race(), &Map::new()).unwrap();
    let block = scenarios(1000);
    bencher
        .counter(divan::counter::ItemsCount::new(1000_usize))
        .bench_local(|| session.judge(black_box(&block)).unwrap());
}

fn context() -> CallContext {
    CallContext { interrupt: Arc::new(Interrupt::new()), fuel: u64::MAX / 2, log: Arc::new(NoLog) }
}

fn race() -> RaceSetup {
    let entries = usize::from(ENTRIES);
    RaceSetup {
        track_type: TrackType::Intermediate,
        race_laps: 267,
        driver: vec![None; entries],
        team: vec![None; entries],
        start: (1..=ENTRIES).collect(),
    }
}

/// The same possible race again and again: the winner leads and sets every fastest lap.
fn scenarios(count: usize) -> ScenarioBlock {
    let row = |first: u16, others: u16| -> Vec<u16> {
        (0..ENTRIES).map(|entry| if entry == 0 { first } else { others }).collect()
    };
    ScenarioBlock {
        scenarios: count,
        entries: ENTRIES.into(),
        finish: (1..=ENTRIES).collect::<Vec<_>>().repeat(count),
        laps_led: row(267, 0).repeat(count),
        fastest_laps: row(267, 0).repeat(count),
        laps_completed: row(267, 267).repeat(count),
        retired: vec![0; usize::from(ENTRIES) * count],
    }
}
