//! How an attempt ends: with an output, a failure, a retry, a release, or because the job stops. Each is one fenced transaction.

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    error::JobsError,
    events::{self, EventKind},
    lease::{self, Held, Lease, unfinished},
    limits::{JobsConfig, OUTPUT_BYTES_MAX, microseconds},
    settle::{self, Ending},
    state::AttemptOutcome,
};
use crate::{
    db::{Db, Hint, WriteTx},
    domain::{job::Component, problem::Problem},
};

/// What became of a task, as its worker reports it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It has an output.
    Done(Value),
    /// It would fail again.
    Fatal(Problem),
    /// It may succeed later; `roll` in 0..1 spreads the pause.
    Retry { problem: Problem, roll: f64 },
    /// Its worker is gone.
    Lost,
    /// It stopped because the job was cancelled.
    Cancelled,
    /// It stopped because the job's deadline has passed.
    Deadline,
    /// It stopped because the process drains.
    Released,
}

/// Records what became of the task, and everything that follows from it, in one transaction.
///
/// # Errors
/// [`JobsError::LeaseLost`] where the task is no longer this lease's to write about: nothing was written.
pub(super) async fn record(db: &Db, config: &JobsConfig, lease: &Lease, verdict: Verdict) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    let held = lease::hold(&mut tx, lease).await?;
    if held.is_cancelled {
        // A cancel that was acknowledged wins over whatever the task came to in the meantime.
        cancelled(&mut tx, lease).await?;
    } else {
        match verdict {
            Verdict::Done(output) => done(&mut tx, lease, &held, output).await?,
            Verdict::Fatal(problem) => failed(&mut tx, lease, &held, &problem, AttemptOutcome::Failed).await?,
            Verdict::Retry { problem, roll } => retry(&mut tx, config, lease, &held, problem, roll).await?,
            Verdict::Lost => lost(&mut tx, config, lease, &held).await?,
            Verdict::Deadline => deadline(&mut tx, lease).await?,
            // A signal to cancel without the durable mark is not believed: the task just goes back.
            Verdict::Cancelled | Verdict::Released => ready_again(&mut tx, lease, &held, Back::released()).await?,
        }
    }
    tx.commit().await?;
    Ok(())
}

/// What the one task of a final stage leaves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FinalOutput {
    result: Value,
    components: Vec<Component>,
}

async fn done(tx: &mut WriteTx, lease: &Lease, held: &Held, output: Value) -> Result<(), JobsError> {
    let text = output.to_string();
    if text.len() > OUTPUT_BYTES_MAX {
        let problem = oversized(text.len());
        return failed(tx, lease, held, &problem, AttemptOutcome::Failed).await;
    }
    let stages = stages_left(tx, lease).await?;
    if stages.is_last_task && stages.next_ordinal.is_none() {
        return match serde_json::from_value::<FinalOutput>(output) {
            Ok(output) => {
                succeed(tx, lease, held, &text).await?;
                let ending = Ending::Finished { result: &output.result, components: &output.components };
                settle::end(tx, &lease.job, ending).await.map(drop)
            }
            Err(error) => {
                let problem = Problem::internal(format!("The final task left no result: {error}."));
                failed(tx, lease, held, &problem, AttemptOutcome::Failed).await
            }
        };
    }
    succeed(tx, lease, held, &text).await?;
    match stages.next_ordinal {
        Some(next) if stages.is_last_task => open_stage(tx, lease, next).await,
        _ => Ok(()),
    }
}

fn oversized(bytes: usize) -> Problem {
    Problem::new(
        "output-too-large",
        "A task's output is too large",
        format!("A task left {bytes} bytes of JSON."),
        "Ask for less in one job.",
    )
    .with_limit(format!("{OUTPUT_BYTES_MAX} bytes"))
}

struct StagesLeft {
    is_last_task: bool,
    next_ordinal: Option<i64>,
}

const STAGES_LEFT: &str = "
    SELECT tasks_total - tasks_done AS open_tasks,
        (SELECT MIN(later.ordinal) FROM stages AS later WHERE later.job_id = $1 AND later.ordinal > $2) AS next_ordinal
    FROM stages WHERE job_id = $1 AND ordinal = $2";

async fn stages_left(tx: &mut WriteTx, lease: &Lease) -> Result<StagesLeft, JobsError> {
    let row = sqlx::query(STAGES_LEFT).bind(lease.job.as_str()).bind(lease.stage).fetch_one(&mut **tx).await?;
    let open_tasks: i64 = row.try_get("open_tasks")?;
    Ok(StagesLeft { is_last_task: open_tasks == 1, next_ordinal: row.try_get("next_ordinal")? })
}

const SUCCEED_TASK: &str = "
    UPDATE tasks SET state = 'succeeded', output = $3, lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";
const COUNT_DONE: &str = "
    UPDATE stages
    SET tasks_done = tasks_done + 1, state = CASE WHEN tasks_done + 1 = tasks_total THEN 'succeeded' ELSE state END
    WHERE job_id = $1 AND ordinal = $2";

async fn succeed(tx: &mut WriteTx, lease: &Lease, held: &Held, output: &str) -> Result<(), JobsError> {
    lease::advance(tx, lease, held.progress, 1.0, "").await?;
    let left =
        sqlx::query(SUCCEED_TASK).bind(lease.task.as_str()).bind(lease.epoch).bind(output).execute(&mut **tx).await?;
    must_have_left(left.rows_affected())?;
    sqlx::query(COUNT_DONE).bind(lease.job.as_str()).bind(lease.stage).execute(&mut **tx).await?;
    close_attempt(tx, lease, AttemptOutcome::Succeeded, None).await
}

const OPEN_STAGE: &str = "
    UPDATE stages SET state = 'open' WHERE job_id = $1 AND ordinal = $2 RETURNING name";
const OPEN_TASKS: &str = "
    UPDATE tasks SET state = 'ready' WHERE job_id = $1 AND stage = $2 AND state = 'waiting'";
const JOB_PROGRESS: &str = "SELECT progress FROM jobs WHERE id = $1";

async fn open_stage(tx: &mut WriteTx, lease: &Lease, next: i64) -> Result<(), JobsError> {
    let name: String = sqlx::query_scalar(OPEN_STAGE).bind(lease.job.as_str()).bind(next).fetch_one(&mut **tx).await?;
    sqlx::query(OPEN_TASKS).bind(lease.job.as_str()).bind(next).execute(&mut **tx).await?;
    let progress: f64 = sqlx::query_scalar(JOB_PROGRESS).bind(lease.job.as_str()).fetch_one(&mut **tx).await?;
    let data = json!({ "stage": name, "progress": unfinished(progress), "note": "" });
    events::append(tx, &lease.job, EventKind::Progress, &data).await?;
    tx.hint(Hint::TaskReady);
    Ok(())
}

const FAIL_TASK: &str = "
    UPDATE tasks SET state = 'failed', attempts_counted = $3, lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

async fn failed(
    tx: &mut WriteTx,
    lease: &Lease,
    held: &Held,
    problem: &Problem,
    outcome: AttemptOutcome,
) -> Result<(), JobsError> {
    let left = sqlx::query(FAIL_TASK)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(held.attempts_counted + 1)
        .execute(&mut **tx)
        .await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, lease, outcome, Some(problem)).await?;
    settle::end(tx, &lease.job, Ending::Failed { problem, others: AttemptOutcome::Cancelled }).await.map(drop)
}

async fn retry(
    tx: &mut WriteTx,
    config: &JobsConfig,
    lease: &Lease,
    held: &Held,
    mut problem: Problem,
    roll: f64,
) -> Result<(), JobsError> {
    let counted = held.attempts_counted + 1;
    if counted >= i64::from(config.attempts_max) {
        problem.detail = format!("{} This was attempt {counted} of {}.", problem.detail, config.attempts_max);
        return failed(tx, lease, held, &problem, AttemptOutcome::Failed).await;
    }
    let pause = config.backoff(super::claim::small(counted), roll);
    let back = Back {
        outcome: AttemptOutcome::Retried,
        problem: Some(problem),
        is_counted: true,
        pause_us: microseconds(pause),
    };
    ready_again(tx, lease, held, back).await
}

async fn lost(tx: &mut WriteTx, config: &JobsConfig, lease: &Lease, held: &Held) -> Result<(), JobsError> {
    let counted = held.attempts_counted + 1;
    let problem = Problem::new(
        "worker-lost",
        "The worker of a task disappeared",
        format!("The process that ran a task died or stopped answering; attempt {counted} of {}.", config.attempts_max),
        "Submit the job again; if it stays, ask the operator whether the server runs out of memory.",
    );
    if counted >= i64::from(config.attempts_max) {
        return failed(tx, lease, held, &problem, AttemptOutcome::Lost).await;
    }
    // No pause: the task itself did nothing wrong as far as anybody knows.
    let back = Back { outcome: AttemptOutcome::Lost, problem: Some(problem), is_counted: true, pause_us: 0 };
    ready_again(tx, lease, held, back).await
}

/// How a task goes back to the queue.
struct Back {
    outcome: AttemptOutcome,
    problem: Option<Problem>,
    is_counted: bool,
    pause_us: i64,
}

impl Back {
    fn released() -> Self {
        Self { outcome: AttemptOutcome::Released, problem: None, is_counted: false, pause_us: 0 }
    }
}

const READY_AGAIN: &str = "
    UPDATE tasks
    SET state = 'ready', attempts_counted = $3, not_before_us = (SELECT now_us FROM clock) + $4, lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

async fn ready_again(tx: &mut WriteTx, lease: &Lease, held: &Held, back: Back) -> Result<(), JobsError> {
    let left = sqlx::query(READY_AGAIN)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(held.attempts_counted + i64::from(back.is_counted))
        .bind(back.pause_us)
        .execute(&mut **tx)
        .await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, lease, back.outcome, back.problem.as_ref()).await?;
    tx.hint(Hint::TaskReady);
    Ok(())
}

const CANCEL_TASK: &str = "
    UPDATE tasks SET state = 'cancelled', lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

async fn cancelled(tx: &mut WriteTx, lease: &Lease) -> Result<(), JobsError> {
    let left = sqlx::query(CANCEL_TASK).bind(lease.task.as_str()).bind(lease.epoch).execute(&mut **tx).await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, lease, AttemptOutcome::Cancelled, None).await?;
    settle::end_cancelled_if_quiet(tx, &lease.job).await.map(drop)
}

const DEADLINE: &str = "SELECT deadline_s FROM jobs WHERE id = $1";

async fn deadline(tx: &mut WriteTx, lease: &Lease) -> Result<(), JobsError> {
    let seconds: Option<i64> = sqlx::query_scalar(DEADLINE).bind(lease.job.as_str()).fetch_one(&mut **tx).await?;
    let problem = deadline_problem(seconds.unwrap_or(0));
    let ending = Ending::Failed { problem: &problem, others: AttemptOutcome::Deadline };
    settle::end(tx, &lease.job, ending).await.map(drop)
}

/// The problem of a job that ran longer than it was allowed to.
pub(super) fn deadline_problem(deadline_s: i64) -> Problem {
    Problem::new(
        "deadline-exceeded",
        "The job ran out of time",
        format!("It was allowed to run for {deadline_s} s and had not finished by then."),
        "Allow more time (deadline_s), or ask for less.",
    )
    .at("/deadline_s")
    .with_limit(format!("{deadline_s} s"))
}

const CLOSE_ATTEMPT: &str = "
    UPDATE attempts SET outcome = $3, problem = $4, finished_us = (SELECT now_us FROM clock)
    WHERE task_id = $1 AND lease_epoch = $2";

async fn close_attempt(
    tx: &mut WriteTx,
    lease: &Lease,
    outcome: AttemptOutcome,
    problem: Option<&Problem>,
) -> Result<(), JobsError> {
    sqlx::query(CLOSE_ATTEMPT)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(outcome.as_str())
        .bind(problem.map(|problem| json!(problem).to_string()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The statement's own fence, behind the one of the transaction's beginning.
fn must_have_left(rows: u64) -> Result<(), JobsError> {
    if rows == 1 { Ok(()) } else { Err(JobsError::LeaseLost) }
}
