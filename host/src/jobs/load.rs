//! Reading what a worker needs to run the tasks it has claimed.

use std::collections::HashMap;

use sqlx::Row as _;

use super::{
    claim::{parse_id, read_json, read_kind, small},
    error::JobsError,
    lease::{self, Lease},
    runner::ClaimedTask,
};
use crate::{
    db::{Db, Row, artifacts::ArtifactHash},
    domain::ids::{TaskId, TeamId},
};

/// Everything about a claimed task but its lease.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) task: ClaimedTask,
    pub(super) checkpoint: Option<ArtifactHash>,
    pub(super) progress: f64,
    pub(super) is_cancelled: bool,
}

const LOAD: &str = "
    SELECT tasks.id, jobs.team_id, jobs.kind, jobs.spec, stages.name AS stage_name, tasks.position, tasks.input,
        tasks.checkpoint, tasks.progress, tasks.attempts_counted, jobs.cancel_requested_us
    FROM json_each($1) AS item CROSS JOIN tasks
    JOIN jobs ON jobs.id = tasks.job_id
    JOIN stages ON stages.job_id = tasks.job_id AND stages.ordinal = tasks.stage
    WHERE tasks.id = item.value ->> 'task' AND tasks.lease_epoch = CAST(item.value ->> 'epoch' AS BIGINT)
        AND tasks.lease_until_us IS NOT NULL";

/// Reads claimed tasks; one whose lease is lost is missing. Called after they are registered for interrupts, so a cancel is either
/// seen here or signalled.
///
/// # Errors
/// [`JobsError::Db`] where the database fails or a row cannot be read.
pub(super) async fn load(db: &Db, leases: &[&Lease]) -> Result<HashMap<TaskId, Loaded>, JobsError> {
    let listed = lease::listed(leases.iter().copied());
    let rows = sqlx::query(LOAD).bind(listed).fetch_all(db.read()).await?;
    let mut loaded = HashMap::with_capacity(rows.len());
    for row in &rows {
        let task: TaskId = parse_id(row, "id", "tasks.id")?;
        let Some(lease) = leases.iter().find(|lease| lease.task == task) else { continue };
        loaded.insert(task, read(row, lease)?);
    }
    Ok(loaded)
}

fn read(row: &Row, lease: &Lease) -> Result<Loaded, JobsError> {
    let counted: i64 = row.try_get("attempts_counted")?;
    let checkpoint: Option<String> = row.try_get("checkpoint")?;
    Ok(Loaded {
        task: ClaimedTask {
            task: lease.task.clone(),
            job: lease.job.clone(),
            team: parse_id::<TeamId>(row, "team_id", "jobs.team_id")?,
            kind: read_kind(row)?,
            spec: read_json(row, "spec", "jobs.spec")?,
            stage: row.try_get("stage_name")?,
            index: small(row.try_get("position")?),
            input: read_json(row, "input", "tasks.input")?,
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
