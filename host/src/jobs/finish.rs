//! How attempts end: with an output, a failure, a retry, a release, or because the job stops. Every statement is fenced.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    complete::{self, Completion, Done, FinalOutput},
    error::JobsError,
    lease::{self, Held, Lease},
    limits::{JobsConfig, OUTPUT_BYTES_MAX, microseconds},
    quota,
    settle::{self, Ending},
    state::AttemptOutcome,
};
use crate::{
    db::{Db, Hint, WriteTx},
    domain::problem::Problem,
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

/// What became of an attempt, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) lease: Lease,
    pub(super) verdict: Verdict,
    /// CPU time of all its threads, in microseconds; `None` where nobody can tell.
    pub(super) cpu_us: Option<i64>,
}

/// Whether the task was still the lease's to write about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It was, and its outcome stands with all that follows.
    Kept,
    /// It was not: nothing was written.
    LeaseLost,
}

/// Records one outcome, and everything that follows from it, in one transaction.
///
/// # Errors
/// [`JobsError::LeaseLost`] where the task is no longer this lease's to write about: nothing was written.
pub(super) async fn record(db: &Db, config: &JobsConfig, outcome: &Outcome) -> Result<(), JobsError> {
    match record_all(db, config, std::slice::from_ref(outcome)).await?[..] {
        [Recorded::Kept] => Ok(()),
        _ => Err(JobsError::LeaseLost),
    }
}

/// Records outcomes in one transaction: those that are simply done together, the others one by one.
///
/// # Errors
/// [`JobsError`] where one of them cannot be written: none was.
pub(super) async fn record_all(db: &Db, config: &JobsConfig, outcomes: &[Outcome]) -> Result<Vec<Recorded>, JobsError> {
    let mut tx = db.write().await?;
    lease::lock_jobs(&mut tx, outcomes.iter().map(|outcome| &outcome.lease.job)).await?;
    let done: Vec<_> = outcomes.iter().filter_map(Outcome::done).collect();
    let mut completions = complete::complete(&mut tx, &done).await?.into_iter();
    let mut recorded = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let completion = outcome.done().and_then(|_| completions.next());
        recorded.push(match completion {
            Some(Completion::Recorded) => Recorded::Kept,
            Some(Completion::Lost) => Recorded::LeaseLost,
            Some(Completion::Contested) | None => record_one(&mut tx, config, outcome).await?,
        });
    }
    let kept = outcomes.iter().zip(&recorded).filter(|(_, recorded)| **recorded == Recorded::Kept);
    quota::charge(&mut tx, kept.map(|(outcome, _)| (&outcome.lease.job, outcome.cpu_us.unwrap_or(0)))).await?;
    if recorded.contains(&Recorded::Kept) {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(recorded)
}

impl Outcome {
    fn done(&self) -> Option<Done<'_>> {
        match &self.verdict {
            Verdict::Done(output) => Some(Done { lease: &self.lease, output, cpu_us: self.cpu_us }),
            _ => None,
        }
    }
}

async fn record_one(tx: &mut WriteTx, config: &JobsConfig, outcome: &Outcome) -> Result<Recorded, JobsError> {
    let held = match lease::hold(tx, &outcome.lease).await {
        Ok(held) => held,
        Err(JobsError::LeaseLost) => return Ok(Recorded::LeaseLost),
        Err(error) => return Err(error),
    };
    if held.is_cancelled {
        // A cancel that was acknowledged wins over whatever the task came to in the meantime.
        cancelled(tx, outcome).await?;
        return Ok(Recorded::Kept);
    }
    match &outcome.verdict {
        Verdict::Done(output) => failed(tx, outcome, &held, &unusable(output), AttemptOutcome::Failed).await?,
        Verdict::Fatal(problem) => failed(tx, outcome, &held, problem, AttemptOutcome::Failed).await?,
        Verdict::Retry { problem, roll } => retry(tx, config, outcome, &held, problem.clone(), *roll).await?,
        Verdict::Lost => lost(tx, config, outcome, &held).await?,
        Verdict::Deadline => deadline(tx, outcome).await?,
        // A signal to cancel without the durable mark is not believed: the task just goes back.
        Verdict::Cancelled | Verdict::Released => ready_again(tx, outcome, &held, Back::released()).await?,
    }
    Ok(Recorded::Kept)
}

/// Why an output cannot stand.
fn unusable(output: &Value) -> Problem {
    let bytes = output.to_string().len();
    if bytes > OUTPUT_BYTES_MAX {
        return oversized(bytes);
    }
    match FinalOutput::deserialize(output) {
        Err(error) => Problem::internal(format!("The final task left no result: {error}.")),
        Ok(_) => Problem::internal("The output of a task could not be recorded."),
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

const FAIL_TASK: &str = "
    UPDATE tasks SET state = 'failed', attempts_counted = $3, lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

async fn failed(
    tx: &mut WriteTx,
    outcome: &Outcome,
    held: &Held,
    problem: &Problem,
    attempt: AttemptOutcome,
) -> Result<(), JobsError> {
    let lease = &outcome.lease;
    let left = sqlx::query(FAIL_TASK)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(held.attempts_counted + 1)
        .execute(&mut **tx)
        .await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, outcome, attempt, Some(problem)).await?;
    settle::end(tx, &lease.job, Ending::Failed { problem, others: AttemptOutcome::Cancelled }).await.map(drop)
}

async fn retry(
    tx: &mut WriteTx,
    config: &JobsConfig,
    outcome: &Outcome,
    held: &Held,
    mut problem: Problem,
    roll: f64,
) -> Result<(), JobsError> {
    let counted = held.attempts_counted + 1;
    if counted >= i64::from(config.attempts_max) {
        problem.detail = format!("{} This was attempt {counted} of {}.", problem.detail, config.attempts_max);
        return failed(tx, outcome, held, &problem, AttemptOutcome::Failed).await;
    }
    let pause = config.backoff(super::claim::small(counted), roll);
    let back = Back {
        outcome: AttemptOutcome::Retried,
        problem: Some(problem),
        is_counted: true,
        pause_us: microseconds(pause),
    };
    ready_again(tx, outcome, held, back).await
}

async fn lost(tx: &mut WriteTx, config: &JobsConfig, outcome: &Outcome, held: &Held) -> Result<(), JobsError> {
    let counted = held.attempts_counted + 1;
    let problem = Problem::new(
        "worker-lost",
        "The worker of a task disappeared",
        format!("The process that ran a task died or stopped answering; attempt {counted} of {}.", config.attempts_max),
        "Submit the job again; if it stays, ask the operator whether the server runs out of memory.",
    );
    if counted >= i64::from(config.attempts_max) {
        return failed(tx, outcome, held, &problem, AttemptOutcome::Lost).await;
    }
    // No pause: the task itself did nothing wrong as far as anybody knows.
    let back = Back { outcome: AttemptOutcome::Lost, problem: Some(problem), is_counted: true, pause_us: 0 };
    ready_again(tx, outcome, held, back).await
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

async fn ready_again(tx: &mut WriteTx, outcome: &Outcome, held: &Held, back: Back) -> Result<(), JobsError> {
    let lease = &outcome.lease;
    let left = sqlx::query(READY_AGAIN)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(held.attempts_counted + i64::from(back.is_counted))
        .bind(back.pause_us)
        .execute(&mut **tx)
        .await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, outcome, back.outcome, back.problem.as_ref()).await?;
    tx.hint(Hint::TaskReady);
    Ok(())
}

const CANCEL_TASK: &str = "
    UPDATE tasks SET state = 'cancelled', lease_until_us = NULL
    WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

async fn cancelled(tx: &mut WriteTx, outcome: &Outcome) -> Result<(), JobsError> {
    let lease = &outcome.lease;
    let left = sqlx::query(CANCEL_TASK).bind(lease.task.as_str()).bind(lease.epoch).execute(&mut **tx).await?;
    must_have_left(left.rows_affected())?;
    close_attempt(tx, outcome, AttemptOutcome::Cancelled, None).await?;
    settle::end_cancelled_if_quiet(tx, &lease.job).await.map(drop)
}

const DEADLINE: &str = "SELECT deadline_s FROM jobs WHERE id = $1";

async fn deadline(tx: &mut WriteTx, outcome: &Outcome) -> Result<(), JobsError> {
    let lease = &outcome.lease;
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
    UPDATE attempts SET outcome = $3, problem = $4, cpu_us = $5, finished_us = (SELECT now_us FROM clock)
    WHERE task_id = $1 AND lease_epoch = $2";

async fn close_attempt(
    tx: &mut WriteTx,
    outcome: &Outcome,
    attempt: AttemptOutcome,
    problem: Option<&Problem>,
) -> Result<(), JobsError> {
    sqlx::query(CLOSE_ATTEMPT)
        .bind(outcome.lease.task.as_str())
        .bind(outcome.lease.epoch)
        .bind(attempt.as_str())
        .bind(problem.map(|problem| json!(problem).to_string()))
        .bind(outcome.cpu_us)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The statement's own fence, behind the one of the transaction's beginning.
fn must_have_left(rows: u64) -> Result<(), JobsError> {
    if rows == 1 { Ok(()) } else { Err(JobsError::LeaseLost) }
}
