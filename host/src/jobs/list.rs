//! Listing a team's jobs, newest first, page by page.

use std::collections::HashMap;

use serde_json::json;

use super::{
    claim::parse_id,
    error::JobsError,
    query::{JobRow, StageRow, read_job, read_stage},
};
use crate::{
    db::Db,
    domain::{
        ids::{JobId, TeamId},
        job::{JobKind, JobState},
    },
};

/// Which jobs of a team to list.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct JobFilter {
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only in this state.
    pub state: Option<JobState>,
}

/// The last job of a page; the next page starts after it. Jobs that arrive meanwhile do not shift it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCursor {
    /// When the job was submitted, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
    /// The job.
    pub id: JobId,
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs, newest first, with stages and without attempts.
    pub jobs: Vec<JobRow>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<JobCursor>,
}

const LIST: &str = "
    SELECT id, team_id, key_id, kind, name, spec, state, cancel_requested_us, deadline_s, priority, created_us, started_us,
        finished_us, progress, components, problem, (SELECT now_us FROM clock) AS now_us
    FROM jobs
    WHERE team_id = $1
        AND (CAST($2 AS TEXT) IS NULL OR kind = $2)
        AND (CAST($3 AS TEXT) IS NULL OR state = $3)
        AND (CAST($4 AS BIGINT) IS NULL OR (created_us, id) < ($4, $5))
    ORDER BY created_us DESC, id DESC LIMIT $6";

/// A page of a team's jobs after `after`, at most `limit` (at least 1) of them.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn list(
    db: &Db,
    team: &TeamId,
    filter: JobFilter,
    after: Option<&JobCursor>,
    limit: u32,
) -> Result<JobPage, JobsError> {
    let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
    // One more than asked for tells whether there is a next page.
    let asked = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(filter.kind.map(JobKind::as_str))
        .bind(filter.state.map(JobState::as_str))
        .bind(after.map(|cursor| cursor.created_us))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(asked)
        .fetch_all(db.read())
        .await?;
    let has_more = rows.len() > limit;
    let mut jobs = rows.iter().take(limit).map(read_job).collect::<Result<Vec<_>, _>>()?;
    attach_stages(db, &mut jobs).await?;
    let last = jobs.last().filter(|_| has_more);
    let next = last.map(|job| JobCursor { created_us: job.created_us, id: job.id.clone() });
    Ok(JobPage { jobs, next })
}

const STAGES_OF: &str = "
    SELECT job_id, name, state, tasks_total, tasks_done, progress, note FROM stages
    WHERE job_id IN (SELECT value ->> 'id' FROM json_each($1)) ORDER BY job_id, ordinal";

/// One query for all jobs of the page.
async fn attach_stages(db: &Db, jobs: &mut [JobRow]) -> Result<(), JobsError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = jobs.iter().map(|job| json!({ "id": job.id })).collect();
    let rows = sqlx::query(STAGES_OF).bind(json!(ids).to_string()).fetch_all(db.read()).await?;
    let mut stages: HashMap<JobId, Vec<StageRow>> = HashMap::new();
    for row in &rows {
        let job: JobId = parse_id(row, "job_id", "stages.job_id")?;
        stages.entry(job).or_default().push(read_stage(row)?);
    }
    for job in jobs {
        job.stages = stages.remove(&job.id).unwrap_or_default();
    }
    Ok(())
}
