//! Deleting jobs that have ended: because they are old, or because somebody asks. And pinning those that are to stay.

use sqlx::Row as _;

use super::{ROWS_PER_SLICE, references};
use crate::{
    db::{Db, WriteTx},
    domain::{ids::JobId, job::JobState},
    jobs::{claim::parse_id, error::JobsError, lease},
};

/// What may keep a job from being deleted, beside that it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// Somebody has pinned it.
    Kept,
    /// Nothing.
    Never,
}

const OLD: &str = "
    SELECT id FROM jobs WHERE finished_us < $1 AND keep = 0 AND id > $2 ORDER BY id LIMIT $3";

/// At most `limit` jobs after `after` that ended before `before_us` and are not pinned, in the order of their ids.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn old_jobs(db: &Db, before_us: i64, after: Option<&JobId>, limit: u32) -> Result<Vec<JobId>, JobsError> {
    let rows = sqlx::query(OLD)
        .bind(before_us)
        .bind(after.map_or("", JobId::as_str))
        .bind(i64::from(limit))
        .fetch_all(db.read())
        .await?;
    rows.iter().map(|row| parse_id(row, "id", "jobs.id")).collect()
}

/// From the leaves to the root. A crash in between leaves an ended job with part of its history, which goes the next time.
const EVENTS: &str = "
    DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE job_id = $1 ORDER BY sequence LIMIT $2)";
const ATTEMPTS: &str = "
    DELETE FROM attempts WHERE (task_id, lease_epoch) IN
        (SELECT task_id, lease_epoch FROM attempts WHERE job_id = $1 LIMIT $2)";
const HISTORY: [&str; 2] = [EVENTS, ATTEMPTS];

/// What it named stays a while longer: somebody may be reading it, or planning with it.
const HOLD_ARTIFACTS: &str = "
    UPDATE artifacts SET held_until_us = (SELECT now_us FROM clock) + $2
    WHERE held_until_us < (SELECT now_us FROM clock) + $2
        AND hash IN (SELECT hash FROM artifact_references WHERE job_id = $1)";

const REFERENCES: &str = "DELETE FROM artifact_references WHERE job_id = $1";
const TAGS: &str = "DELETE FROM job_tags WHERE job_id = $1";
const COSTS: &str = "DELETE FROM job_costs WHERE job_id = $1";
const STOPS: &str = "DELETE FROM plugin_stops WHERE job_id = $1";
const TASKS: &str = "DELETE FROM tasks WHERE job_id = $1";
const STAGES: &str = "DELETE FROM stages WHERE job_id = $1";
const JOB: &str = "DELETE FROM jobs WHERE id = $1";
/// Stages, tasks and the job itself go in one transaction: nobody sees a job without its plan.
const PLAN: [&str; 7] = [REFERENCES, TAGS, COSTS, STOPS, TASKS, STAGES, JOB];

/// Deletes an ended job with everything that belongs to it. Returns false where it is kept, see [`Unless`], or gone already. Its
/// artifacts stay for another `hold_us`, and as long as somebody else names them.
///
/// # Errors
/// [`JobsError::JobLive`], or [`JobsError::Db`]: part of its history may be gone.
pub async fn delete_job(db: &Db, job: &JobId, unless: Unless, hold_us: i64) -> Result<bool, JobsError> {
    let mut tx = db.write().await?;
    if !may_go(&mut tx, job, unless).await? {
        return Ok(false);
    }
    tx.rollback().await?;
    references::mark(db, job).await?;
    for statement in HISTORY {
        delete_in_slices(db, statement, job).await?;
    }
    let mut tx = db.write().await?;
    if !may_go(&mut tx, job, unless).await? {
        return Ok(false);
    }
    sqlx::query(HOLD_ARTIFACTS).bind(job.as_str()).bind(hold_us).execute(&mut *tx).await?;
    for statement in PLAN {
        sqlx::query(statement).bind(job.as_str()).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn delete_in_slices(db: &Db, statement: &'static str, job: &JobId) -> Result<(), JobsError> {
    loop {
        let mut tx = db.write().await?;
        let deleted = sqlx::query(statement).bind(job.as_str()).bind(ROWS_PER_SLICE).execute(&mut *tx).await?;
        tx.commit().await?;
        if i64::try_from(deleted.rows_affected()).is_ok_and(|rows| rows < ROWS_PER_SLICE) {
            return Ok(());
        }
    }
}

const STANDING: &str = "SELECT state, keep FROM jobs WHERE id = $1";

/// Whether the job may be deleted, with its row locked.
async fn may_go(tx: &mut WriteTx, job: &JobId, unless: Unless) -> Result<bool, JobsError> {
    lease::lock_jobs(tx, [job]).await?;
    let Some(row) = sqlx::query(STANDING).bind(job.as_str()).fetch_optional(&mut **tx).await? else {
        return Ok(false);
    };
    let state: &str = row.try_get("state")?;
    let state = JobState::from_name(state).ok_or_else(|| JobsError::unreadable("jobs.state", state))?;
    if !state.is_terminal() {
        return Err(JobsError::JobLive(job.clone()));
    }
    Ok(unless == Unless::Never || row.try_get::<i64, _>("keep")? == 0)
}

const SET_KEEP: &str = "UPDATE jobs SET keep = $2 WHERE id = $1";

/// Pins a job, so that it stays however old it gets, or releases it. Its row must be locked.
///
/// # Errors
/// [`JobsError::Db`]. Roll the transaction back then.
pub async fn set_keep_in(tx: &mut WriteTx, job: &JobId, keep: bool) -> Result<(), JobsError> {
    sqlx::query(SET_KEEP).bind(job.as_str()).bind(i64::from(keep)).execute(&mut **tx).await?;
    Ok(())
}
