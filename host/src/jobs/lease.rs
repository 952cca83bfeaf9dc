//! What a worker writes while it holds a lease: renewal, progress, logs, checkpoints. Every statement is fenced by the epoch.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    claim::{ids, parse_id},
    error::JobsError,
    events::{self, EventKind},
};
use crate::{
    db::{
        Db, WriteTx,
        artifacts::{ArtifactHash, StagedArtifact},
    },
    domain::ids::{JobId, TaskId},
};

/// The right to write about a task, until somebody else claims it, or its job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) task: TaskId,
    pub(super) job: JobId,
    /// Ordinal of the stage.
    pub(super) stage: i64,
    pub(super) epoch: i64,
}

/// What a heartbeat found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The lease holds for another full time.
    Kept,
    /// The lease holds, but somebody cancelled the job.
    Cancelled,
    /// The task belongs to somebody else or has ended.
    Lost,
}

/// What a worker found out about a task since its last report.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Report {
    /// Progress of the task, 0..1, and what it is doing.
    pub(super) progress: Option<(f64, String)>,
    /// Level and text.
    pub(super) lines: Vec<(&'static str, String)>,
}

/// A task is leased while it runs. Asked by its state, PostgreSQL would go through all running tasks for each lease.
const RENEW: &str = "
    UPDATE tasks SET lease_until_us = (SELECT now_us FROM clock) + $2
    FROM json_each($1) AS item
    WHERE tasks.id = item.value ->> 'task' AND tasks.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)
        AND tasks.lease_until_us IS NOT NULL
    RETURNING id, (SELECT cancel_requested_us FROM jobs WHERE jobs.id = tasks.job_id) AS cancel_requested_us";

/// Renews all of a worker's leases with one statement; the answers are in the order of `leases`.
pub(super) async fn renew(db: &Db, leases: &[Lease], lease_us: i64) -> Result<Vec<Renewal>, JobsError> {
    let mut tx = db.write().await?;
    lock_jobs(&mut tx, leases.iter().map(|lease| &lease.job)).await?;
    let rows = sqlx::query(RENEW).bind(listed(leases)).bind(lease_us).fetch_all(&mut *tx).await?;
    let mut renewed = HashMap::with_capacity(rows.len());
    for row in &rows {
        let is_cancelled = row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some();
        renewed.insert(parse_id::<TaskId>(row, "id", "tasks.id")?, is_cancelled);
    }
    hear_of(&mut tx, leases).await?;
    tx.commit().await?;
    let answer = |lease: &Lease| match renewed.get(&lease.task) {
        Some(false) => Renewal::Kept,
        Some(true) => Renewal::Cancelled,
        None => Renewal::Lost,
    };
    Ok(leases.iter().map(answer).collect())
}

/// Leases as a statement takes a list of them: `task`, `epoch` and `job`.
pub(super) fn listed<'a>(leases: impl IntoIterator<Item = &'a Lease>) -> String {
    let items = leases.into_iter().map(|lease| json!({ "task": lease.task, "epoch": lease.epoch, "job": lease.job }));
    Value::Array(items.collect()).to_string()
}

const HEAR_OF: &str = "
    UPDATE attempts SET first_heartbeat_us = (SELECT now_us FROM clock) FROM json_each($1) AS item
    WHERE attempts.task_id = item.value ->> 'task' AND attempts.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)
        AND attempts.outcome = 'running' AND attempts.first_heartbeat_us IS NULL";

/// Notes the first sign of life of each lease: a task that was claimed and never begun is told from one that runs.
async fn hear_of(tx: &mut WriteTx, leases: &[Lease]) -> Result<(), JobsError> {
    sqlx::query(HEAR_OF).bind(listed(leases)).execute(&mut **tx).await?;
    Ok(())
}

const LOCK_JOBS: &str = "
    SELECT jobs.id FROM json_each($1) AS item CROSS JOIN jobs WHERE jobs.id = item.value ->> 'id'
    ORDER BY jobs.id /*+ FOR NO KEY UPDATE OF jobs +*/";

/// Whoever changes a job, its stages or its tasks holds the job's row: then its counts add up, its events are in order, and no
/// two transactions wait for each other. Not needed where nobody else can write.
pub(super) async fn lock_jobs(tx: &mut WriteTx, jobs: impl IntoIterator<Item = &JobId>) -> Result<(), JobsError> {
    if !tx.is_alone() {
        sqlx::query(tx.sql(LOCK_JOBS)).bind(ids(jobs)).fetch_all(&mut **tx).await?;
    }
    Ok(())
}

/// A task as it stands in the transaction of its lease's holder.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) progress: f64,
    pub(super) attempts_counted: i64,
    pub(super) is_cancelled: bool,
}

const HOLD: &str = "
    SELECT tasks.progress, tasks.attempts_counted, jobs.cancel_requested_us
    FROM tasks JOIN jobs ON jobs.id = tasks.job_id
    WHERE tasks.id = $1 AND tasks.lease_epoch = $2 AND tasks.state = 'running'";

/// The fence: proves that the lease is still good for the rest of this transaction.
pub(super) async fn hold(tx: &mut WriteTx, lease: &Lease) -> Result<Held, JobsError> {
    lock_jobs(tx, [&lease.job]).await?;
    let row = sqlx::query(HOLD)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(JobsError::LeaseLost)?;
    Ok(Held {
        progress: row.try_get("progress")?,
        attempts_counted: row.try_get("attempts_counted")?,
        is_cancelled: row.try_get::<Option<i64>, _>("cancel_requested_us")?.is_some(),
    })
}

/// Writes a report: progress of task, stage and job, and log lines, with their events.
pub(super) async fn report(db: &Db, lease: &Lease, report: &Report) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    let held = hold(&mut tx, lease).await?;
    if let Some((fraction, note)) = &report.progress {
        advance(&mut tx, lease, held.progress, *fraction, note).await?;
        append_progress(&mut tx, lease).await?;
    }
    hear_of(&mut tx, std::slice::from_ref(lease)).await?;
    for (level, message) in &report.lines {
        let data = json!({ "level": level, "message": message, "task": lease.task });
        events::append(&mut tx, &lease.job, EventKind::Log, &data).await?;
    }
    tx.commit().await?;
    Ok(())
}

const SET_TASK_PROGRESS: &str = "
    UPDATE tasks SET progress = $3 WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";
const ADD_STAGE_PROGRESS: &str = "
    UPDATE stages SET progress = progress + $3, note = $4 WHERE job_id = $1 AND ordinal = $2";
/// A task's share of its job is its stage's weight over all weights, divided by the stage's number of tasks.
const ADD_JOB_PROGRESS: &str = "
    UPDATE jobs
    SET progress = progress + $3
        * (SELECT weight / tasks_total FROM stages WHERE job_id = $1 AND ordinal = $2)
        / (SELECT SUM(weight) FROM stages WHERE job_id = $1)
    WHERE id = $1";

/// Moves a task from `before` to `fraction`; it never goes back, so that nobody sees progress shrink after a retry.
pub(super) async fn advance(
    tx: &mut WriteTx,
    lease: &Lease,
    before: f64,
    fraction: f64,
    note: &str,
) -> Result<(), JobsError> {
    let gained = (fraction - before).max(0.0);
    sqlx::query(SET_TASK_PROGRESS)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(before + gained)
        .execute(&mut **tx)
        .await?;
    sqlx::query(ADD_STAGE_PROGRESS)
        .bind(lease.job.as_str())
        .bind(lease.stage)
        .bind(gained)
        .bind(note)
        .execute(&mut **tx)
        .await?;
    sqlx::query(ADD_JOB_PROGRESS).bind(lease.job.as_str()).bind(lease.stage).bind(gained).execute(&mut **tx).await?;
    Ok(())
}

const PROGRESS_NOW: &str = "
    SELECT jobs.progress, stages.name, stages.note FROM jobs JOIN stages ON stages.job_id = jobs.id
    WHERE jobs.id = $1 AND stages.ordinal = $2";

async fn append_progress(tx: &mut WriteTx, lease: &Lease) -> Result<(), JobsError> {
    let row = sqlx::query(PROGRESS_NOW).bind(lease.job.as_str()).bind(lease.stage).fetch_one(&mut **tx).await?;
    let progress: f64 = row.try_get("progress")?;
    let stage: &str = row.try_get("name")?;
    let note: &str = row.try_get("note")?;
    let data = json!({ "stage": stage, "progress": unfinished(progress), "note": note });
    events::append(tx, &lease.job, EventKind::Progress, &data).await
}

/// Progress of a job that has not ended: below 1, whatever the rounding of sums does.
pub(super) fn unfinished(progress: f64) -> f64 {
    progress.clamp(0.0, 0.99)
}

const SET_CHECKPOINT: &str = "
    UPDATE tasks SET checkpoint = $3 WHERE id = $1 AND lease_epoch = $2 AND state = 'running'";

/// Makes the staged artifact the task's checkpoint. Row and artifact row are one transaction.
pub(super) async fn set_checkpoint(db: &Db, lease: &Lease, staged: StagedArtifact) -> Result<ArtifactHash, JobsError> {
    let mut tx = db.write().await?;
    lock_jobs(&mut tx, [&lease.job]).await?;
    let hash = staged.record(&mut tx).await?;
    let updated = sqlx::query(SET_CHECKPOINT)
        .bind(lease.task.as_str())
        .bind(lease.epoch)
        .bind(hash.as_str())
        .execute(&mut *tx)
        .await?;
    if updated.rows_affected() == 0 {
        return Err(JobsError::LeaseLost);
    }
    tx.commit().await?;
    Ok(hash)
}
