//! Every attack of `guests/hostile` on the real binary, again and again, beside a team that does its honest work: the server stays up,
//! each attack ends as it must, the honest results are the same bytes as without it and nearly as soon, requests are answered, and
//! memory returns to its level.
//!
//! CI runs the corpus once, beside other tests, and times nothing. For longer, and for the times: `PADDOCK_SOAK_S=300 cargo test --release -p paddock --test http soak -- --nocapture`, which
//! prints the figures.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hostile::{ATTACKS, Attack, End};
use serde_json::{Value, json};

use crate::{
    season::{import, result, submit, wait_until, without_cost},
    server::{Place, Server},
};

/// Fuel of one plugin in one task: a second or two of looping, and far more than the honest jobs take.
const TASK_FUEL: &str = "8000000000";
/// Honest jobs that are timed before the attacks begin.
const QUIET_JOBS: usize = 6;
/// Pause between two requests that are timed.
const PROBE_PAUSE: Duration = Duration::from_millis(20);
/// Resident memory that may stay behind, in bytes: compiled plugins in memory, the allocator's own reserves.
const RSS_GROWTH_MAX: u64 = 400 << 20;
/// How much slower the median honest job may be than on its own, where the soak has the machine to itself. The aim is a tenth.
const SLOWDOWN_MAX: f64 = 2.0;

/// Attacks whose end needs an interruption in the right moment; here it is enough that their jobs end.
const NEED_AN_INTERRUPTION: [&str; 2] = ["restore_that_begins_again", "garbage_checkpoint"];

/// What the jobs of both teams work on.
struct Ground {
    server: Server,
    honest: String,
    hostile: String,
    /// What attacks are run on: a model, and the race to come.
    model: Value,
    race: Value,
}

impl Ground {
    fn prepare() -> Self {
        let settings = [
            ("PADDOCK_PIPELINE__TASK_FUEL", TASK_FUEL),
            ("PADDOCK_JOBS__WORKERS", "2"),
            // Tested at the door all the same, and let in: their jobs are to be seen, again and again.
            ("PADDOCK_PLUGINS__CONFORMANCE_REQUIRED", "false"),
            ("PADDOCK_PLUGINS__CONFORMANCE__WALL_S", "1"),
            ("PADDOCK_PLUGINS__QUARANTINE_TRAPS", "1000000"),
        ];
        let place = Place::shared(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let server = Server::start_at(&place, &[]);
        let [honest, hostile] = ["honest", "hostile"].map(|team| server.key(team, "submit,read,admin"));
        import(&server, &honest);
        let race = import(&server, &hostile)["race"].clone();
        let model = result(&server, &hostile, &submit(&server, &hostile, &fit()))["model"]["id"].clone();
        Self { server, honest, hostile, model, race }
    }

    /// An honest job from submission to result, without its cost, and how long it took.
    fn honest_job(&self) -> (Value, Duration) {
        let started = Instant::now();
        let job = submit(&self.server, &self.honest, &fit());
        let found = result(&self.server, &self.honest, &job);
        (without_cost(found), started.elapsed())
    }

    /// Resident memory of the server, in bytes.
    fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

/// A fit of one chain: a second of work that only one worker can do, so that the other one is the attackers' fair share.
fn fit() -> Value {
    json!({
        "kind": "calibrate", "history": { "trailing_races": 60 }, "chains": 1, "holdout_races": 0,
        "calibrator": { "plugin": "calibrator-attrition", "params": { "warmup": 200, "draws": 200 } },
    })
}

fn state(job: &Value) -> &str {
    job["state"].as_str().unwrap()
}

/// One attack, from the upload to the end of its job. Says how long the upload took.
fn attack(ground: &Ground, attack: &Attack, component: &[u8], round: usize) -> Duration {
    let (name, began) = (attack.name, Instant::now());
    let answer = ground.server.post(&ground.hostile, "/v1/plugins", "application/wasm", component);
    let uploaded = began.elapsed();
    let refused = match attack.end {
        End::Refused(code) => Some(code),
        End::SeesNothing => Some("component-import-refused"),
        End::Fails(..) | End::Harmless => None,
    };
    if let Some(code) = refused.filter(|_| answer.status == 422 || attack.end != End::SeesNothing) {
        assert_eq!((answer.status, answer.code()), (422, code), "{name}: {}", answer.body);
        let told = |field: &str| answer.body[field].as_str().is_some_and(|text| !text.is_empty());
        assert!(told("plugin") && told("function") && told("action"), "{name}: {}", answer.body);
        return uploaded;
    }
    assert!([200, 201].contains(&answer.status), "{name}: {}", answer.body);
    let job = submit(&ground.server, &ground.hostile, &job_with(ground, &answer.body, round));
    let ended = wait_until(&ground.server, &ground.hostile, &job, |job| !["queued", "running"].contains(&state(job)));
    match attack.end {
        _ if NEED_AN_INTERRUPTION.contains(&name) => {}
        End::Fails(function, code) => {
            let problem = &ended["problem"];
            assert_eq!((state(&ended), problem["code"].as_str()), ("failed", Some(code)), "{name}: {problem}");
            assert_eq!(problem["function"], function, "{name}: {problem}");
            assert_eq!(problem["plugin"], format!("{}@1.2.3", attack.plugin_name()), "{name}: {problem}");
        }
        _ => assert_eq!(state(&ended), "succeeded", "{name}: {}", ended["problem"]),
    }
    uploaded
}

/// One attack after the other.
fn attack_with_all(ground: &Ground, components: &[Vec<u8>], round: usize) {
    let each = ATTACKS.iter().zip(components);
    let mut uploads: Vec<(Duration, &str)> =
        each.map(|(each, component)| (attack(ground, each, component, round), each.name)).collect();
    uploads.sort_unstable();
    let slowest = &uploads[uploads.len() - 5..];
    println!("round {round}: {} MiB resident; slowest uploads {slowest:.1?}", ground.rss() >> 20);
}

/// A job that runs a plugin in its place. Each round has another seed: a job that does the same as a live one is not taken.
fn job_with(ground: &Ground, plugin: &Value, round: usize) -> Value {
    let uses = json!({ "plugin": plugin["name"] });
    let simulate = |scenarios: Value| json!({ "kind": "simulate", "model": ground.model, "race": ground.race, "scenarios": scenarios });
    match plugin["world"].as_str().unwrap() {
        "constraint" => simulate(json!({ "n_scenarios": 200, "seed": round, "constraints": [uses] })),
        "generator" => simulate(json!({ "n_scenarios": 200, "seed": round, "constraints": [], "generator": uses })),
        _ => json!({
            "kind": "calibrate", "history": { "trailing_races": 10 }, "chains": 1, "holdout_races": 0, "calibrator": uses,
            "seed": round,
        }),
    }
}

/// Times, sorted: what a share of them does not exceed.
fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn told(what: &str, times: &mut [Duration]) {
    let [half, most, all] = [0.5, 0.99, 1.0].map(|share| quantile(times, share));
    println!("{what}: median {half:.1?}, p99 {most:.1?}, longest {all:.1?} of {}", times.len());
}

/// Asks again and again for something small, until `is_over`.
fn probe(ground: &Ground, is_over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        assert_eq!(ground.server.get(&ground.honest, "/v1/jobs?limit=5").status, 200);
        times.push(asked.elapsed());
        thread::sleep(PROBE_PAUSE);
    }
    times
}

#[test]
fn the_whole_corpus_harms_nobody_else() {
    let seconds = std::env::var("PADDOCK_SOAK_S").ok().map_or(0, |seconds| seconds.parse().unwrap());
    // Made beforehand: it takes this process more of the machine than the attacks take the server.
    let components: Vec<Vec<u8>> = ATTACKS.iter().map(Attack::component).collect();
    let ground = Ground::prepare();
    let (expected, _) = ground.honest_job();
    let mut quiet: Vec<Duration> = (0..QUIET_JOBS).map(|_| ground.honest_job().1).collect();
    let before = ground.rss();
    let is_over = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut busy, mut requests, rounds, mut peak) = thread::scope(|scope| {
        let attacks = scope.spawn(|| {
            let mut rounds = 0;
            while rounds == 0 || Instant::now() < until {
                rounds += 1;
                attack_with_all(&ground, &components, rounds);
            }
            is_over.store(true, Ordering::Relaxed);
            rounds
        });
        let requests = scope.spawn(|| probe(&ground, &is_over));
        let (mut busy, mut peak) = (Vec::new(), before);
        while !is_over.load(Ordering::Relaxed) && !attacks.is_finished() {
            let (found, took) = ground.honest_job();
            assert_eq!(found, expected, "an honest result is another one beside the attacks");
            busy.push(took);
            peak = peak.max(ground.rss());
        }
        // Before the panic of a failed attack is passed on, the probe must end.
        is_over.store(true, Ordering::Relaxed);
        (busy, requests.join().unwrap(), attacks.join().unwrap(), peak)
    });
    ground.honest_job();
    let after = ground.rss();
    peak = peak.max(after);
    println!(
        "{} attacks, {rounds} rounds; resident {} MiB before, {} at most, {} after",
        ATTACKS.len(),
        before >> 20,
        peak >> 20,
        after >> 20
    );
    told("honest jobs alone", &mut quiet);
    told("honest jobs beside the attacks", &mut busy);
    told("requests beside the attacks", &mut requests);
    let slowdown = quantile(&mut busy, 0.5).as_secs_f64() / quantile(&mut quiet, 0.5).as_secs_f64();
    println!("honest jobs take {slowdown:.2} times as long");
    assert!(after < before + RSS_GROWTH_MAX, "{before} bytes before, {after} after");
    // One round runs among other tests, which take of the machine what they want.
    assert!(seconds == 0 || slowdown < SLOWDOWN_MAX, "{slowdown}");
    assert_eq!(ground.server.get(&ground.honest, "/readyz").status, 200);
}
