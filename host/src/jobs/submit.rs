//! Submitting a job: one transaction, and the queue has it for good. No hand-off follows that a crash could prevent.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    error::JobsError,
    events::{self, EventKind},
    limits::TASKS_PER_JOB_MAX,
};
use crate::{
    db::{Db, Hint, WriteTx},
    domain::{
        ids::{JobId, KeyId, TaskId, TeamId},
        job::{JobKind, JobState},
    },
};

/// A job as its planner hands it over.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Whose job it is.
    pub team: TeamId,
    /// The key that submitted it.
    pub key: Option<KeyId>,
    /// What it does.
    pub kind: JobKind,
    /// The validated spec; every task gets it.
    pub spec: Value,
    /// A name for people.
    pub name: Option<String>,
    /// What is to be done, in order. The last stage has one task.
    pub stages: Vec<NewStage>,
    /// The longest it may run, from its first claim, in seconds.
    pub deadline_s: Option<u64>,
    /// Orders the team's own jobs: higher ones are claimed first.
    pub priority: i64,
}

impl NewJob {
    /// Hash of what the job would do: two jobs of a team with equal hashes would have equal results.
    #[must_use]
    pub fn plan_hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.kind.as_str());
        digest.update([0]);
        digest.update(self.spec.to_string());
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One stage: its tasks may run side by side; the next stage starts when all have succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStage {
    /// Unique within the job.
    pub name: String,
    /// Its share of the job's time, relative to the other stages. Positive.
    pub weight: f64,
    /// One input per task. At least one.
    pub tasks: Vec<Value>,
}

/// Stores a job, ready to be claimed.
///
/// # Errors
/// [`JobsError::InvalidPlan`], [`JobsError::UnknownTeam`], or [`JobsError::Db`]; nothing is stored then.
pub async fn submit(db: &Db, job: NewJob) -> Result<JobId, JobsError> {
    check_plan(&job)?;
    let mut tx = db.write().await?;
    let id = submit_in(&mut tx, job).await?;
    tx.commit().await?;
    Ok(id)
}

/// Stores a job within the caller's transaction, for callers that store more beside it.
///
/// # Errors
/// As [`submit`]. Roll the transaction back then.
pub async fn submit_in(tx: &mut WriteTx, job: NewJob) -> Result<JobId, JobsError> {
    check_plan(&job)?;
    let id = JobId::random();
    let created_us = insert_job(tx, &id, &job).await?;
    for (ordinal, stage) in job.stages.iter().enumerate() {
        insert_stage(tx, &id, ordinal, stage).await?;
        insert_tasks(tx, &id, &job, created_us, ordinal).await?;
    }
    events::append(tx, &id, EventKind::State, &json!({ "state": JobState::Queued })).await?;
    tx.hint(Hint::TaskReady);
    Ok(id)
}

fn check_plan(job: &NewJob) -> Result<(), JobsError> {
    let invalid = |detail: String| Err(JobsError::InvalidPlan(detail));
    let Some(last) = job.stages.last() else {
        return invalid("it has no stages".to_owned());
    };
    if last.tasks.len() != 1 {
        return invalid(format!("its final stage `{}` has {} tasks instead of one", last.name, last.tasks.len()));
    }
    for (ordinal, stage) in job.stages.iter().enumerate() {
        if stage.tasks.is_empty() {
            return invalid(format!("stage `{}` has no tasks", stage.name));
        }
        if !(stage.weight.is_finite() && stage.weight > 0.0) {
            return invalid(format!("stage `{}` has the weight {}", stage.name, stage.weight));
        }
        if job.stages[..ordinal].iter().any(|earlier| earlier.name == stage.name) {
            return invalid(format!("two stages are called `{}`", stage.name));
        }
    }
    match job.stages.iter().map(|stage| stage.tasks.len()).sum::<usize>() {
        total if total > TASKS_PER_JOB_MAX => {
            invalid(format!("it has {total} tasks, the limit is {TASKS_PER_JOB_MAX}"))
        }
        _ => Ok(()),
    }
}

const INSERT_JOB: &str = "
    INSERT INTO jobs (id, team_id, key_id, kind, name, spec, state, deadline_s, priority, plan_hash, created_us)
    VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9, (SELECT now_us FROM clock))
    RETURNING created_us";

async fn insert_job(tx: &mut WriteTx, id: &JobId, job: &NewJob) -> Result<i64, JobsError> {
    let inserted = sqlx::query_scalar(INSERT_JOB)
        .bind(id.as_str())
        .bind(job.team.as_str())
        .bind(job.key.as_ref().map(KeyId::as_str))
        .bind(job.kind.as_str())
        .bind(job.name.as_deref())
        .bind(job.spec.to_string())
        .bind(job.deadline_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)))
        .bind(job.priority)
        .bind(job.plan_hash())
        .fetch_one(&mut **tx)
        .await;
    inserted.map_err(|error| match crate::db::DbError::from(error) {
        error if error.is_dangling() => JobsError::UnknownTeam(job.team.clone()),
        error => error.into(),
    })
}

const INSERT_STAGE: &str = "
    INSERT INTO stages (job_id, ordinal, name, weight, state, tasks_total) VALUES ($1, $2, $3, $4, $5, $6)";

async fn insert_stage(tx: &mut WriteTx, job: &JobId, ordinal: usize, stage: &NewStage) -> Result<(), JobsError> {
    sqlx::query(INSERT_STAGE)
        .bind(job.as_str())
        .bind(ordinal as i64)
        .bind(stage.name.as_str())
        .bind(stage.weight)
        .bind(if ordinal == 0 { "open" } else { "waiting" })
        .bind(stage.tasks.len() as i64)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

const INSERT_TASK: &str = "
    INSERT INTO tasks (id, job_id, stage, position, input, state, priority, job_created_us, team_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

async fn insert_tasks(
    tx: &mut WriteTx,
    id: &JobId,
    job: &NewJob,
    created_us: i64,
    ordinal: usize,
) -> Result<(), JobsError> {
    for (position, input) in job.stages[ordinal].tasks.iter().enumerate() {
        sqlx::query(INSERT_TASK)
            .bind(TaskId::random().as_str())
            .bind(id.as_str())
            .bind(ordinal as i64)
            .bind(position as i64)
            .bind(input.to_string())
            .bind(if ordinal == 0 { "ready" } else { "waiting" })
            .bind(job.priority)
            .bind(created_us)
            .bind(job.team.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
