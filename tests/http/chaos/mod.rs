//! A random hour compressed: jobs of two teams are submitted, cancelled and retried while nodes are killed, drained, cut off from
//! their database and left without room for artifacts. Afterwards the history is read and must show that nothing was lost, done
//! twice or left lying, and that each team had its share.
//!
//! CI runs a few seconds of it. For longer: `PADDOCK_CHAOS_S=600 cargo test --release -p paddock --test http chaos -- --nocapture`,
//! with `PADDOCK_CHAOS_SEED` for another course of events.

mod history;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use paddock::db::DbConfig;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};

use self::history::History;
use crate::{
    full_disk::DISK_BYTES,
    season::{import, wait_until, without_cost},
    server::{Place, Server},
    support::{disk::SmallDisk, postgres::Cluster, s3::S3},
};

const SEED: u64 = 20_260_222;
/// Fits that differ in their seed only; each is run many times, and must come to the same result every time.
const DIFFERENT_FITS: u64 = 4;
/// Jobs of a team that are not known to have ended; no more are submitted then. Enough to keep both teams waiting.
const OPEN_JOBS_MAX: usize = 10;
/// Tasks that all nodes together run at a time, whatever the machine has: enough for shares of three to one.
const WORKERS: usize = 4;
/// Nodes that share a PostgreSQL database.
const NODES: usize = 2;
/// The teams' names and weights.
const TEAMS: [(&str, u32); 2] = [("heavy", 3), ("light", 1)];

#[test]
fn nothing_is_lost_or_doubled_on_postgres_whatever_dies() {
    let Some(cluster) = Cluster::start(&["fsync=off"]) else { return };
    let Some(s3) = S3::start() else { return };
    let url = cluster.create_database();
    let mut environment = s3.environment();
    environment.push(("PADDOCK_DATABASE_URL".to_owned(), url.clone()));
    let place = Place::shared(environment.into_iter().chain(impatient(NODES)).collect());
    let nodes = (0..NODES).map(|_| Server::start_at(&place, &[])).collect();
    let story = Story::begin(nodes, Some(&cluster), None).play();
    let directory = tempfile::tempdir().unwrap();
    story.check("PostgreSQL", &DbConfig { url: Some(url), ..DbConfig::in_directory(directory.path()) });
}

#[test]
fn nothing_is_lost_or_doubled_on_sqlite_whatever_dies() {
    let directory = tempfile::tempdir().unwrap();
    let artifacts = directory.path().join("artifacts");
    std::fs::create_dir(&artifacts).unwrap();
    let disk = SmallDisk::mount(&artifacts, DISK_BYTES);
    let config = DbConfig::in_directory(directory.path());
    let node = Server::start_in(directory, &Place::shared(impatient(1).into()));
    Story::begin(vec![node], None, disk).play().check("SQLite", &config);
}

/// Settings for one of `nodes`. Short leases, short pauses and many attempts: in a minute of this, a task dies more often than in a year of service.
fn impatient(nodes: usize) -> [(String, String); 7] {
    [
        ("PADDOCK_JOBS__HEARTBEAT_MS", "150"),
        ("PADDOCK_JOBS__RECONCILE_MS", "100"),
        ("PADDOCK_JOBS__POLL_MS", "200"),
        ("PADDOCK_JOBS__RETRY_BACKOFF_MS", "50"),
        ("PADDOCK_JOBS__RETRY_BACKOFF_MS_MAX", "400"),
        ("PADDOCK_JOBS__ATTEMPTS_MAX", "1000"),
        ("PADDOCK_JOBS__WORKERS", &(WORKERS / nodes).to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// A tiny fit: some tenths of a second.
fn fit(seed: u64) -> Value {
    json!({
        "kind": "calibrate",
        "history": { "trailing_races": 12 },
        "calibrator": { "plugin": "calibrator-attrition", "params": { "warmup": 50, "draws": 50 } },
        "chains": 1,
        "holdout_races": 1,
        "forecast_scenarios": 50,
        "seed": seed,
    })
}

/// A request to run a fit.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    /// Index into `TEAMS`.
    team: usize,
    seed: u64,
}

/// What was asked of the service and what it has acknowledged.
struct Story<'a> {
    /// Goes before the nodes, whose directories it is mounted in.
    disk: Option<SmallDisk>,
    is_disk_full: bool,
    nodes: Vec<Server>,
    cluster: Option<&'a Cluster>,
    random: Xoshiro256PlusPlus,
    /// One for each team.
    keys: Vec<String>,
    /// By the job's id.
    acknowledged: BTreeMap<String, Asked>,
    cancelled: BTreeSet<String>,
    /// Idempotency keys whose request got no answer.
    unanswered: Vec<(String, Asked)>,
    /// How often what happened.
    cycles: BTreeMap<&'static str, usize>,
    died_us: Vec<i64>,
}

impl<'a> Story<'a> {
    fn begin(nodes: Vec<Server>, cluster: Option<&'a Cluster>, disk: Option<SmallDisk>) -> Self {
        let keys: Vec<String> = TEAMS.iter().map(|(team, _)| nodes[0].key(team, "submit,read")).collect();
        for ((team, weight), key) in TEAMS.iter().zip(&keys) {
            nodes[0].command(&["team", "weight", team, &weight.to_string()]);
            import(&nodes[0], key);
        }
        Self {
            disk,
            is_disk_full: false,
            nodes,
            cluster,
            random: Xoshiro256PlusPlus::seed_from_u64(setting("PADDOCK_CHAOS_SEED").unwrap_or(SEED)),
            keys,
            acknowledged: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            unanswered: Vec::new(),
            cycles: BTreeMap::new(),
            died_us: Vec::new(),
        }
    }

    fn play(mut self) -> Self {
        let until = Instant::now() + Duration::from_secs(setting("PADDOCK_CHAOS_S").unwrap_or(12));
        while Instant::now() < until {
            match self.random.random_range(0..100) {
                0..55 => self.submit(),
                55..65 => self.cancel(),
                65..70 => self.kill(),
                70..73 => self.drain(),
                73..77 => self.cut_connections(),
                77..78 => self.crash_database(),
                78..82 => self.turn_disk(),
                _ => pause(self.random.random_range(10..200)),
            }
        }
        if self.is_disk_full {
            self.turn_disk();
        }
        for (key, asked) in std::mem::take(&mut self.unanswered) {
            self.submit_until_answered(&key, asked);
        }
        self
    }

    fn any_node(&mut self) -> usize {
        self.random.random_range(0..self.nodes.len())
    }

    fn submit(&mut self) {
        let asked =
            Asked { team: self.random.random_range(0..TEAMS.len()), seed: self.random.random_range(0..DIFFERENT_FITS) };
        if self.count_open(asked.team) >= OPEN_JOBS_MAX {
            return pause(50);
        }
        let key = format!("request-{}", self.random.random::<u64>());
        let node = self.any_node();
        // Every fourth request is sent twice, as a client does that has lost the answer.
        let sends = if self.random.random_range(0..4) == 0 { 2 } else { 1 };
        for _ in 0..sends {
            match self.nodes[node].try_submit(&self.keys[asked.team], &key, &fit(asked.seed)) {
                Some(id) => drop(self.acknowledged.insert(id, asked.clone())),
                None => self.unanswered.push((key.clone(), asked.clone())),
            }
        }
    }

    /// How a client gets certainty: it repeats the request under its key until there is an answer.
    fn submit_until_answered(&mut self, key: &str, asked: Asked) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(id) = self.nodes[0].try_submit(&self.keys[asked.team], key, &fit(asked.seed)) {
                self.acknowledged.insert(id, asked);
                return;
            }
            assert!(Instant::now() < until, "the service does not recover");
            pause(100);
        }
    }

    /// The team's live jobs; none where there is no answer.
    fn count_open(&self, team: usize) -> usize {
        let live = |state: &str| {
            let answer = self.nodes[0].try_get(&self.keys[team], &format!("/v1/jobs?state={state}&limit=100"));
            answer.map_or(0, |answer| answer.body["items"].as_array().map_or(0, Vec::len))
        };
        live("queued") + live("running")
    }

    fn cancel(&mut self) {
        if self.acknowledged.is_empty() {
            return;
        }
        let chosen = self.random.random_range(0..self.acknowledged.len());
        let (id, asked) = self.acknowledged.iter().nth(chosen).unwrap();
        let (id, team) = (id.clone(), asked.team);
        let node = self.any_node();
        // Also where the answer is lost: the service may have done it.
        self.cancelled.insert(id.clone());
        self.nodes[node].try_post(&self.keys[team], &format!("/v1/jobs/{id}/cancel"));
    }

    fn happened(&mut self, what: &'static str) {
        *self.cycles.entry(what).or_default() += 1;
    }

    fn died(&mut self, how: &'static str) {
        self.happened(how);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.died_us.push(i64::try_from(now.as_micros()).unwrap());
    }

    fn kill(&mut self) {
        let node = self.any_node();
        self.died("killed");
        self.nodes[node].kill_and_restart();
    }

    fn drain(&mut self) {
        let node = self.any_node();
        self.died("drained");
        self.nodes[node].terminate_and_restart();
    }

    fn cut_connections(&mut self) {
        if let Some(cluster) = self.cluster {
            self.died("connections cut");
            cluster.cut_connections();
        }
    }

    fn crash_database(&mut self) {
        if let Some(cluster) = self.cluster {
            self.died("database crashed");
            cluster.crash();
        }
    }

    /// Fills the disk of the artifacts or, next time, gives its room back.
    fn turn_disk(&mut self) {
        let Some(disk) = &self.disk else { return };
        if self.is_disk_full {
            disk.empty();
        } else {
            disk.fill();
            self.happened("disk filled");
        }
        self.is_disk_full = !self.is_disk_full;
    }

    /// Waits for all jobs to end, then reads what happened.
    fn check(self, database: &str, config: &DbConfig) {
        let mut ended: BTreeMap<String, usize> = BTreeMap::new();
        for state in self.check_results().into_values() {
            *ended.entry(state).or_default() += 1;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let history = runtime.block_on(History::read(config));
        history.check_endings();
        let lost = self.acknowledged.keys().filter(|id| !history.has_ended(id)).count();
        let doubled = history.count_doubled();
        let recoveries = history.recoveries_us(&self.died_us);
        let at = |share: f64| {
            recoveries.get(((recoveries.len().max(1) - 1) as f64 * share) as usize).map_or(0, |us| us / 1000)
        };
        let claims = history.count_fair_claims();
        println!(
            "{database}: {} cycles {:?}, {} jobs {ended:?}, lost {lost}, doubled {doubled}, \
            {} recoveries: p50 {} ms, p99 {} ms, {} retries, {} of {} contested claims fair",
            self.cycles.values().sum::<usize>(),
            self.cycles,
            self.acknowledged.len(),
            recoveries.len(),
            at(0.5),
            at(0.99),
            history.count_retried(),
            claims.fair,
            claims.contested,
        );
        assert_eq!((lost, doubled), (0, 0));
        assert_eq!(
            history.count_jobs(),
            self.acknowledged.len(),
            "a request made several jobs, or one that nobody was told of"
        );
        claims.check();
    }

    /// The state in which each job has ended. Whatever happened to it, the same fit came to the same result.
    fn check_results(&self) -> BTreeMap<String, String> {
        let mut results: HashMap<&Asked, Value> = HashMap::new();
        let mut states = BTreeMap::new();
        for (id, asked) in &self.acknowledged {
            let key = &self.keys[asked.team];
            let job = wait_until(&self.nodes[0], key, id, |job| job["finished_at"].is_string());
            let state = job["state"].as_str().unwrap().to_owned();
            match state.as_str() {
                "succeeded" | "partial" => {
                    let answer = self.nodes[0].get(key, &format!("/v1/jobs/{id}/result"));
                    let result = without_cost(answer.body["result"].clone());
                    let first = results.entry(asked).or_insert_with(|| result.clone());
                    assert_eq!(first, &result, "{id} came to another result");
                }
                "cancelled" => assert!(self.cancelled.contains(id), "{id} was cancelled by nobody"),
                _ => panic!("{id} {state}: {}", job["problem"]),
            }
            states.insert(id.clone(), state);
        }
        states
    }
}

/// Lets time pass in the course of events, for so many milliseconds: nothing is waited for.
fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
