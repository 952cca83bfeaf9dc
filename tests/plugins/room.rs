//! A plugin runtime in a temporary directory, and inputs for the fixtures.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, Sender, channel},
};

use paddock::{
    domain::{history::History, interrupt::Interrupt, race::TrackType, scenario::RaceSetup, scenario::ScenarioBlock},
    plugins::{
        Admitted, CallContext, GuestLog, GuestLogLevel, NoLog, Outcome, PluginFailure, PluginLimits, PluginRuntime,
        PluginsConfig, Rejection,
    },
};
use tempfile::TempDir;

/// A runtime whose compiler is the real binary.
pub struct Room {
    pub runtime: PluginRuntime,
    pub directory: TempDir,
}

pub const MAC_KEY: [u8; 32] = [7; 32];

impl Room {
    pub fn new() -> Self {
        Self::with(PluginLimits::default())
    }

    pub fn with(limits: PluginLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = runtime_in(&directory, MAC_KEY, limits);
        Self { runtime, directory }
    }

    pub fn admit(&self, wasm: &[u8]) -> Admitted {
        self.runtime.admit(wasm).unwrap_or_else(|failure| panic!("{failure}"))
    }

    pub fn rejection(&self, wasm: &[u8]) -> Rejection {
        match self.runtime.admit(wasm).expect_err("a rejection").outcome {
            Outcome::Rejected(rejection) => rejection,
            other => panic!("expected a rejection, found {other:?}"),
        }
    }
}

pub fn runtime_in(directory: &TempDir, mac_key: [u8; 32], limits: PluginLimits) -> PluginRuntime {
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key,
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits,
    };
    PluginRuntime::new(config).unwrap()
}

/// Ten million units of fuel, nobody who interrupts, no log.
pub fn context() -> CallContext {
    CallContext { interrupt: Arc::new(Interrupt::new()), fuel: 10_000_000, log: Arc::new(NoLog) }
}

pub fn interrupted_by(interrupt: &Arc<Interrupt>) -> CallContext {
    CallContext { interrupt: Arc::clone(interrupt), fuel: u64::MAX / 2, log: Arc::new(NoLog) }
}

/// A race of three.
pub fn race() -> RaceSetup {
    RaceSetup {
        track_type: TrackType::Short,
        race_laps: 10,
        driver: vec![Some(0), Some(1), None],
        team: vec![Some(0), None, None],
        start: vec![1, 2, 3],
    }
}

/// Scenarios of [`race`], all the same.
pub fn scenarios(count: usize) -> ScenarioBlock {
    ScenarioBlock {
        scenarios: count,
        entries: 3,
        finish: [1, 2, 3].repeat(count),
        laps_led: [6, 4, 0].repeat(count),
        fastest_laps: [5, 5, 0].repeat(count),
        laps_completed: [10, 10, 9].repeat(count),
        retired: [0, 0, 1].repeat(count),
    }
}

/// One race of two.
pub fn history() -> History {
    History {
        race_offsets: vec![0, 2],
        track: vec![0],
        track_type: vec![TrackType::Road],
        race_laps: vec![10],
        weight: vec![1.0],
        drivers: vec!["Ada Vale".into(), "Bo Reed".into()],
        teams: vec!["North".into()],
        driver: vec![0, 1],
        team: vec![0, 0],
        start: vec![2, 1],
        finish: vec![1, 2],
        laps_completed: vec![10, 10],
        laps_led: vec![10, 0],
        retired: vec![0, 0],
    }
}

/// The place, the value found and the value expected of a bad output.
pub fn bad_output(failure: PluginFailure) -> (String, String, String) {
    match failure.outcome {
        Outcome::BadOutput { place, found, expected } => (place, found, expected),
        other => panic!("expected bad output, found {other:?}"),
    }
}

/// Says when a guest logs its first line: then it runs, and not before.
pub struct Running(Sender<()>);

impl GuestLog for Running {
    fn line(&self, _: GuestLogLevel, _: &str) {
        // A test that waits for one guest only may be gone by the next line.
        let _ = self.0.send(());
    }

    fn dropped(&self, _: u64) {}
}

/// A context of a guest that logs a line before it loops, and where to wait for that line.
pub fn watched(interrupt: &Arc<Interrupt>) -> (CallContext, Receiver<()>) {
    let (sender, receiver) = channel();
    (CallContext { log: Arc::new(Running(sender)), ..interrupted_by(interrupt) }, receiver)
}

/// Keeps what a guest logs.
#[derive(Default)]
pub struct Lines {
    pub lines: Mutex<Vec<(GuestLogLevel, String)>>,
    pub dropped: Mutex<u64>,
}

impl GuestLog for Lines {
    fn line(&self, level: GuestLogLevel, message: &str) {
        self.lines.lock().unwrap().push((level, message.to_owned()));
    }

    fn dropped(&self, lines: u64) {
        *self.dropped.lock().unwrap() = lines;
    }
}
