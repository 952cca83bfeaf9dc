//! How fast the API answers while jobs keep every core busy: the real binary on the loopback, asked a hundred times a second. Run
//! with `cargo bench -p paddock --profile release --bench api_under_load`.
//!
//! A latency is counted from the moment at which the request was due, so that a slow answer is not hidden by the requests that it
//! holds up. `/proc/stat` says how busy the cores were.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

#[path = "../../tests/http/season.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod season;
#[path = "../../tests/http/server.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod server;

use server::Server;

const PACE: Duration = Duration::from_millis(10);
/// For each path: five seconds.
const REQUESTS: u32 = 500;
/// More jobs than end while they are measured.
const JOBS: u64 = 60;
/// Time for the load to reach its height.
const WARMING: Duration = Duration::from_secs(2);

fn main() {
    let server = Server::start();
    let key = server.key("team", "submit,read,admin");
    let slate = season::import(&server, &key)["id"].clone();
    let done = season::submit(&server, &key, &season::small_fit());
    let model = season::result(&server, &key, &done)["model"]["id"].clone();
    let reads = Reads { server: &server, key: &key, job: &done };

    reads.measure("idle");
    under_load(&reads, "guests fit models", fit);
    under_load(&reads, "lineups are searched for", |seed| search(&slate, &model, seed));
    while_compiling(&reads);
}

/// A fit of half a minute on each of two cores.
fn fit(seed: u64) -> Value {
    let params = json!({ "warmup": 2000, "draws": 2000 });
    json!({ "kind": "calibrate", "history": { "trailing_races": 108 }, "chains": 2, "seed": seed,
        "calibrator": { "plugin": "calibrator-attrition", "params": params } })
}

/// Draws scenarios in guests, judges them, and searches lineups natively, on threads of its own.
fn search(slate: &Value, model: &Value, seed: u64) -> Value {
    json!({ "kind": "optimize", "slate": slate, "model": model, "lineups": 20, "min_differences": 2,
        "scenarios": { "n_scenarios": 10_000, "seed": seed } })
}

fn under_load(reads: &Reads, what: &str, spec: impl Fn(u64) -> Value) {
    let jobs: Vec<String> = (0..JOBS).map(|seed| season::submit(reads.server, reads.key, &spec(seed))).collect();
    season::wait_until(reads.server, reads.key, &jobs[0], |job| job["state"] == "running");
    thread::sleep(WARMING);
    reads.measure(what);
    let last = reads.server.get(reads.key, &format!("/v1/jobs/{}", jobs[jobs.len() - 1]));
    assert_eq!(last.body["state"], "queued", "the load ended before the measurement");
    for job in jobs {
        reads.server.post_json(reads.key, &format!("/v1/jobs/{job}/cancel"), &json!({}));
        season::wait_until(reads.server, reads.key, &job, |job| job["finished_at"].is_string());
    }
}

/// Each upload is compiled, in a process of its own, before it is refused: it has the version of a built-in plugin in other bytes.
fn while_compiling(reads: &Reads) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components/calibrator-attrition.wasm");
    let component = fs::read(path).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for uploader in 0..2_u8 {
            let (component, is_over) = (&component, &is_over);
            scope.spawn(move || {
                for number in (0..=u8::MAX).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    let wasm = [component, &b"\x00\x07\x04note"[..], &[uploader, number]].concat();
                    let answer = reads.server.post(reads.key, "/v1/plugins", "application/wasm", &wasm);
                    assert!([201, 409, 429, 503].contains(&answer.status), "{} {}", answer.status, answer.body);
                }
            });
        }
        thread::sleep(WARMING);
        reads.measure("plugins are uploaded and compiled");
        is_over.store(true, Ordering::Relaxed);
    });
}

/// What is asked, and of whom.
struct Reads<'a> {
    server: &'a Server,
    key: &'a str,
    job: &'a str,
}

impl Reads<'_> {
    /// Asks for one path after the other, on one connection, and prints what it took.
    fn measure(&self, what: &str) {
        println!("{what}");
        let job = format!("/v1/jobs/{}", self.job);
        for (shown, path) in [("/v1/jobs/{id}", job.as_str()), ("/v1/jobs", "/v1/jobs"), ("/livez", "/livez")] {
            let before = CoreTime::read();
            let mut latencies = self.ask(path);
            latencies.sort_unstable();
            let at = |share: f64| latencies[(f64::from(REQUESTS - 1) * share) as usize].as_secs_f64() * 1e3;
            let (p50, p99, max, busy) = (at(0.5), at(0.99), at(1.0), before.busy_since());
            println!("  GET {shown:13} p50 {p50:5.2} ms, p99 {p99:5.2} ms, max {max:5.2} ms, {busy:.2} cores busy");
        }
    }

    fn ask(&self, path: &str) -> Vec<Duration> {
        let begun = Instant::now();
        let ask = |number| {
            let due = begun + PACE * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // The bytes are not parsed: that would take the time of what is measured.
            let (status, ..) = self.server.get_file(self.key, path, "application/json");
            assert_eq!(status, 200);
            due.elapsed()
        };
        (0..REQUESTS).map(ask).collect()
    }
}

/// Time of all cores since the machine started, in the kernel's ticks.
struct CoreTime {
    idle: u64,
    all: u64,
}

impl CoreTime {
    fn read() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        // user, nice, system, idle, iowait, ...
        let ticks: Vec<u64> =
            stat.lines().next().unwrap().split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
        Self { idle: ticks[3] + ticks[4], all: ticks[..8].iter().sum() }
    }

    fn busy_since(&self) -> f64 {
        let now = Self::read();
        let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
        cores * (1.0 - (now.idle - self.idle) as f64 / (now.all - self.all).max(1) as f64)
    }
}
