//! Claiming a task, and reading what a worker needs to run it.

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    error::JobsError,
    events::{self, EventKind},
    lease::Lease,
    limits::ClaimTerms,
    runner::ClaimedTask,
};
use crate::{
    db::{Db, Row, WriteTx, artifacts::ArtifactHash},
    domain::{
        ids::{JobId, TaskId, TeamId},
        job::{JobKind, JobState},
    },
};

/// A task that was just claimed.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) lease: Lease,
    /// Time until the job's deadline, in microseconds; negative after it.
    pub(super) deadline_in_us: Option<i64>,
}

/// Everything else about a claimed task.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) task: ClaimedTask,
    pub(super) checkpoint: Option<ArtifactHash>,
    pub(super) progress: f64,
    pub(super) is_cancelled: bool,
}

/// Claims the next task: of the team that uses the least of its share, highest priority first, then the oldest job. `None`
/// where nothing can be claimed.
pub(super) async fn claim(db: &Db, worker: &str, terms: ClaimTerms) -> Result<Option<Claim>, JobsError> {
    let mut tx = db.write().await?;
    // What a team uses of its share is counted and then changed: nobody else may do so in between.
    tx.take_turns("claims").await?;
    let Some(lease) = take_lease(&mut tx, db.session(), worker, terms).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    note_claim(&mut tx, &lease).await?;
    open_attempt(&mut tx, &lease, worker).await?;
    start_job(&mut tx, &lease.job).await?;
    let deadline_in_us = deadline_in_us(&mut tx, &lease.job).await?;
    tx.commit().await?;
    Ok(Some(Claim { lease, deadline_in_us }))
}

/// The team comes first: whoever submits a thousand jobs waits behind its own, not everybody behind them. Running tasks divided
/// by weight is what a team uses of its share. Among equals, the waiting time times the weight decides; that also shares a
/// single worker by weight, where nothing ever runs at the moment of a claim.
macro_rules! take_lease {
    ($lock:literal) => {
        concat!(
            "UPDATE tasks
            SET state = 'running', lease_epoch = lease_epoch + 1, lease_owner = $1, lease_session = $2,
                lease_until_us = (SELECT now_us FROM clock) + $3
            WHERE state = 'ready' AND id = (
                SELECT tasks.id FROM tasks /*+ JOIN jobs ON jobs.id = tasks.job_id +*/
                WHERE tasks.state = 'ready' AND tasks.not_before_us <= (SELECT now_us FROM clock)
                    AND tasks.team_id = (
                        SELECT waiting.id FROM (
                            SELECT teams.id, teams.weight, (SELECT now_us FROM clock) - teams.last_claim_us AS waited_us,
                                (SELECT COUNT(*) FROM tasks WHERE team_id = teams.id AND state = 'running') AS running
                            FROM teams
                            WHERE EXISTS (
                                SELECT 1 FROM tasks WHERE team_id = teams.id AND state = 'ready'
                                    AND not_before_us <= (SELECT now_us FROM clock))
                        ) AS waiting
                        WHERE waiting.running < $4
                        ORDER BY CAST(waiting.running AS DOUBLE PRECISION) / waiting.weight,
                            waiting.waited_us * waiting.weight DESC, waiting.id
                        LIMIT 1)
                ORDER BY tasks.priority DESC, tasks.job_created_us, tasks.job_id, tasks.position
                LIMIT 1 ",
            $lock,
            ") RETURNING id, job_id, stage, lease_epoch"
        )
    };
}
/// Whoever changes a job holds its row. A claim passes over the jobs that somebody is just changing...
const TAKE_LEASE: &str = take_lease!("/*+ FOR NO KEY UPDATE OF jobs SKIP LOCKED +*/");
/// ... and waits for them where there is nothing else, as it would otherwise sleep beside a ready task.
const TAKE_LEASE_WAITING: &str = take_lease!("/*+ FOR NO KEY UPDATE OF jobs +*/");

async fn take_lease(
    tx: &mut WriteTx,
    session: &str,
    worker: &str,
    terms: ClaimTerms,
) -> Result<Option<Lease>, JobsError> {
    let statements: &[&'static str] = if tx.is_alone() { &[TAKE_LEASE] } else { &[TAKE_LEASE, TAKE_LEASE_WAITING] };
    for statement in statements {
        let row = sqlx::query(tx.sql(statement))
            .bind(worker)
            .bind(session)
            .bind(terms.lease_us)
            .bind(terms.running_per_team_max)
            .fetch_optional(&mut **tx)
            .await?;
        if let Some(row) = row {
            return Lease::read(&row).map(Some);
        }
    }
    Ok(None)
}

const NOTE_CLAIM: &str = "
    UPDATE teams SET last_claim_us = (SELECT now_us FROM clock) WHERE id = (SELECT team_id FROM tasks WHERE id = $1)";

async fn note_claim(tx: &mut WriteTx, lease: &Lease) -> Result<(), JobsError> {
    sqlx::query(NOTE_CLAIM).bind(lease.task.as_str()).execute(&mut **tx).await?;
    Ok(())
}

const OPEN_ATTEMPT: &str = "
    INSERT INTO attempts (task_id, lease_epoch, job_id, worker, started_us, outcome)
    VALUES ($1, $2, $3, $4, (SELECT now_us FROM clock), 'running')";

async fn open_attempt(tx: &mut WriteTx, lease: &Lease, worker: &str) -> Result<(), JobsError> {
    sqlx::query(OPEN_ATTEMPT)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(lease.job.as_str())
        .bind(worker)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

const START_JOB: &str = "
    UPDATE jobs
    SET state = 'running', started_us = (SELECT now_us FROM clock),
        deadline_us = (SELECT now_us FROM clock) + deadline_s * 1000000
    WHERE id = $1 AND state = 'queued'";

/// Does nothing for a job that runs already.
async fn start_job(tx: &mut WriteTx, job: &JobId) -> Result<(), JobsError> {
    let started = sqlx::query(START_JOB).bind(job.as_str()).execute(&mut **tx).await?;
    if started.rows_affected() == 1 {
        events::append(tx, job, EventKind::State, &json!({ "state": JobState::Running })).await?;
    }
    Ok(())
}

const DEADLINE_IN: &str = "SELECT deadline_us - (SELECT now_us FROM clock) FROM jobs WHERE id = $1";

async fn deadline_in_us(tx: &mut WriteTx, job: &JobId) -> Result<Option<i64>, JobsError> {
    Ok(sqlx::query_scalar(DEADLINE_IN).bind(job.as_str()).fetch_one(&mut **tx).await?)
}

const LOAD: &str = "
    SELECT jobs.team_id, jobs.kind, jobs.spec, stages.name AS stage_name, tasks.position, tasks.input, tasks.checkpoint,
        tasks.progress, tasks.attempts_counted, jobs.cancel_requested_us
    FROM tasks
    JOIN jobs ON jobs.id = tasks.job_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    WHERE tasks.id = $1 AND tasks.lease_epoch = $2 AND tasks.state = 'running'";

/// Reads a claimed task. Called after the task is registered for interrupts, so a cancel is either seen here or signalled.
pub(super) async fn load(db: &Db, lease: &Lease) -> Result<Loaded, JobsError> {
    let row = sqlx::query(LOAD)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .fetch_optional(db.read())
        .await?
        .ok_or(JobsError::LeaseLost)?;
    let counted: i64 = row.try_get("attempts_counted")?;
    let checkpoint: Option<String> = row.try_get("checkpoint")?;
    Ok(Loaded {
        task: ClaimedTask {
            task: lease.task.clone(),
            job: lease.job.clone(),
            team: parse_id::<TeamId>(&row, "team_id", "jobs.team_id")?,
            kind: read_kind(&row)?,
            spec: read_json(&row, "spec", "jobs.spec")?,
            stage: row.try_get("stage_name")?,
            index: small(row.try_get("position")?),
            input: read_json(&row, "input", "tasks.input")?,
            attempt: small(counted).saturating_add(1),
            lease_epoch: u64::try_from(lease.epoch).unwrap_or(0),
        },
        checkpoint: checkpoint
            .map(|hash| hash.parse().map_err(|error| JobsError::unreadable("tasks.checkpoint", error)))
            .transpose()?,
        progress: row.try_get("progress")?,
        is_cancelled: row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some(),
    })
}

/// A count or position from the database; the schema keeps them small and not negative.
pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}

pub(super) fn parse_id<T>(row: &Row, column: &str, what: &'static str) -> Result<T, JobsError>
where
    T: std::str::FromStr<Err: ToString>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| JobsError::unreadable(what, error))
}

pub(super) fn read_json(row: &Row, column: &str, what: &'static str) -> Result<Value, JobsError> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| JobsError::unreadable(what, error))
}

pub(super) fn read_kind(row: &Row) -> Result<JobKind, JobsError> {
    let name: String = row.try_get("kind")?;
    serde_json::from_value(Value::String(name)).map_err(|error| JobsError::unreadable("jobs.kind", error))
}

impl Lease {
    /// From a row with `id`, `job_id`, `stage` and `lease_epoch` of a task.
    pub(super) fn read(row: &Row) -> Result<Self, JobsError> {
        Ok(Self {
            task: parse_id::<TaskId>(row, "id", "tasks.id")?,
            job: parse_id::<JobId>(row, "job_id", "tasks.job_id")?,
            stage: row.try_get("stage")?,
            epoch: row.try_get("lease_epoch")?,
        })
    }
}
