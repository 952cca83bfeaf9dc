//! How long a guest that never ends goes on after it was told to stop, for every endless guest of `guests/hostile`. Run with
//! `cargo bench -p paddock --bench cancel`.

use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use hostile::Attack;
use paddock::{
    domain::{
        interrupt::{Interrupt, StopReason},
        race::TrackType,
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{
        CallContext, GuestLog, GuestLogLevel, LoadedPlugin, Outcome, PluginLimits, PluginRuntime, PluginsConfig,
    },
};
use serde_json::Map;

const ENDLESS: [&str; 7] = [
    "endless_loop",
    "endless_fill",
    "endless_large_fill",
    "endless_large_copy",
    "endless_table_fill",
    "log_flood",
    "log_of_megabytes",
];
const CANCELS: usize = 100;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let config = PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: [7; 32],
        compiler: env!("CARGO_BIN_EXE_paddock").into(),
        limits: PluginLimits::default(),
    };
    let runtime = PluginRuntime::new(config).unwrap();
    println!("{:<22}{:>10}{:>10}{:>10}", "from cancel to end", "median", "p99", "longest");
    for name in ENDLESS {
        let plugin = runtime.admit(&Attack::named(name).unwrap().component()).unwrap().plugin;
        let mut times: Vec<Duration> = (0..CANCELS).map(|number| cancelled_after(&plugin, number)).collect();
        times.sort_unstable();
        let [half, most, all] = [CANCELS / 2, CANCELS * 99 / 100 - 1, CANCELS - 1].map(|index| times[index]);
        println!("{name:<22}{half:>10.1?}{most:>10.1?}{all:>10.1?}");
    }
}

/// Says when the guest's first line arrives: then it runs.
struct Running(Sender<()>);

impl GuestLog for Running {
    fn line(&self, _: GuestLogLevel, _: &str) {
        // Only the first line is waited for.
        let _ = self.0.send(());
    }

    fn dropped(&self, _: u64) {}
}

fn cancelled_after(plugin: &LoadedPlugin, number: usize) -> Duration {
    let interrupt = Arc::new(Interrupt::new());
    let (sender, running) = channel();
    let context = CallContext { interrupt: Arc::clone(&interrupt), fuel: u64::MAX / 4, log: Arc::new(Running(sender)) };
    let plugin = plugin.clone();
    let guest = thread::spawn(move || {
        let mut judge = plugin.open_scenario_judge(&context, &race(), &Map::new()).unwrap();
        let failure = judge.judge(&one_scenario()).unwrap_err();
        assert_eq!(failure.outcome, Outcome::Stopped(StopReason::Cancelled));
        Instant::now()
    });
    running.recv().unwrap();
    // Some way into its work, at another place of the host's ticks each time.
    thread::sleep(Duration::from_micros(20_000 + 137 * number as u64));
    let cancelled = Instant::now();
    interrupt.raise(StopReason::Cancelled);
    guest.join().unwrap().duration_since(cancelled)
}

fn race() -> RaceSetup {
    RaceSetup {
        track_type: TrackType::Short,
        race_laps: 10,
        driver: vec![None; 3],
        team: vec![None; 3],
        start: vec![1, 2, 3],
    }
}

fn one_scenario() -> ScenarioBlock {
    ScenarioBlock {
        scenarios: 1,
        entries: 3,
        finish: vec![1, 2, 3],
        laps_led: vec![10, 0, 0],
        fastest_laps: vec![10, 0, 0],
        laps_completed: vec![10; 3],
        retired: vec![0; 3],
    }
}
