//! Cancelling a job: at once while it is queued, within milliseconds while it runs, and harmless afterwards.

use sqlx::Row as _;

use super::{error::JobsError, lease, settle};
use crate::{
    db::{Db, Hint, WriteTx},
    domain::{ids::JobId, job::JobState},
};

/// What a cancel came to. Calling again is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nothing of the job was running: it is cancelled.
    Cancelled,
    /// The running tasks have been told; the job is cancelled when the last one has stopped, and never finishes otherwise.
    Requested,
    /// The job had ended before, in this state; nothing has changed.
    AlreadyEnded(JobState),
}

/// Cancels a job.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`]: nothing has changed.
pub async fn cancel(db: &Db, job: &JobId) -> Result<CancelOutcome, JobsError> {
    let mut tx = db.write().await?;
    lease::lock_jobs(&mut tx, [job]).await?;
    let state = state_of(&mut tx, job).await?;
    if state.is_terminal() {
        tx.rollback().await?;
        return Ok(CancelOutcome::AlreadyEnded(state));
    }
    request(&mut tx, job).await?;
    let outcome = if settle::end_cancelled_if_quiet(&mut tx, job).await? {
        CancelOutcome::Cancelled
    } else {
        tx.hint(Hint::JobStopping(job.clone()));
        CancelOutcome::Requested
    };
    tx.commit().await?;
    Ok(outcome)
}

const STATE: &str = "SELECT state FROM jobs WHERE id = $1";

async fn state_of(tx: &mut WriteTx, job: &JobId) -> Result<JobState, JobsError> {
    let row = sqlx::query(STATE).bind(job.as_str()).fetch_optional(&mut **tx).await?;
    let row = row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    let name: &str = row.try_get("state")?;
    JobState::from_name(name).ok_or_else(|| JobsError::unreadable("jobs.state", name))
}

const REQUEST: &str = "
    UPDATE jobs SET cancel_requested_us = COALESCE(cancel_requested_us, (SELECT now_us FROM clock)) WHERE id = $1";
const WITHDRAW_TASKS: &str = "
    UPDATE tasks SET state = 'cancelled' WHERE job_id = $1 AND state IN ('ready', 'waiting')";

/// Leaves the durable mark and takes the unclaimed tasks from the queue, so that only what runs needs to stop.
async fn request(tx: &mut WriteTx, job: &JobId) -> Result<(), JobsError> {
    sqlx::query(REQUEST).bind(job.as_str()).execute(&mut **tx).await?;
    sqlx::query(WITHDRAW_TASKS).bind(job.as_str()).execute(&mut **tx).await?;
    Ok(())
}
