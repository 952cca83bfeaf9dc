//! The history of a job's attempts: one for each claim of one of its tasks, however it ended.

use serde::Serialize;
use sqlx::Row as _;

use super::{
    claim::{parse_id, small},
    error::JobsError,
    limits::ATTEMPTS_SHOWN_MAX,
    query::read_problem,
    state::AttemptOutcome,
};
use crate::{
    db::{Db, Row},
    domain::{
        ids::{JobId, TaskId},
        problem::Problem,
    },
};

/// One attempt at one task. Times are microseconds since 1970-01-01 UTC by the database's clock.
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
    /// The worker's first sign of life after that; none where it ended before its first heartbeat was due.
    pub first_heartbeat_us: Option<i64>,
    /// When it ended.
    pub finished_us: Option<i64>,
    /// CPU time of all its threads, in microseconds; none while it runs, and where its process died.
    pub cpu_us: Option<i64>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why, where it did not go well.
    pub problem: Option<Problem>,
}

/// The last attempt of a page; the next page starts after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptCursor {
    /// When it was claimed, in microseconds since 1970-01-01 UTC.
    pub started_us: i64,
    /// Its task.
    pub task: TaskId,
    /// Its lease epoch.
    pub lease_epoch: u64,
}

/// A page of attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptPage {
    /// The attempts, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<AttemptCursor>,
}

macro_rules! attempts_where {
    ($condition:literal) => {
        concat!(
            "SELECT attempts.task_id, stages.name AS stage_name, tasks.position, attempts.lease_epoch, attempts.worker,
                attempts.started_us, attempts.first_heartbeat_us, attempts.finished_us, attempts.cpu_us, attempts.outcome, attempts.problem
            FROM attempts
            JOIN tasks ON tasks.id = attempts.task_id
            JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
            WHERE attempts.job_id = $1 ",
            $condition
        )
    };
}

const FAILED: &str = attempts_where!(
    "AND attempts.outcome NOT IN ('running', 'succeeded')
    ORDER BY attempts.started_us DESC, attempts.task_id, attempts.lease_epoch DESC LIMIT $2"
);

/// The attempts that did not end well, newest first, at most [`ATTEMPTS_SHOWN_MAX`].
pub(super) async fn failed(db: &Db, job: &JobId) -> Result<Vec<AttemptRow>, JobsError> {
    let rows = sqlx::query(FAILED).bind(job.as_str()).bind(ATTEMPTS_SHOWN_MAX).fetch_all(db.read()).await?;
    rows.iter().map(read_attempt).collect()
}

const PAGE: &str = attempts_where!(
    "AND (attempts.started_us, attempts.task_id, attempts.lease_epoch) > ($2, $3, $4)
    ORDER BY attempts.started_us, attempts.task_id, attempts.lease_epoch LIMIT $5"
);

/// A page of a job's attempts after `after`, oldest first, at most `limit` (at least 1) of them.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn page(db: &Db, job: &JobId, after: Option<&AttemptCursor>, limit: u32) -> Result<AttemptPage, JobsError> {
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    let rows = sqlx::query(PAGE)
        .bind(job.as_str())
        .bind(after.map_or(i64::MIN, |cursor| cursor.started_us))
        .bind(after.map_or("", |cursor| cursor.task.as_str()))
        .bind(after.map_or(0, |cursor| i64::try_from(cursor.lease_epoch).unwrap_or(i64::MAX)))
        // One more than asked for tells whether there is a next page.
        .bind(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
        .fetch_all(db.read())
        .await?;
    let attempts = rows.iter().take(limit).map(read_attempt).collect::<Result<Vec<_>, _>>()?;
    let last = attempts.last().filter(|_| rows.len() > limit);
    let next = last.map(|attempt| AttemptCursor {
        started_us: attempt.started_us,
        task: attempt.task.clone(),
        lease_epoch: attempt.lease_epoch,
    });
    Ok(AttemptPage { attempts, next })
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
        first_heartbeat_us: row.try_get("first_heartbeat_us")?,
        finished_us: row.try_get("finished_us")?,
        cpu_us: row.try_get("cpu_us")?,
        outcome: AttemptOutcome::from_name(outcome)
            .ok_or_else(|| JobsError::unreadable("attempts.outcome", outcome))?,
        problem: read_problem(row, "attempts.problem")?,
    })
}
