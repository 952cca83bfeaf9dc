//! What speaks against one more job of a team. Asked in the transaction that would store it, so that nobody slips in between.

use super::{claim::parse_id, error::JobsError, submit::NewJob};
use crate::{db::WriteTx, domain::ids::JobId};

const SAME: &str = "
    SELECT id FROM jobs WHERE team_id = $1 AND plan_hash = $2 AND state IN ('queued', 'running')
    ORDER BY created_us DESC, id LIMIT 1";

/// A job of the same team that would do the same and has not ended.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn live_twin_in(tx: &mut WriteTx, job: &NewJob) -> Result<Option<JobId>, JobsError> {
    tx.take_turns(job.team.as_str()).await?;
    let row = sqlx::query(SAME).bind(job.team.as_str()).bind(job.plan_hash()).fetch_optional(&mut **tx).await?;
    row.map(|row| parse_id(&row, "id", "jobs.id")).transpose()
}
