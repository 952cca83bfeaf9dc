//! What came of running a version beside another one, job after job: what a promotion is decided on.

use serde_json::Value;
use sqlx::Row as _;

use super::CatalogError;
use crate::{
    catalog::rows::{self, ListCursor, Listed},
    db::{Db, Row},
    domain::ids::{JobId, PluginId, TeamId},
};

/// A comparison to be noted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewShadowRun {
    /// The version that made the result.
    pub promoted: PluginId,
    /// The version that ran beside it.
    pub candidate: PluginId,
    /// All that was found.
    pub report: Value,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowRun {
    /// The job.
    pub job: JobId,
    /// All that was found.
    pub report: Value,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at_us: i64,
}

const INSERT: &str = "
    INSERT INTO shadow_runs (job_id, position, team_id, promoted_id, candidate_id, report, at_us)
    SELECT $1, CAST($2 AS BIGINT), $3, $4, $5, $6, now_us FROM clock WHERE true ON CONFLICT (job_id, position) DO NOTHING";

/// Notes the comparisons of a job; a second time changes nothing.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn insert_shadow_runs(
    db: &Db,
    team: &TeamId,
    job: &JobId,
    runs: &[NewShadowRun],
) -> Result<(), CatalogError> {
    let mut tx = db.write().await?;
    for (run, position) in runs.iter().zip(0_i64..) {
        sqlx::query(INSERT)
            .bind(job.as_str())
            .bind(position)
            .bind(team.as_str())
            .bind(run.promoted.as_str())
            .bind(run.candidate.as_str())
            .bind(run.report.to_string())
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

const LIST: &str = "
    SELECT job_id, report, at_us FROM shadow_runs
    WHERE candidate_id = $1 AND team_id = $2 AND (CAST($3 AS BIGINT) IS NULL OR (at_us, job_id) < ($3, $4))
    ORDER BY at_us DESC, job_id DESC LIMIT $5";

/// A page of the comparisons of a version in the team's jobs, newest first.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_shadow_runs(
    db: &Db,
    team: &TeamId,
    candidate: &PluginId,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<ShadowRun>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(candidate.as_str())
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.order))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(read_run).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |run| ListCursor { order: run.at_us, id: run.job.as_str().to_owned() }))
}

fn read_run(row: &Row) -> Result<ShadowRun, CatalogError> {
    Ok(ShadowRun {
        job: rows::parsed(row, "job_id", "shadow_runs.job_id")?,
        report: rows::json(row, "report", "shadow_runs.report")?,
        at_us: row.try_get("at_us")?,
    })
}
