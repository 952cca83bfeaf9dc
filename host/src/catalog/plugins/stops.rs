//! Jobs in which a version failed itself, by how: beside what it costs, what it costs its users.

use sqlx::Row as _;

use super::CatalogError;
use crate::{
    catalog::rows,
    db::{Db, Row},
    domain::ids::{JobId, PluginId, TeamId},
};

/// How often a version failed in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stops {
    /// Code of the problem.
    pub code: String,
    /// Jobs that met it.
    pub jobs: u64,
    /// When the last of them did, in microseconds since 1970-01-01 UTC.
    pub last_us: i64,
}

const NOTE: &str = "
    INSERT INTO plugin_stops (job_id, plugin_id, code, team_id, at_us)
    SELECT $1, $2, $3, $4, now_us FROM clock WHERE true ON CONFLICT (job_id, plugin_id, code) DO NOTHING";

/// Writes down that a job met a failure of a version; a second time changes nothing.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn note_stop(db: &Db, plugin: &PluginId, team: &TeamId, job: &JobId, code: &str) -> Result<(), CatalogError> {
    let mut tx = db.write().await?;
    sqlx::query(NOTE).bind(job.as_str()).bind(plugin.as_str()).bind(code).bind(team.as_str()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

const LIST: &str = "
    SELECT code, COUNT(*) AS jobs, MAX(at_us) AS last_us FROM plugin_stops
    WHERE team_id = $1 AND plugin_id = $2 GROUP BY code ORDER BY code";

/// How often a version failed in the team's jobs, by code.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn stops(db: &Db, team: &TeamId, plugin: &PluginId) -> Result<Vec<Stops>, CatalogError> {
    let found = sqlx::query(LIST).bind(team.as_str()).bind(plugin.as_str()).fetch_all(db.read()).await?;
    let read = |row: &Row| {
        Ok(Stops {
            code: row.try_get("code")?,
            jobs: rows::number(row, "jobs", "plugin_stops")?,
            last_us: row.try_get("last_us")?,
        })
    };
    found.iter().map(read).collect()
}
