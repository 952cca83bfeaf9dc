//! Reading one job: its state, its stages, how far it is, and what went wrong on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row as _;

use super::{
    attempts::{self, AttemptRow},
    claim::{read_json, small},
    costs::{self, JobCosts, job_costs},
    document::{self, job_documents},
    error::JobsError,
    state::StageState,
};
use crate::{
    db::{Db, Row},
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
    /// What was asked for.
    pub request: Value,
    /// What its client had better know, though it runs.
    pub warnings: Vec<String>,
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
    /// What it was expected to cost and has cost; nothing in lists.
    pub costs: JobCosts,
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

/// Jobs of the same team that are queued too and come first count as ahead.
const GET: &str = concat!(
    "WITH page AS (SELECT jobs.id FROM jobs WHERE jobs.id = $1)
    SELECT ",
    job_documents!(),
    ", (SELECT COUNT(*) FROM jobs AS ahead JOIN jobs AS own ON ahead.team_id = own.team_id
            WHERE own.id = $1 AND own.state = 'queued' AND ahead.state = 'queued'
                AND (-ahead.priority, ahead.created_us, ahead.id) < (-own.priority, own.created_us, own.id)) AS ahead,
        (SELECT first_heartbeat_us FROM attempts WHERE job_id = $1 AND first_heartbeat_us IS NOT NULL
            ORDER BY started_us LIMIT 1) AS first_heartbeat_us,
        (SELECT MIN(attempts.started_us)
            FROM tasks JOIN attempts ON attempts.task_id = tasks.id AND attempts.lease_epoch = tasks.lease_epoch
            WHERE tasks.job_id = $1 AND tasks.state = 'running' AND attempts.first_heartbeat_us IS NULL) AS unheard_since_us,
        (SELECT COUNT(*) FROM attempts
            WHERE job_id = $1 AND outcome NOT IN ('running', 'succeeded')) AS failed, ",
    job_costs!()
);

/// A job with its stages and the attempts that did not go well.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn get(db: &Db, job: &JobId) -> Result<JobRow, JobsError> {
    // One statement: nobody should see a job that runs while all its stages are done.
    let row = sqlx::query(db.sql(GET)).bind(job.as_str()).fetch_one(db.read()).await?;
    let mut found = document::read(&row)?.pop().ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    found.pulse = pulse(&row)?;
    found.costs = costs::read_job_costs(&row)?;
    if found.state == JobState::Queued {
        found.queued_ahead = Some(small(row.try_get("ahead")?));
    }
    if row.try_get::<i64, _>("failed")? > 0 {
        found.failed_attempts = attempts::failed(db, job).await?;
    }
    Ok(found)
}

fn pulse(row: &Row) -> Result<Pulse, JobsError> {
    let now_us: i64 = row.try_get("now_us")?;
    let since_us: Option<i64> = row.try_get("unheard_since_us")?;
    let first_heartbeat_us = row.try_get("first_heartbeat_us")?;
    Ok(Pulse { first_heartbeat_us, unheard_us: since_us.map(|since_us| (now_us - since_us).max(0)) })
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

const PLAN: &str = "SELECT spec FROM jobs WHERE id = $1";

/// The plan that was made of what was asked for.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn plan(db: &Db, job: &JobId) -> Result<Value, JobsError> {
    let row = sqlx::query(PLAN).bind(job.as_str()).fetch_optional(db.read()).await?;
    read_json(&row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?, "spec", "jobs.spec")
}

const SIGNED: &str = "SELECT result, signature FROM jobs WHERE id = $1";

/// A result as the bytes that were signed, and their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedResult {
    /// The result's JSON as it is stored.
    pub result: String,
    /// What the runner signed it with; `None` where an earlier version left it unsigned.
    pub signature: Option<String>,
}

/// A job's result as it was signed; `None` where it has none.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn signed_result(db: &Db, job: &JobId) -> Result<Option<SignedResult>, JobsError> {
    let row = sqlx::query(SIGNED).bind(job.as_str()).fetch_optional(db.read()).await?;
    let row = row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    let result: Option<String> = row.try_get("result")?;
    let signature = row.try_get("signature")?;
    Ok(result.map(|result| SignedResult { result, signature }))
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
