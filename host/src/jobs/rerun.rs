//! Running a job again: the same plan, down to plugin hashes and seeds, as a new job. Its result is the same to the last bit, or
//! something is worth finding out.

use sqlx::Row as _;

use super::{
    claim::{parse_id, read_json, read_kind},
    error::JobsError,
    query::read_tags,
    submit::{NewJob, NewStage},
};
use crate::{
    db::Db,
    domain::ids::{JobId, KeyId},
};

const JOB: &str = "SELECT team_id, kind, name, tags, spec, deadline_s, priority FROM jobs WHERE id = $1";
const STAGES: &str = "SELECT name, weight FROM stages WHERE job_id = $1 ORDER BY ordinal";
const TASKS: &str = "SELECT stage, input FROM tasks WHERE job_id = $1 ORDER BY stage, position";

/// The plan of a stored job, to be submitted once more by `key`.
///
/// # Errors
/// [`JobsError::UnknownJob`], or [`JobsError::Db`].
pub async fn plan_of(db: &Db, job: &JobId, key: KeyId) -> Result<NewJob, JobsError> {
    let mut snapshot = db.snapshot().await?;
    let row = sqlx::query(JOB).bind(job.as_str()).fetch_optional(&mut *snapshot).await?;
    let row = row.ok_or_else(|| JobsError::UnknownJob(job.clone()))?;
    let stages = sqlx::query(STAGES).bind(job.as_str()).fetch_all(&mut *snapshot).await?;
    let tasks = sqlx::query(TASKS).bind(job.as_str()).fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;

    let mut planned = Vec::with_capacity(stages.len());
    for stage in &stages {
        planned.push(NewStage { name: stage.try_get("name")?, weight: stage.try_get("weight")?, tasks: Vec::new() });
    }
    for task in &tasks {
        let ordinal: i64 = task.try_get("stage")?;
        let stage = usize::try_from(ordinal).ok().and_then(|ordinal| planned.get_mut(ordinal));
        let stage = stage.ok_or_else(|| JobsError::unreadable("tasks.stage", ordinal))?;
        stage.tasks.push(read_json(task, "input", "tasks.input")?);
    }
    let deadline_s: Option<i64> = row.try_get("deadline_s")?;
    Ok(NewJob {
        team: parse_id(&row, "team_id", "jobs.team_id")?,
        key: Some(key),
        kind: read_kind(&row)?,
        spec: read_json(&row, "spec", "jobs.spec")?,
        name: row.try_get("name")?,
        tags: read_tags(&row)?,
        stages: planned,
        deadline_s: deadline_s.and_then(|seconds| u64::try_from(seconds).ok()),
        priority: row.try_get("priority")?,
        schedule: None,
        expected: None,
    })
}
