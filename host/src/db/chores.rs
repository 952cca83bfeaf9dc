//! What one process of a fleet does for all, now and then: whoever begins first does it, the others wait for the next time.

use std::time::Duration;

use super::{Db, DbError};

const BEGIN: &str = "
    INSERT INTO chores (name, begun_us) SELECT $1, now_us FROM clock WHERE true
    ON CONFLICT (name) DO UPDATE SET begun_us = excluded.begun_us WHERE chores.begun_us <= excluded.begun_us - $2";

/// Whether the caller is to do the chore now: nobody has begun it for `interval`. A process that dies in the middle leaves the rest
/// to the next time.
///
/// # Errors
/// [`DbError`] where the database fails.
pub async fn begin(db: &Db, name: &str, interval: Duration) -> Result<bool, DbError> {
    let interval_us = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX >> 1);
    let mut tx = db.write().await?;
    let begun = sqlx::query(BEGIN).bind(name).bind(interval_us).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(begun.rows_affected() == 1)
}
