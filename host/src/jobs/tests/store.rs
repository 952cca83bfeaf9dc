//! A database with one team, and what tests do with it: submit, claim, run, wait.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    db::{Db, DbConfig, artifacts::ArtifactStore},
    domain::{
        ids::{JobId, TeamId},
        job::{Component, ComponentStatus, JobKind, JobState},
        problem::Problem,
    },
    jobs::{
        ClaimedTask, JobsConfig, JobsError, NewJob, NewStage, TaskContext, TaskFailure, TaskOutput, TaskRunner, Worker,
        WorkerHandle,
        claim::{self, Claim},
        events::{self, Event, EventKind},
        finish::{self, Outcome, Verdict},
        lease::Lease,
        limits::ClaimTerms,
        load::{self, Loaded},
        query::{self, JobRow},
        submit,
    },
    support::postgres::Cluster,
};

/// Longer than anything here takes; reaching it means that a signal never came.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const MINUTE_US: i64 = 60_000_000;

pub(super) struct Store {
    pub(super) db: Db,
    pub(super) artifacts: ArtifactStore,
    pub(super) team: TeamId,
    pub(super) config: DbConfig,
    _directory: tempfile::TempDir,
}

impl Store {
    pub(super) async fn sqlite() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        Some(Self::open(DbConfig::in_directory(directory.path()), directory).await)
    }

    /// `None` where PostgreSQL is not installed and this is not CI.
    pub(super) async fn postgres() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::create_database));
        let url = url.await.unwrap()?;
        Some(Self::open(DbConfig { url: Some(url), ..DbConfig::in_directory(directory.path()) }, directory).await)
    }

    async fn open(config: DbConfig, directory: tempfile::TempDir) -> Self {
        let db = Db::open(&config).await.unwrap();
        let artifacts = ArtifactStore::open(&config, db.clone()).unwrap();
        let team = add_team(&db).await;
        Self { db, artifacts, team, config, _directory: directory }
    }

    /// As after a crash: all handles are gone, nothing was said, and the data is opened again.
    pub(super) async fn restart(&mut self) {
        let elsewhere = tempfile::tempdir().unwrap();
        let placeholder = Db::open(&DbConfig::in_directory(elsewhere.path())).await.unwrap();
        self.artifacts = ArtifactStore::open(&self.config, placeholder.clone()).unwrap();
        std::mem::replace(&mut self.db, placeholder).close().await;
        self.db = Db::open(&self.config).await.unwrap();
        self.artifacts = ArtifactStore::open(&self.config, self.db.clone()).unwrap();
    }

    pub(super) fn plan(&self, tasks_per_stage: &[usize]) -> NewJob {
        let stages = tasks_per_stage.iter().enumerate().map(|(ordinal, &count)| NewStage {
            name: format!("stage {ordinal}"),
            weight: 1.0,
            tasks: (0..count).map(|position| json!({ "position": position })).collect(),
        });
        NewJob {
            team: self.team.clone(),
            key: None,
            kind: JobKind::Simulate,
            spec: json!({ "seed": 7 }),
            name: Some("a test".to_owned()),
            tags: Vec::new(),
            stages: stages.collect(),
            deadline_s: None,
            priority: 0,
            schedule: None,
            expected: None,
        }
    }

    pub(super) async fn submit(&self, tasks_per_stage: &[usize]) -> JobId {
        submit::submit(&self.db, self.plan(tasks_per_stage)).await.unwrap()
    }

    pub(super) async fn claim(&self) -> Option<Claim> {
        claim_one(&self.db, &terms(&self.db, MINUTE_US)).await
    }

    /// Claims with a lease that has ended already.
    pub(super) async fn claim_expired(&self) -> Option<Claim> {
        claim_one(&self.db, &terms(&self.db, -1)).await
    }

    pub(super) async fn claim_lease(&self) -> Lease {
        self.claim().await.expect("a task to claim").lease
    }

    pub(super) async fn record(&self, lease: &Lease, verdict: Verdict) {
        try_record(&self.db, &patient(), lease, verdict).await.unwrap();
    }

    /// Claims and finishes tasks until none is left, as a worker without faults does.
    pub(super) async fn finish_all(&self) {
        while let Some(claim) = self.claim().await {
            self.record(&claim.lease, Verdict::Done(result_of(json!("fine")))).await;
        }
    }

    pub(super) async fn job(&self, job: &JobId) -> JobRow {
        query::get(&self.db, job).await.unwrap()
    }

    pub(super) async fn events(&self, job: &JobId) -> Vec<Event> {
        events::since(&self.db, job, 0, 10_000).await.unwrap()
    }

    pub(super) async fn terminal_events(&self, job: &JobId) -> usize {
        let is_terminal = |event: &Event| {
            let state = event.data["state"].as_str().and_then(JobState::from_name);
            event.kind == EventKind::State && state.is_some_and(JobState::is_terminal)
        };
        self.events(job).await.iter().filter(|event| is_terminal(event)).count()
    }

    pub(super) async fn start<F>(&self, config: JobsConfig, run: F) -> WorkerHandle
    where
        F: Fn(&TaskContext, &ClaimedTask) -> Result<TaskOutput, TaskFailure> + Send + Sync + 'static,
    {
        let runner = Arc::new(Closure(run));
        Worker::start(self.db.clone(), self.artifacts.clone(), runner, config).await.unwrap()
    }

    pub(super) async fn wait_for_end(&self, job: &JobId) -> JobRow {
        wait_for_end(&self.db, job).await
    }
}

pub(super) async fn wait_for_end(db: &Db, job: &JobId) -> JobRow {
    // Subscribed before looking, so that an end in between is not missed.
    let mut hints = db.hints();
    let ended = async {
        loop {
            let row = query::get(db, job).await.unwrap();
            if row.state.is_terminal() {
                return row;
            }
            if let Err(RecvError::Closed) = hints.recv().await {
                panic!("the database is closed");
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the job to end")
}

/// A lease of this long, and no limit on what a team may run.
pub(super) fn terms(db: &Db, lease_us: i64) -> ClaimTerms {
    let (worker, session) = ("a worker".to_owned(), db.session().to_owned());
    ClaimTerms { worker, session, lease_us, running_per_team_max: i64::MAX }
}

/// Claims for one worker.
pub(super) async fn claim_one(db: &Db, terms: &ClaimTerms) -> Option<Claim> {
    let mut claims = claim::claim(db, terms, 1).await.unwrap().claims;
    assert!(claims.len() <= 1);
    claims.pop()
}

/// Reads one claimed task as a worker does.
pub(super) async fn load_one(db: &Db, lease: &Lease) -> Loaded {
    load::load(db, &[lease]).await.unwrap().remove(&lease.task).expect("a lease that holds")
}

/// Records one outcome as a worker does that cannot tell what it cost.
pub(super) async fn try_record(db: &Db, config: &JobsConfig, lease: &Lease, verdict: Verdict) -> Result<(), JobsError> {
    finish::record(db, config, &Outcome { lease: lease.clone(), verdict, cpu_us: None }).await
}

pub(super) async fn add_team(db: &Db) -> TeamId {
    let team = TeamId::random();
    let mut tx = db.write().await.unwrap();
    sqlx::query("INSERT INTO teams (id, name, created_us) VALUES ($1, $1, 0)")
        .bind(team.as_str())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    team
}

pub(super) struct Closure<F>(pub(super) F);

impl<F> TaskRunner for Closure<F>
where
    F: Fn(&TaskContext, &ClaimedTask) -> Result<TaskOutput, TaskFailure> + Send + Sync + 'static,
{
    fn run(&self, context: &TaskContext, task: &ClaimedTask) -> Result<TaskOutput, TaskFailure> {
        (self.0)(context, task)
    }
}

/// Settings under which nothing happens by the clock while a test runs: only signals move things.
pub(super) fn patient() -> JobsConfig {
    JobsConfig {
        workers: 2,
        heartbeat_ms: 60_000,
        poll_ms: 60_000,
        reconcile_ms: 60_000,
        retry_backoff_ms: 0,
        progress_ms: 0,
        ..JobsConfig::default()
    }
}

/// An output that also serves as a result.
pub(super) fn result_of(result: Value) -> Value {
    json!({ "result": result, "components": [] })
}

pub(super) fn done(result: Value) -> Result<TaskOutput, TaskFailure> {
    Ok(TaskOutput { value: result_of(result) })
}

pub(super) fn component(name: &str, status: ComponentStatus) -> Component {
    Component { name: name.to_owned(), status, reason: None, is_beside: false }
}

pub(super) fn problem(detail: &str) -> Problem {
    Problem::new("test-problem", "A test made this", detail, "Nothing.")
}

/// Waits as a task does that only looks at its interrupt.
pub(super) fn wait_for_interrupt(context: &TaskContext) -> TaskFailure {
    while context.interrupt().reason().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    TaskFailure::Stopped
}
