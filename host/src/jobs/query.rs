//! Reading one job: its state, its stages, how far it is, and what went wrong on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;

use super::{
    claim::{parse_id, read_json, read_kind, small},
    error::JobsError,
    lease::unfinished,
    limits::ATTEMPTS_SHOWN_MAX,
    state::{AttemptOutcome, StageState},
};
use crate::{
    db::{Connection, Db, Row},
    domain::{
        ids::{JobId, KeyId, TaskId, TeamId},
        job::{Component, JobKind, JobState},
        problem::Problem,
    },
};

/// A job as it stands. Times are microseconds since 1970-01-01 UTC by the database's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRow {
    /// The job.
    pub id: JobId,
    /// Whose it is.
    pub team: TeamId,
    /// The key that submitted it.
    pub key: Option<KeyId>,
    /// What it does.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// Somebody cancelled it; while it still runs, it will end as cancelled.
    pub cancel_requested: bool,
    /// Its spec, as submitted.
    pub spec: Value,
    /// A name for people.
    pub name: Option<String>,
    /// How long it may run, in seconds.
    pub deadline_s: Option<u64>,
    /// Orders the team's own jobs: higher ones are claimed first.
    pub priority: i64,
    /// Jobs of the team that are queued too and will be claimed before this one; `None` in lists and once it has begun.
    pub queued_ahead: Option<u32>,
    /// When it was submitted.
    pub created_us: i64,
    /// When its first task was claimed.
    pub started_us: Option<i64>,
    /// When it ended.
    pub finished_us: Option<i64>,
    /// 0..=1; 1 exactly when it succeeded or is partial.
    pub progress: f64,
    /// Estimated seconds until it ends; `None` while there is too little to go by, and after the end.
    pub eta_s: Option<f64>,
    /// Its stages, in order.
    pub stages: Vec<StageRow>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// The components of its result.
    pub components: Vec<Component>,
    /// Attempts that did not go well, newest first, at most 100. Empty in lists.
    pub failed_attempts: Vec<AttemptRow>,
}

/// A stage of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageRow {
    /// Name, unique within the job.
    pub name: String,
    /// Its state.
    pub state: StageState,
    /// How many tasks it has.
    pub tasks_total: u32,
    /// How many of them have succeeded.
    pub tasks_done: u32,
    /// 0..=1.
    pub progress: f64,
    /// What it did last, as its tasks put it.
    pub note: String,
}

/// One attempt at one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptRow {
    /// The task.
    pub task: TaskId,
    /// Name of its stage.
    pub stage: String,
    /// Its position in the stage.
    pub index: u32,
    /// The lease epoch: numbers the attempts of a task, releases included.
    pub lease_epoch: u64,
    /// Who ran it.
    pub worker: String,
    /// When it was claimed.
    pub started_us: i64,
    /// When it ended.
    pub finished_us: Option<i64>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why, where it did not go well.
    pub problem: Option<Problem>,
}

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// The job's state; there is a result where it is succeeded or partial.
    pub state: JobState,
    /// The result.
    pub result: Option<Value>,
    /// The components of the result.
    pub components: Vec<Component>,
    /// Why there is no result.
    pub problem: Option<Problem>,
}

const GET: &str = "
    SELECT id, team_id, key_id, kind, name, spec, state, cancel_requested_us, deadline_s, priority, created_us, started_us,
        finished_us, progress, components, problem, (SELECT now_us FROM clock) AS now_us
    FROM jobs WHERE id = $1";

/// A job with its stages and the attempts that did not go well.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn get(db: &Db, job: &JobId) -> Result<JobRow, JobsError> {
    // One snapshot: nobody should see a job that runs while all its stages are done.
    let mut snapshot = db.snapshot().await?;
    let row = sqlx::query(GET).bind(job.as_str()).fetch_optional(&mut *snapshot).await?;
    let row = row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    let mut found = read_job(&row)?;
    let stages = sqlx::query(STAGES).bind(job.as_str()).fetch_all(&mut *snapshot).await?;
    found.stages = stages.iter().map(read_stage).collect::<Result<_, _>>()?;
    found.failed_attempts = failed_attempts(&mut snapshot, job).await?;
    if found.state == JobState::Queued {
        let ahead = sqlx::query_scalar(QUEUED_AHEAD).bind(job.as_str()).fetch_one(&mut *snapshot).await?;
        found.queued_ahead = Some(small(ahead));
    }
    snapshot.rollback().await?;
    Ok(found)
}

const QUEUED_AHEAD: &str = "
    SELECT COUNT(*) FROM jobs AS ahead JOIN jobs AS own ON ahead.team_id = own.team_id
    WHERE own.id = $1 AND ahead.state = 'queued'
        AND (-ahead.priority, ahead.created_us, ahead.id) < (-own.priority, own.created_us, own.id)";

const STAGES: &str = "
    SELECT name, state, tasks_total, tasks_done, progress, note FROM stages WHERE job_id = $1 ORDER BY ordinal";

const STATE: &str = "SELECT state FROM jobs WHERE id = $1";

/// A job's state alone, for those who wait for it.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn state(db: &Db, job: &JobId) -> Result<JobState, JobsError> {
    let row = sqlx::query(STATE).bind(job.as_str()).fetch_optional(db.read()).await?;
    read_state(&row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?)
}

const RESULT: &str = "SELECT state, result, components, problem FROM jobs WHERE id = $1";

/// A job's result, or why there is none yet or ever.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn result(db: &Db, job: &JobId) -> Result<JobResult, JobsError> {
    let row = sqlx::query(RESULT).bind(job.as_str()).fetch_optional(db.read()).await?;
    let row = row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    let has_result = row.try_get::<Option<&str>, _>("result")?.is_some();
    Ok(JobResult {
        state: read_state(&row)?,
        result: if has_result { Some(read_json(&row, "result", "jobs.result")?) } else { None },
        components: read_components(&row)?,
        problem: read_problem(&row, "jobs.problem")?,
    })
}

const FAILED_ATTEMPTS: &str = "
    SELECT attempts.task_id, stages.name AS stage_name, tasks.position, attempts.lease_epoch, attempts.worker,
        attempts.started_us, attempts.finished_us, attempts.outcome, attempts.problem
    FROM attempts
    JOIN tasks ON tasks.id = attempts.task_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    WHERE attempts.job_id = $1 AND attempts.outcome NOT IN ('running', 'succeeded')
    ORDER BY attempts.started_us DESC, attempts.task_id, attempts.lease_epoch DESC LIMIT $2";

async fn failed_attempts(snapshot: &mut Connection, job: &JobId) -> Result<Vec<AttemptRow>, JobsError> {
    let rows =
        sqlx::query(FAILED_ATTEMPTS).bind(job.as_str()).bind(ATTEMPTS_SHOWN_MAX).fetch_all(&mut *snapshot).await?;
    rows.iter().map(read_attempt).collect()
}

const ATTEMPTS: &str = "
    SELECT attempts.task_id, stages.name AS stage_name, tasks.position, attempts.lease_epoch, attempts.worker,
        attempts.started_us, attempts.finished_us, attempts.outcome, attempts.problem
    FROM attempts
    JOIN tasks ON tasks.id = attempts.task_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    WHERE attempts.job_id = $1
    ORDER BY attempts.started_us, attempts.task_id, attempts.lease_epoch LIMIT $2 OFFSET $3";

/// All attempts of a job, oldest first, a page of them.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn attempts(db: &Db, job: &JobId, limit: u32, offset: u32) -> Result<Vec<AttemptRow>, JobsError> {
    let rows = sqlx::query(ATTEMPTS)
        .bind(job.as_str())
        .bind(i64::from(limit))
        .bind(i64::from(offset))
        .fetch_all(db.read())
        .await?;
    rows.iter().map(read_attempt).collect()
}

/// A job from the columns of [`GET`], without stages and attempts.
pub(super) fn read_job(row: &Row) -> Result<JobRow, JobsError> {
    let state = read_state(row)?;
    let key: Option<&str> = row.try_get("key_id")?;
    let started_us: Option<i64> = row.try_get("started_us")?;
    let deadline_s: Option<i64> = row.try_get("deadline_s")?;
    let progress: f64 = row.try_get("progress")?;
    let progress = if matches!(state, JobState::Succeeded | JobState::Partial) { 1.0 } else { unfinished(progress) };
    let now_us: i64 = row.try_get("now_us")?;
    Ok(JobRow {
        id: parse_id(row, "id", "jobs.id")?,
        team: parse_id(row, "team_id", "jobs.team_id")?,
        key: key.map(str::parse).transpose().map_err(|error| JobsError::unreadable("jobs.key_id", error))?,
        kind: read_kind(row)?,
        state,
        cancel_requested: row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some(),
        spec: read_json(row, "spec", "jobs.spec")?,
        name: row.try_get("name")?,
        deadline_s: deadline_s.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
        priority: row.try_get("priority")?,
        queued_ahead: None,
        created_us: row.try_get("created_us")?,
        started_us,
        finished_us: row.try_get("finished_us")?,
        progress,
        eta_s: if state == JobState::Running { eta_s(started_us, now_us, progress) } else { None },
        stages: Vec::new(),
        problem: read_problem(row, "jobs.problem")?,
        components: read_components(row)?,
        failed_attempts: Vec::new(),
    })
}

/// Below this much progress an estimate would be noise.
const PROGRESS_FOR_ETA_MIN: f64 = 0.02;

/// What remains at the average speed so far: `elapsed * (1 - progress) / progress`, in seconds.
fn eta_s(started_us: Option<i64>, now_us: i64, progress: f64) -> Option<f64> {
    let elapsed_s = (now_us - started_us?).max(0) as f64 / 1e6;
    (progress >= PROGRESS_FOR_ETA_MIN).then(|| elapsed_s * (1.0 - progress) / progress)
}

pub(super) fn read_stage(row: &Row) -> Result<StageRow, JobsError> {
    let state: &str = row.try_get("state")?;
    let tasks_total = small(row.try_get("tasks_total")?);
    let progress: f64 = row.try_get("progress")?;
    Ok(StageRow {
        name: row.try_get("name")?,
        state: StageState::from_name(state).ok_or_else(|| JobsError::unreadable("stages.state", state))?,
        tasks_total,
        tasks_done: small(row.try_get("tasks_done")?),
        progress: (progress / f64::from(tasks_total.max(1))).clamp(0.0, 1.0),
        note: row.try_get("note")?,
    })
}

fn read_attempt(row: &Row) -> Result<AttemptRow, JobsError> {
    let outcome: &str = row.try_get("outcome")?;
    let lease_epoch: i64 = row.try_get("lease_epoch")?;
    Ok(AttemptRow {
        task: parse_id(row, "task_id", "attempts.task_id")?,
        stage: row.try_get("stage_name")?,
        index: small(row.try_get("position")?),
        lease_epoch: u64::try_from(lease_epoch).unwrap_or(0),
        worker: row.try_get("worker")?,
        started_us: row.try_get("started_us")?,
        finished_us: row.try_get("finished_us")?,
        outcome: AttemptOutcome::from_name(outcome)
            .ok_or_else(|| JobsError::unreadable("attempts.outcome", outcome))?,
        problem: read_problem(row, "attempts.problem")?,
    })
}

fn read_state(row: &Row) -> Result<JobState, JobsError> {
    let name: &str = row.try_get("state")?;
    JobState::from_name(name).ok_or_else(|| JobsError::unreadable("jobs.state", name))
}

fn read_components(row: &Row) -> Result<Vec<Component>, JobsError> {
    let text: &str = row.try_get("components")?;
    serde_json::from_str(text).map_err(|error| JobsError::unreadable("jobs.components", error))
}

fn read_problem(row: &Row, what: &'static str) -> Result<Option<Problem>, JobsError> {
    let text: Option<&str> = row.try_get("problem")?;
    text.map(serde_json::from_str).transpose().map_err(|error| JobsError::unreadable(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_waits_until_there_is_something_to_go_by() {
        assert_eq!(eta_s(None, 10, 0.5), None);
        assert_eq!(eta_s(Some(0), 10_000_000, 0.01), None);
        assert_eq!(eta_s(Some(0), 10_000_000, 0.25), Some(30.0));
    }
}
