//! Reading one job: its state, its stages, how far it is, and what went wrong on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;

use super::{
    attempts::{self, AttemptRow},
    claim::{parse_id, read_json, read_kind, small},
    error::JobsError,
    lease::unfinished,
    state::StageState,
};
use crate::{
    db::{Connection, Db, Row},
    domain::{
        ids::{JobId, KeyId, ScheduleId, TeamId},
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
    /// What its team files it under.
    pub tags: Vec<String>,
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
    /// How long it waited for its first worker, or has so far.
    pub wait_us: i64,
    /// How long it ran, or has so far; `None` before its first claim.
    pub run_us: Option<i64>,
    /// Signs of life of its workers; empty in lists.
    pub pulse: Pulse,
    /// 0..=1; 1 exactly when it succeeded or is partial.
    pub progress: f64,
    /// Its stages, in order.
    pub stages: Vec<StageRow>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// The components of its result.
    pub components: Vec<Component>,
    /// The schedule that made it, where one did.
    pub schedule: Option<ScheduleId>,
    /// Whether it stays however old it gets.
    pub is_kept: bool,
    /// Attempts that did not go well, newest first, at most 100. Empty in lists.
    pub failed_attempts: Vec<AttemptRow>,
}

/// What is known of the workers of a job beside their claims.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pulse {
    /// The first sign of life: a heartbeat or a report.
    pub first_heartbeat_us: Option<i64>,
    /// For how long the running task that has given none since its claim has been claimed; the longest of them, in microseconds.
    pub unheard_us: Option<i64>,
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
    /// When its tasks could first be claimed.
    pub opened_us: Option<i64>,
    /// When the first of them was.
    pub claimed_us: Option<i64>,
    /// When the last of them was done, or the job ended during the stage.
    pub finished_us: Option<i64>,
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

/// What [`read_job`] reads.
macro_rules! job_columns {
    () => {
        "jobs.id, jobs.team_id, jobs.key_id, jobs.kind, jobs.name, jobs.tags, jobs.spec, jobs.state, jobs.cancel_requested_us,
        jobs.deadline_s, jobs.priority, jobs.created_us, jobs.started_us, jobs.finished_us, jobs.progress, jobs.components,
        jobs.problem, jobs.schedule_id, jobs.keep, (SELECT now_us FROM clock) AS now_us"
    };
}
/// What [`read_stage`] reads. Stages follow each other, so the first claim after the opening of a stage was of one of its tasks.
macro_rules! stage_columns {
    () => {
        "stages.name, stages.state, stages.tasks_total, stages.tasks_done, stages.progress, stages.note, stages.opened_us,
        stages.finished_us, (SELECT MIN(attempts.started_us) FROM attempts
            WHERE attempts.job_id = stages.job_id AND attempts.started_us >= stages.opened_us) AS claimed_us"
    };
}
pub(super) use {job_columns, stage_columns};

const GET: &str = concat!("SELECT ", job_columns!(), " FROM jobs WHERE jobs.id = $1");

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
    found.failed_attempts = attempts::failed(&mut snapshot, job).await?;
    found.pulse = pulse(&mut snapshot, job).await?;
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

const STAGES: &str = concat!("SELECT ", stage_columns!(), " FROM stages WHERE job_id = $1 ORDER BY ordinal");

const PULSE: &str = "
    SELECT
        (SELECT first_heartbeat_us FROM attempts WHERE job_id = $1 AND first_heartbeat_us IS NOT NULL
            ORDER BY started_us LIMIT 1) AS first_heartbeat_us,
        (SELECT (SELECT now_us FROM clock) - MIN(attempts.started_us)
            FROM tasks JOIN attempts ON attempts.task_id = tasks.id AND attempts.lease_epoch = tasks.lease_epoch
            WHERE tasks.job_id = $1 AND tasks.state = 'running' AND attempts.first_heartbeat_us IS NULL) AS unheard_us";

async fn pulse(snapshot: &mut Connection, job: &JobId) -> Result<Pulse, JobsError> {
    let row = sqlx::query(PULSE).bind(job.as_str()).fetch_one(&mut *snapshot).await?;
    let unheard_us: Option<i64> = row.try_get("unheard_us")?;
    Ok(Pulse { first_heartbeat_us: row.try_get("first_heartbeat_us")?, unheard_us: unheard_us.map(|us| us.max(0)) })
}

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

/// A job from [`job_columns`], without stages, attempts and pulse.
pub(super) fn read_job(row: &Row) -> Result<JobRow, JobsError> {
    let state = read_state(row)?;
    let key: Option<&str> = row.try_get("key_id")?;
    let schedule: Option<&str> = row.try_get("schedule_id")?;
    let started_us: Option<i64> = row.try_get("started_us")?;
    let deadline_s: Option<i64> = row.try_get("deadline_s")?;
    let progress: f64 = row.try_get("progress")?;
    let progress = if matches!(state, JobState::Succeeded | JobState::Partial) { 1.0 } else { unfinished(progress) };
    let created_us: i64 = row.try_get("created_us")?;
    let finished_us: Option<i64> = row.try_get("finished_us")?;
    let last_us = finished_us.unwrap_or(row.try_get("now_us")?);
    Ok(JobRow {
        id: parse_id(row, "id", "jobs.id")?,
        team: parse_id(row, "team_id", "jobs.team_id")?,
        key: key.map(str::parse).transpose().map_err(|error| JobsError::unreadable("jobs.key_id", error))?,
        kind: read_kind(row)?,
        state,
        cancel_requested: row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some(),
        spec: read_json(row, "spec", "jobs.spec")?,
        name: row.try_get("name")?,
        tags: read_tags(row)?,
        deadline_s: deadline_s.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
        priority: row.try_get("priority")?,
        queued_ahead: None,
        created_us,
        started_us,
        finished_us,
        wait_us: (started_us.unwrap_or(last_us) - created_us).max(0),
        run_us: started_us.map(|started_us| (last_us - started_us).max(0)),
        pulse: Pulse::default(),
        progress,
        stages: Vec::new(),
        problem: read_problem(row, "jobs.problem")?,
        components: read_components(row)?,
        schedule: schedule
            .map(str::parse)
            .transpose()
            .map_err(|error| JobsError::unreadable("jobs.schedule_id", error))?,
        is_kept: row.try_get::<i64, _>("keep")? == 1,
        failed_attempts: Vec::new(),
    })
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
        opened_us: row.try_get("opened_us")?,
        claimed_us: row.try_get("claimed_us")?,
        finished_us: row.try_get("finished_us")?,
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

pub(super) fn read_tags(row: &Row) -> Result<Vec<String>, JobsError> {
    let text: &str = row.try_get("tags")?;
    serde_json::from_str(text).map_err(|error| JobsError::unreadable("jobs.tags", error))
}

pub(super) fn read_problem(row: &Row, what: &'static str) -> Result<Option<Problem>, JobsError> {
    let text: Option<&str> = row.try_get("problem")?;
    text.map(serde_json::from_str).transpose().map_err(|error| JobsError::unreadable(what, error))
}
