//! The real thing: a process that is killed in the middle of a task, and its successor. SQLite only, as a process of a fleet
//! shares its database with others.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::json;

use super::store::{Closure, PATIENCE, done, patient, wait_for_end};
use crate::{
    db::{Db, DbConfig, artifacts::ArtifactStore},
    domain::{
        ids::{JobId, TeamId},
        job::{JobKind, JobState},
    },
    jobs::{
        NewJob, NewStage, TaskContext, TaskFailure, TaskOutput, Worker, WorkerHandle, query, state::AttemptOutcome,
        submit,
    },
};

const STEPS: u64 = 40;
const KILLED_AFTER: u64 = 5;
const DIRECTORY: &str = "PADDOCK_TEST_KILLED_DIRECTORY";

/// Adds 1 + 2 + ... + `STEPS`, with a checkpoint after every step. Announces each step on standard output; `pause` leaves time to
/// be killed in between.
fn add_up(context: &TaskContext, pause: std::time::Duration) -> Result<TaskOutput, TaskFailure> {
    let resumed = context.last_checkpoint()?;
    let resumed: Option<(u64, u64)> = resumed.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (mut step, mut sum) = resumed.unwrap_or_default();
    let resumed_at = step;
    while step < STEPS {
        step += 1;
        sum += step;
        context.save_checkpoint(&serde_json::to_vec(&(step, sum)).unwrap())?;
        println!("saved {step}");
        std::thread::sleep(pause);
    }
    done(json!({ "sum": sum, "resumed_at": resumed_at }))
}

async fn open(directory: &Path) -> (Db, ArtifactStore) {
    let config = DbConfig::in_directory(directory);
    let db = Db::open(&config).await.unwrap();
    let artifacts = ArtifactStore::open(&config, db.clone()).unwrap();
    (db, artifacts)
}

async fn start(db: &Db, artifacts: &ArtifactStore, pause_ms: u64) -> WorkerHandle {
    let pause = std::time::Duration::from_millis(pause_ms);
    let runner = Arc::new(Closure(move |context: &TaskContext, _: &_| add_up(context, pause)));
    Worker::start(db.clone(), artifacts.clone(), runner, patient()).await.unwrap()
}

/// Not a test by itself: the process that [`a_killed_process_costs_no_more_than_the_step_it_was_in`] kills.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (db, artifacts) = open(Path::new(&directory)).await;
    let _worker = start(&db, &artifacts, 20).await;
    std::future::pending::<()>().await;
}

fn start_victim(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::tests::kill::victim", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the victim says until it has saved `step`, then kills it as the operating system would: without a word.
fn kill_after(mut victim: Child, step: u64) {
    let announced = format!("saved {step}");
    let output = BufReader::new(victim.stdout.take().unwrap());
    let was_announced = output.lines().any(|line| line.unwrap().ends_with(&announced));
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(was_announced, "the victim ended by itself");
}

async fn submit_one(db: &Db) -> JobId {
    let team = TeamId::random();
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)")
        .bind(team.as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let stages = vec![NewStage { name: "add".to_owned(), weight: 1.0, tasks: vec![json!(null)] }];
    let job = NewJob {
        team,
        key: None,
        kind: JobKind::Simulate,
        spec: json!({}),
        name: None,
        tags: Vec::new(),
        stages,
        deadline_s: None,
        priority: 0,
        schedule: None,
        expected: None,
    };
    submit::submit(db, job).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_costs_no_more_than_the_step_it_was_in() {
    let directory = tempfile::tempdir().unwrap();
    let (db, artifacts) = open(directory.path()).await;
    let job = submit_one(&db).await;
    db.close().await;
    drop((db, artifacts));

    let victim = start_victim(directory.path());
    tokio::task::spawn_blocking(move || kill_after(victim, KILLED_AFTER)).await.unwrap();

    let (db, artifacts) = open(directory.path()).await;
    assert_eq!(query::get(&db, &job).await.unwrap().state, JobState::Running);
    let worker = start(&db, &artifacts, 0).await;
    let row = wait_for_end(&db, &job).await;
    assert_eq!(row.state, JobState::Succeeded, "{:?}", row.problem);
    assert_eq!(row.failed_attempts.len(), 1);
    assert_eq!(row.failed_attempts[0].outcome, AttemptOutcome::Lost);
    let result = query::result(&db, &job).await.unwrap().result.unwrap();
    assert_eq!(result["sum"], json!(STEPS * (STEPS + 1) / 2));
    let resumed_at = result["resumed_at"].as_u64().unwrap();
    assert!((KILLED_AFTER..STEPS).contains(&resumed_at), "resumed at {resumed_at}");
    worker.drain(PATIENCE).await;
}
