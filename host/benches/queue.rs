//! How fast the job engine is with tasks that do nothing, every commit on disk, on SQLite and on PostgreSQL. Run with
//! `cargo bench -p paddock --profile release --bench queue`, with `-- SQLite` or `-- PostgreSQL` for one of them.
//!
//! Three figures: jobs per second when everything is submitted at once by several clients; the time from the call of submit to
//! the hint that the job has ended, at a hundred jobs per second; and the time from the call of cancel to the end of a job whose task
//! spins, asked of the node that runs it and, where there can be one, of another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use paddock::{
    auth::idempotency::KeyedRequest,
    db::{Db, DbConfig, Hint, artifacts::ArtifactStore},
    domain::{
        ids::JobId,
        job::{JobKind, JobState},
    },
    jobs::{
        ClaimedTask, JobsConfig, NewJob, NewStage, TaskContext, TaskFailure, TaskOutput, TaskRunner, Worker, cancel,
        intake::{Admission, Intake, IntakeTerms, Submission},
        query,
        quota::QuotaDefaults,
    },
};
use serde_json::json;
use tokio::sync::broadcast::Receiver;

/// Jobs of a flood for each worker, within bounds: few workers take long for what many do at once.
const FLOOD_JOBS_PER_WORKER: usize = 200;
const FLOOD_JOBS_MIN: usize = 1_600;
const FLOOD_JOBS_MAX: usize = 6_400;
const PACED_JOBS: usize = 500;
const CANCELS: usize = 200;
const PACE: Duration = Duration::from_millis(10);
const ROUNDS: usize = 3;

/// Does nothing, or spins until it is stopped where its input is `"spin"`.
struct Nothing;

impl TaskRunner for Nothing {
    fn run(&self, context: &TaskContext, task: &ClaimedTask) -> Result<TaskOutput, TaskFailure> {
        if task.input == "spin" {
            while context.interrupt().reason().is_none() {
                std::hint::spin_loop();
            }
            return Err(TaskFailure::Stopped);
        }
        Ok(TaskOutput { value: json!({ "result": {}, "components": [] }) })
    }
}

#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use support::postgres::Cluster;

fn main() {
    // With its default durability: every commit is on disk before it is acknowledged.
    let cluster = Cluster::start(&[]);
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |database: &str| only.as_ref().is_none_or(|only| *only == database);
    if is_wanted("SQLite") {
        measure("SQLite", &|| None);
    }
    match &cluster {
        _ if !is_wanted("PostgreSQL") => {}
        Some(cluster) => measure("PostgreSQL", &|| Some(cluster.create_database())),
        None => println!("PostgreSQL: not installed"),
    }
}

fn measure(database: &str, url: &dyn Fn() -> Option<String>) {
    println!("{database}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for (workers, clients) in [(256, 256), (128, 32), (32, 32), (4, 32), (1, 32)] {
        let mut per_second: Vec<f64> = (0..ROUNDS).map(|_| runtime.block_on(flood(url(), workers, clients))).collect();
        per_second.sort_by(f64::total_cmp);
        println!("  {workers} workers, {clients} clients: {:.0} jobs/s", per_second[ROUNDS / 2]);
    }
    print_times("100 jobs/s, submit to done", runtime.block_on(paced(url())));
    print_times("cancel to end, same node", runtime.block_on(cancels(url(), Asked::Here)));
    if let Some(url) = url() {
        print_times("cancel to end, another node", runtime.block_on(cancels(Some(url), Asked::Elsewhere)));
    }
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("  {what}: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
}

struct Queue {
    db: Db,
    intake: Intake,
    plan: NewJob,
    worker: paddock::jobs::WorkerHandle,
    _directory: tempfile::TempDir,
}

async fn open(url: Option<String>, workers: usize) -> Queue {
    let directory = tempfile::tempdir().expect("a directory");
    let config = DbConfig { url, ..DbConfig::in_directory(directory.path()) };
    let db = Db::open(&config).await.expect("a database");
    let artifacts = ArtifactStore::open(&config, db.clone()).expect("an artifact store");
    let team = paddock::auth::create_team(&db, "bench").await.expect("a team").id;
    let stages = vec![NewStage { name: "only".to_owned(), weight: 1.0, tasks: vec![json!({})] }];
    let kind = JobKind::Simulate;
    let plan = NewJob {
        team,
        key: None,
        kind,
        spec: json!({}),
        name: None,
        tags: Vec::new(),
        stages,
        deadline_s: None,
        priority: 0,
        schedule: None,
        expected: None,
    };
    let config = JobsConfig { workers, ..JobsConfig::default() };
    let worker = Worker::start(db.clone(), artifacts, Arc::new(Nothing), config).await.expect("a worker");
    let quota = QuotaDefaults { live_jobs_max: u32::MAX, cpu_s_per_day_max: None };
    let intake = Intake::start(db.clone(), IntakeTerms { quota, key_valid_s: 86_400 });
    Queue { db, intake, plan, worker, _directory: directory }
}

impl Queue {
    /// As the API does it for a client that names its request: admitted, stored, and known by its key.
    async fn submit(&self) -> JobId {
        let key = JobId::random().to_string();
        let keyed = Some(KeyedRequest { fingerprint: key.clone(), key });
        match self.intake.submit(Submission { job: self.plan.clone(), keyed }).await {
            Ok(Admission::Queued(id, _)) => id,
            other => panic!("not queued: {other:?}"),
        }
    }

    async fn close(self) {
        self.worker.drain(Duration::from_secs(10)).await;
        self.db.close().await;
    }
}

/// Jobs per second from the first submit to the last end.
async fn flood(url: Option<String>, workers: usize, clients: usize) -> f64 {
    let queue = Arc::new(open(url, workers).await);
    let begun = Instant::now();
    let jobs = (workers * FLOOD_JOBS_PER_WORKER).clamp(FLOOD_JOBS_MIN, FLOOD_JOBS_MAX);
    let clients: Vec<_> = (0..clients)
        .map(|_| jobs / clients)
        .map(|jobs| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut last = queue.submit().await;
                for _ in 1..jobs {
                    last = queue.submit().await;
                }
                last
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    let live = "SELECT COUNT(*) FROM jobs WHERE finished_us IS NULL";
    loop {
        let left: i64 = sqlx::query_scalar(live).fetch_one(queue.db.read()).await.expect("a count");
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let taken = begun.elapsed();
    Arc::into_inner(queue).expect("the clients are gone").close().await;
    jobs as f64 / taken.as_secs_f64()
}

async fn paced(url: Option<String>) -> Vec<Duration> {
    let queue = open(url, 2).await;
    let mut latencies = Vec::with_capacity(PACED_JOBS);
    let mut ticks = tokio::time::interval(PACE);
    for _ in 0..PACED_JOBS {
        ticks.tick().await;
        let mut hints = queue.db.hints();
        let begun = Instant::now();
        let id = queue.submit().await;
        until(&queue.db, &id, &mut hints, JobState::is_terminal).await;
        latencies.push(begun.elapsed());
    }
    queue.close().await;
    latencies
}

/// Which node is asked to cancel.
#[derive(PartialEq)]
enum Asked {
    Here,
    Elsewhere,
}

async fn cancels(url: Option<String>, asked: Asked) -> Vec<Duration> {
    let mut queue = open(url.clone(), 1).await;
    queue.plan.stages[0].tasks = vec![json!("spin")];
    let elsewhere = tempfile::tempdir().expect("a directory");
    let db = match asked {
        Asked::Here => queue.db.clone(),
        Asked::Elsewhere => {
            let config = DbConfig { url, ..DbConfig::in_directory(elsewhere.path()) };
            Db::open(&config).await.expect("the same database")
        }
    };
    let mut times = Vec::with_capacity(CANCELS);
    for _ in 0..CANCELS {
        let mut hints = db.hints();
        let id = queue.submit().await;
        until(&db, &id, &mut hints, |state| state == JobState::Running).await;
        let begun = Instant::now();
        cancel::cancel(&db, &id).await.expect("a cancel");
        until(&db, &id, &mut hints, JobState::is_terminal).await;
        times.push(begun.elapsed());
    }
    queue.close().await;
    times
}

/// Waits until the job's state is one that `is_awaited`.
async fn until(db: &Db, id: &JobId, hints: &mut Receiver<Hint>, is_awaited: impl Fn(JobState) -> bool) {
    while !is_awaited(query::state(db, id).await.expect("a state")) {
        while !matches!(hints.recv().await, Ok(Hint::JobChanged(changed)) if changed == *id) {}
    }
}
