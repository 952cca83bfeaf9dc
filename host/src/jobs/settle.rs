//! Ending a job: the one place where a job becomes terminal. Whoever comes second finds it ended and changes nothing.

use serde_json::{Value, json};

use super::{
    error::JobsError,
    events::{self, EventKind},
    state::AttemptOutcome,
};
use crate::{
    db::{Hint, WriteTx},
    domain::{
        ids::JobId,
        job::{Component, ComponentStatus, JobState},
        problem::Problem,
    },
};

/// How a job ends.
#[derive(Debug)]
pub(super) enum Ending<'a> {
    /// Its final stage left a result.
    Finished {
        /// The result.
        result: &'a Value,
        /// How well its parts went; decides between succeeded and partial.
        components: &'a [Component],
    },
    /// A task failed for good, or time ran out.
    Failed {
        /// Why.
        problem: &'a Problem,
        /// What that means for attempts that still run.
        others: AttemptOutcome,
    },
    /// Somebody cancelled it and nothing of it runs any more.
    Cancelled,
}

impl Ending<'_> {
    fn state(&self) -> JobState {
        match self {
            Self::Finished { components, .. } if components.iter().all(|part| part.status == ComponentStatus::Ok) => {
                JobState::Succeeded
            }
            Self::Finished { .. } => JobState::Partial,
            Self::Failed { .. } => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}

const END_JOB: &str = "
    UPDATE jobs
    SET state = $2, finished_us = (SELECT now_us FROM clock), result = $3, components = $4, problem = $5,
        progress = CASE WHEN $2 IN ('succeeded', 'partial') THEN 1.0 ELSE progress END
    WHERE id = $1 AND state IN ('queued', 'running')";

/// Ends the job and everything of it that has not ended. Returns false where it had ended before.
pub(super) async fn end(tx: &mut WriteTx, job: &JobId, ending: Ending<'_>) -> Result<bool, JobsError> {
    let state = ending.state();
    let (result, components, problem) = match &ending {
        Ending::Finished { result, components } => (Some(result.to_string()), json!(components), None),
        Ending::Failed { problem, .. } => (None, json!([]), Some(json!(problem))),
        Ending::Cancelled => (None, json!([]), None),
    };
    let ended = sqlx::query(END_JOB)
        .bind(job.as_str())
        .bind(state.as_str())
        .bind(result)
        .bind(components.to_string())
        .bind(problem.as_ref().map(Value::to_string))
        .execute(&mut **tx)
        .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    if let Ending::Failed { others, .. } = &ending {
        close_attempts(tx, job, *others).await?;
    }
    close_tasks(tx, job).await?;
    close_stages(tx, job, state).await?;
    append_events(tx, job, &ending, problem).await?;
    tx.hint(Hint::JobStopping(job.clone()));
    Ok(true)
}

const CLOSE_ATTEMPTS: &str = "
    UPDATE attempts SET outcome = $2, finished_us = (SELECT now_us FROM clock) WHERE job_id = $1 AND outcome = 'running'";

async fn close_attempts(tx: &mut WriteTx, job: &JobId, outcome: AttemptOutcome) -> Result<(), JobsError> {
    sqlx::query(CLOSE_ATTEMPTS).bind(job.as_str()).bind(outcome.as_str()).execute(&mut **tx).await?;
    Ok(())
}

const CLOSE_TASKS: &str = "
    UPDATE tasks SET state = 'cancelled', lease_until_us = NULL
    WHERE job_id = $1 AND state IN ('waiting', 'ready', 'running')";

/// Takes running tasks from their workers as well: their leases are worth nothing from here on.
async fn close_tasks(tx: &mut WriteTx, job: &JobId) -> Result<(), JobsError> {
    sqlx::query(CLOSE_TASKS).bind(job.as_str()).execute(&mut **tx).await?;
    Ok(())
}

const CLOSE_STAGES: &str = "
    UPDATE stages SET state = CASE WHEN state = 'open' AND $2 = 'failed' THEN 'failed' ELSE 'cancelled' END
    WHERE job_id = $1 AND state IN ('waiting', 'open')";

async fn close_stages(tx: &mut WriteTx, job: &JobId, state: JobState) -> Result<(), JobsError> {
    sqlx::query(CLOSE_STAGES).bind(job.as_str()).bind(state.as_str()).execute(&mut **tx).await?;
    Ok(())
}

async fn append_events(
    tx: &mut WriteTx,
    job: &JobId,
    ending: &Ending<'_>,
    problem: Option<Value>,
) -> Result<(), JobsError> {
    if let Ending::Finished { components, .. } = ending {
        for component in *components {
            events::append(tx, job, EventKind::Component, &json!(component)).await?;
        }
    }
    let data = match problem {
        Some(problem) => json!({ "state": ending.state(), "problem": problem }),
        None => json!({ "state": ending.state() }),
    };
    events::append(tx, job, EventKind::State, &data).await
}

const RUNNING: &str = "SELECT COUNT(*) FROM tasks WHERE job_id = $1 AND state = 'running'";

/// Ends a job whose cancellation was requested, once nothing of it runs. Returns whether it ended now.
pub(super) async fn end_cancelled_if_quiet(tx: &mut WriteTx, job: &JobId) -> Result<bool, JobsError> {
    let running: i64 = sqlx::query_scalar(RUNNING).bind(job.as_str()).fetch_one(&mut **tx).await?;
    if running == 0 { end(tx, job, Ending::Cancelled).await } else { Ok(false) }
}
