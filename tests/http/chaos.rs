//! A random hour compressed: jobs are submitted, cancelled and retried while nodes are killed, drained and cut off from their database.
//! Afterwards the history is read and must show that nothing was lost, done twice or left lying.
//!
//! CI runs a few seconds of it. For longer: `PADDOCK_CHAOS_S=600 cargo test --release -p paddock --test http chaos -- --nocapture`,
//! with `PADDOCK_CHAOS_SEED` for another course of events.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use paddock::db::{Db, DbConfig};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};

use crate::{
    season::{import, wait_until, without_cost},
    server::{Place, Server},
    support::{postgres::Cluster, s3::S3},
};

const SEED: u64 = 20_260_222;
/// Fits that differ in their seed only; each is run many times, and must come to the same result every time.
const DIFFERENT_FITS: u64 = 4;
/// Jobs that are not known to have ended; no more are submitted then.
const OPEN_JOBS_MAX: usize = 12;

#[test]
fn nothing_is_lost_or_doubled_on_postgres_whatever_dies() {
    let Some(cluster) = Cluster::start(&["fsync=off"]) else { return };
    let Some(s3) = S3::start() else { return };
    let url = cluster.create_database();
    let mut environment = s3.environment();
    environment.push(("PADDOCK_DATABASE_URL".to_owned(), url.clone()));
    let place = Place::shared(environment.into_iter().chain(impatient()).collect());
    let nodes = (0..2).map(|_| Server::start_at(&place, &[])).collect();
    let story = Story::begin(nodes, Some(&cluster)).play();
    let directory = tempfile::tempdir().unwrap();
    story.check("PostgreSQL", &DbConfig { url: Some(url), ..DbConfig::in_directory(directory.path()) });
}

#[test]
fn nothing_is_lost_or_doubled_on_sqlite_whatever_dies() {
    let place = Place::shared(impatient().into());
    let story = Story::begin(vec![Server::start_at(&place, &[])], None).play();
    let config = DbConfig::in_directory(story.nodes[0].data_dir());
    story.check("SQLite", &config);
}

/// Short leases and many attempts: in a minute of this, a task dies more often than in a year of service.
fn impatient() -> [(String, String); 4] {
    [
        ("PADDOCK_JOBS__HEARTBEAT_MS", "150"),
        ("PADDOCK_JOBS__RECONCILE_MS", "100"),
        ("PADDOCK_JOBS__POLL_MS", "200"),
        ("PADDOCK_JOBS__ATTEMPTS_MAX", "1000"),
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

/// What was asked of the service and what it has acknowledged.
struct Story<'a> {
    nodes: Vec<Server>,
    cluster: Option<&'a Cluster>,
    random: Xoshiro256PlusPlus,
    key: String,
    /// Seed of the fit by the job's id.
    acknowledged: BTreeMap<String, u64>,
    cancelled: Vec<String>,
    /// Idempotency keys whose request got no answer, with the seed.
    unanswered: Vec<(String, u64)>,
    deaths: BTreeMap<&'static str, usize>,
    died_us: Vec<i64>,
}

impl<'a> Story<'a> {
    fn begin(nodes: Vec<Server>, cluster: Option<&'a Cluster>) -> Self {
        let key = nodes[0].key("team", "submit,read");
        import(&nodes[0], &key);
        Self {
            nodes,
            cluster,
            random: Xoshiro256PlusPlus::seed_from_u64(setting("PADDOCK_CHAOS_SEED").unwrap_or(SEED)),
            key,
            acknowledged: BTreeMap::new(),
            cancelled: Vec::new(),
            unanswered: Vec::new(),
            deaths: BTreeMap::new(),
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
                _ => thread::sleep(Duration::from_millis(self.random.random_range(10..200))),
            }
        }
        for (key, seed) in std::mem::take(&mut self.unanswered) {
            self.submit_until_answered(&key, seed);
        }
        self
    }

    fn any_node(&mut self) -> usize {
        self.random.random_range(0..self.nodes.len())
    }

    fn submit(&mut self) {
        let open = self.acknowledged.len() - self.count_ended();
        if open >= OPEN_JOBS_MAX {
            return thread::sleep(Duration::from_millis(50));
        }
        let seed = self.random.random_range(0..DIFFERENT_FITS);
        let key = format!("request-{}", self.random.random::<u64>());
        let node = self.any_node();
        // Every fourth request is sent twice, as a client does that has lost the answer.
        let sends = if self.random.random_range(0..4) == 0 { 2 } else { 1 };
        for _ in 0..sends {
            match self.nodes[node].try_submit(&self.key, &key, &fit(seed)) {
                Some(id) => drop(self.acknowledged.insert(id, seed)),
                None => self.unanswered.push((key.clone(), seed)),
            }
        }
    }

    /// How a client gets certainty: it repeats the request under its key until there is an answer.
    fn submit_until_answered(&mut self, key: &str, seed: u64) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(id) = self.nodes[0].try_submit(&self.key, key, &fit(seed)) {
                self.acknowledged.insert(id, seed);
                return;
            }
            assert!(Instant::now() < until, "the service does not recover");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn count_ended(&self) -> usize {
        let live = |state: &str| {
            let answer = self.nodes[0].try_get(&self.key, &format!("/v1/jobs?state={state}&limit=100"));
            answer.map_or(0, |answer| answer.body["items"].as_array().map_or(0, Vec::len))
        };
        self.acknowledged.len().saturating_sub(live("queued") + live("running"))
    }

    fn cancel(&mut self) {
        if self.acknowledged.is_empty() {
            return;
        }
        let chosen = self.random.random_range(0..self.acknowledged.len());
        let id = self.acknowledged.keys().nth(chosen).unwrap().clone();
        let node = self.any_node();
        let answer = self.nodes[node].try_post(&self.key, &format!("/v1/jobs/{id}/cancel"));
        if answer.is_some_and(|answer| answer.status == 200) {
            self.cancelled.push(id);
        }
    }

    fn died(&mut self, how: &'static str) {
        *self.deaths.entry(how).or_default() += 1;
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

    /// Waits for all jobs to end, then reads what happened.
    fn check(mut self, database: &str, config: &DbConfig) {
        let mut results: HashMap<u64, Value> = HashMap::new();
        let mut ended: BTreeMap<String, usize> = BTreeMap::new();
        for (id, seed) in &self.acknowledged {
            let job = wait_until(&self.nodes[0], &self.key, id, |job| job["finished_at"].is_string());
            let state = job["state"].as_str().unwrap().to_owned();
            assert!(
                ["succeeded", "partial", "cancelled"].contains(&state.as_str()),
                "{id} {state}: {}",
                job["problem"]
            );
            self.check_events(id, &state);
            if state != "cancelled" {
                let result = self.nodes[0].get(&self.key, &format!("/v1/jobs/{id}/result")).body["result"].clone();
                let result = without_cost(result);
                assert_eq!(
                    results.entry(*seed).or_insert_with(|| result.clone()),
                    &result,
                    "{id} came to another result"
                );
            } else {
                assert!(self.cancelled.contains(id) || !self.deaths.is_empty(), "{id} was cancelled by nobody");
            }
            *ended.entry(state).or_default() += 1;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let recoveries = runtime.block_on(self.check_rows(config));
        let at =
            |share: f64| recoveries.get(((recoveries.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0);
        println!(
            "{database}: {} jobs {ended:?}, {:?}, lost 0, doubled 0, {} recoveries: p50 {} ms, p99 {} ms",
            self.acknowledged.len(),
            self.deaths,
            recoveries.len(),
            at(0.5) / 1000,
            at(0.99) / 1000
        );
        self.nodes.clear();
    }

    /// One ending, at the end; every sequence number once.
    fn check_events(&self, id: &str, state: &str) {
        let events = self.nodes[0].get(&self.key, &format!("/v1/jobs/{id}/events?limit=200")).body;
        let events = events["items"].as_array().unwrap();
        let sequences: Vec<_> = events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect();
        assert!(sequences.is_sorted_by(|one, next| one < next), "{id}: {sequences:?}");
        let states: Vec<_> =
            events.iter().filter(|e| e["kind"] == "state").map(|e| e["data"]["state"].clone()).collect();
        let endings = states.iter().filter(|s| !["queued", "running"].contains(&s.as_str().unwrap())).count();
        assert_eq!((endings, states.last().unwrap().as_str()), (1, Some(state)), "{id}: {states:?}");
        assert_eq!(states.first().unwrap(), "queued", "{id}: {states:?}");
    }

    /// What only the rows tell: nothing is leased or open any more, no task has succeeded twice, each request made one job.
    /// Returns how long after the last death before it each lost task was claimed again, sorted, in microseconds.
    async fn check_rows(&self, config: &DbConfig) -> Vec<i64> {
        let db = Db::open_beside(config).await.unwrap();
        let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(db.read()).await.unwrap() };
        assert_eq!(count("SELECT COUNT(*) FROM tasks WHERE state IN ('ready', 'running', 'waiting')").await, 0);
        assert_eq!(count("SELECT COUNT(*) FROM attempts WHERE outcome = 'running'").await, 0, "an attempt never ended");
        let twice = "SELECT COUNT(*) FROM (
            SELECT task_id FROM attempts WHERE outcome = 'succeeded' GROUP BY task_id HAVING COUNT(*) > 1) AS twice";
        assert_eq!(count(twice).await, 0, "a task succeeded twice");
        let jobs = count("SELECT COUNT(*) FROM jobs").await;
        assert_eq!(jobs, self.acknowledged.len() as i64, "jobs that nobody was told of, or the other way round");
        let again: Vec<(i64,)> = sqlx::query_as(
            "SELECT later.started_us FROM attempts AS lost
            JOIN attempts AS later ON later.task_id = lost.task_id AND later.lease_epoch = lost.lease_epoch + 1
            WHERE lost.outcome = 'lost'",
        )
        .fetch_all(db.read())
        .await
        .unwrap();
        let since_death = |started: i64| Some(started - *self.died_us.iter().rev().find(|died| **died <= started)?);
        let mut recoveries: Vec<i64> = again.into_iter().filter_map(|(started,)| since_death(started)).collect();
        recoveries.sort_unstable();
        db.close().await;
        recoveries
    }
}
