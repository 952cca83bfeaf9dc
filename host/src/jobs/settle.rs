//! Ending a job: the one place where a job becomes terminal. Whoever comes second finds it ended and changes nothing.

use serde_json::{Value, json};

use super::{
    complete::FinalOutput,
    error::JobsError,
    events::{self, EventKind, NewEvent},
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

/// How a job ends without a result.
#[derive(Debug)]
pub(super) enum Ending<'a> {
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
            Self::Failed { .. } => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }

    fn problem(&self) -> Option<Value> {
        match self {
            Self::Failed { problem, .. } => Some(json!(problem)),
            Self::Cancelled => None,
        }
    }
}

const FINISH_JOBS: &str = "
    UPDATE jobs
    SET state = item.value ->> 'state', finished_us = (SELECT now_us FROM clock), result = item.value ->> 'result',
        components = item.value ->> 'components', signature = item.value ->> 'signature', progress = 1.0
    FROM json_each($1) AS item WHERE jobs.id = item.value ->> 'job' AND jobs.finished_us IS NULL";

/// Ends jobs whose final stage has left a result; nothing else of them is open any more.
///
/// # Errors
/// [`JobsError::LeaseLost`] where one had ended before, [`JobsError::Db`]: the transaction must be rolled back.
pub(super) async fn finish(tx: &mut WriteTx, finished: &[(JobId, FinalOutput)]) -> Result<(), JobsError> {
    if finished.is_empty() {
        return Ok(());
    }
    let items = finished.iter().map(|(job, output)| {
        json!({
            "job": job,
            "state": state_by(&output.components),
            "result": output.result.to_string(),
            "components": json!(output.components).to_string(),
            "signature": output.signature.as_ref().map(Value::to_string),
        })
    });
    let items = Value::Array(items.collect()).to_string();
    let ended = sqlx::query(FINISH_JOBS).bind(items).execute(&mut **tx).await?;
    if ended.rows_affected() != finished.len() as u64 {
        return Err(JobsError::LeaseLost);
    }
    let mut events = Vec::new();
    for (job, output) in finished {
        let parts = output.components.iter();
        events.extend(parts.map(|part| NewEvent { job, kind: EventKind::Component, data: json!(part) }));
        events.push(NewEvent::state(job, state_by(&output.components)));
    }
    events::append_all(tx, &events).await
}

/// The state of a job by how well the parts of its result went.
fn state_by(components: &[Component]) -> JobState {
    let is_whole = components.iter().all(|part| part.status == ComponentStatus::Ok || part.is_beside);
    if is_whole { JobState::Succeeded } else { JobState::Partial }
}

const END_JOB: &str = "
    UPDATE jobs SET state = $2, finished_us = (SELECT now_us FROM clock), problem = $3
    WHERE id = $1 AND state IN ('queued', 'running')";

/// Ends the job and everything of it that has not ended. Returns false where it had ended before.
pub(super) async fn end(tx: &mut WriteTx, job: &JobId, ending: Ending<'_>) -> Result<bool, JobsError> {
    let state = ending.state();
    let problem = ending.problem();
    let ended = sqlx::query(END_JOB)
        .bind(job.as_str())
        .bind(state.as_str())
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
    let event = match problem {
        Some(problem) => NewEvent { job, kind: EventKind::State, data: json!({ "state": state, "problem": problem }) },
        None => NewEvent::state(job, state),
    };
    events::append_all(tx, &[event]).await?;
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
    UPDATE stages
    SET state = CASE WHEN state = 'open' AND $2 = 'failed' THEN 'failed' ELSE 'cancelled' END,
        finished_us = CASE WHEN state = 'open' THEN (SELECT now_us FROM clock) END
    WHERE job_id = $1 AND state IN ('waiting', 'open')";

async fn close_stages(tx: &mut WriteTx, job: &JobId, state: JobState) -> Result<(), JobsError> {
    sqlx::query(CLOSE_STAGES).bind(job.as_str()).bind(state.as_str()).execute(&mut **tx).await?;
    Ok(())
}

const RUNNING: &str = "SELECT COUNT(*) FROM tasks WHERE job_id = $1 AND state = 'running'";

/// Ends a job whose cancellation was requested, once nothing of it runs. Returns whether it ended now.
pub(super) async fn end_cancelled_if_quiet(tx: &mut WriteTx, job: &JobId) -> Result<bool, JobsError> {
    let running: i64 = sqlx::query_scalar(RUNNING).bind(job.as_str()).fetch_one(&mut **tx).await?;
    if running == 0 { end(tx, job, Ending::Cancelled).await } else { Ok(false) }
}
