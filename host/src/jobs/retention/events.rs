//! Deleting events that nobody will follow any more: old ones of jobs that have ended and are not pinned.

use sqlx::Row as _;

use super::ROWS_PER_SLICE;
use crate::{db::Db, jobs::error::JobsError};

/// Where a slice ends. Events are numbered in the order of time, nearly: a slice whose last event is young enough is the last.
const SLICE: &str = "
    SELECT MAX(sequence) AS last, MIN(created_us) AS oldest_us FROM
        (SELECT sequence, created_us FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2) AS slice";

const PRUNE: &str = "
    DELETE FROM events
    WHERE sequence > $1 AND sequence <= $2 AND created_us < $3
        AND job_id IN (SELECT id FROM jobs WHERE finished_us IS NOT NULL AND keep = 0)";

const COUNT: &str = "
    SELECT COUNT(*) FROM events JOIN jobs ON jobs.id = events.job_id
    WHERE events.sequence > $1 AND events.sequence <= $2 AND events.created_us < $3
        AND jobs.finished_us IS NOT NULL AND jobs.keep = 0";

/// Deletes the events from before `before_us`; gives their number.
///
/// # Errors
/// [`JobsError::Db`] where the database fails; what is left goes the next time.
pub async fn prune(db: &Db, before_us: i64) -> Result<u64, JobsError> {
    let (mut done, mut pruned) = (0, 0);
    while let Some(last) = slice_end(db, done, before_us).await? {
        let mut tx = db.write().await?;
        let deleted = sqlx::query(PRUNE).bind(done).bind(last).bind(before_us).execute(&mut *tx).await?;
        tx.commit().await?;
        pruned += deleted.rows_affected();
        done = last;
    }
    Ok(pruned)
}

/// How many events [`prune`] would delete.
///
/// # Errors
/// [`JobsError::Db`] where the database fails.
pub async fn count_old(db: &Db, before_us: i64) -> Result<u64, JobsError> {
    let (mut done, mut found) = (0, 0);
    while let Some(last) = slice_end(db, done, before_us).await? {
        let count: i64 = sqlx::query_scalar(COUNT).bind(done).bind(last).bind(before_us).fetch_one(db.read()).await?;
        found += u64::try_from(count).unwrap_or(0);
        done = last;
    }
    Ok(found)
}

async fn slice_end(db: &Db, after: i64, before_us: i64) -> Result<Option<i64>, JobsError> {
    let row = sqlx::query(SLICE).bind(after).bind(ROWS_PER_SLICE).fetch_one(db.read()).await?;
    let oldest_us: Option<i64> = row.try_get("oldest_us")?;
    Ok(if oldest_us.is_some_and(|oldest_us| oldest_us < before_us) { row.try_get("last")? } else { None })
}
