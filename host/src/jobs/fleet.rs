//! Which processes claim tasks, and how many each runs at the same time: what a fleet can do, as forecasts need to know it.

use super::error::JobsError;
use crate::db::{Connection, Db};

/// A process that was not heard of for so long does not count, in microseconds: six times the pause between two notices.
const SILENT_US_MAX: i64 = 60_000_000;

const ANNOUNCE: &str = "
    INSERT INTO worker_processes (session, threads, seen_us) VALUES ($1, $2, (SELECT now_us FROM clock))
    ON CONFLICT (session) DO UPDATE SET threads = excluded.threads, seen_us = excluded.seen_us";
const FORGET: &str = "DELETE FROM worker_processes WHERE seen_us < (SELECT now_us FROM clock) - $1";

/// Says that this process runs so many tasks at the same time, and forgets processes that say nothing any more.
pub(super) async fn announce(db: &Db, threads: usize) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    sqlx::query(FORGET).bind(SILENT_US_MAX).execute(&mut *tx).await?;
    sqlx::query(ANNOUNCE).bind(db.session()).bind(i64::try_from(threads).unwrap_or(i64::MAX)).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

const LEAVE: &str = "DELETE FROM worker_processes WHERE session = $1";

/// Says that this process claims nothing any more.
pub(super) async fn leave(db: &Db) -> Result<(), JobsError> {
    let mut tx = db.write().await?;
    sqlx::query(LEAVE).bind(db.session()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

const UNHEARD: &str = "
    SELECT COUNT(*) FROM tasks
    JOIN attempts ON attempts.task_id = tasks.id AND attempts.lease_epoch = tasks.lease_epoch
    WHERE tasks.state = 'running' AND attempts.first_heartbeat_us IS NULL
        AND attempts.started_us < (SELECT now_us FROM clock) - $1";

/// Tasks that were claimed longer ago than `age_us` and whose worker has given no sign of life since.
pub(super) async fn unheard(db: &Db, age_us: i64) -> Result<i64, JobsError> {
    Ok(sqlx::query_scalar(UNHEARD).bind(age_us).fetch_one(db.read()).await?)
}

const WORKERS: &str = "
    SELECT CAST(COALESCE(SUM(threads), 0) AS BIGINT) FROM worker_processes
    WHERE seen_us >= (SELECT now_us FROM clock) - $1";

/// Tasks that run at the same time, over all processes.
pub(super) async fn workers(snapshot: &mut Connection) -> Result<i64, JobsError> {
    Ok(sqlx::query_scalar(WORKERS).bind(SILENT_US_MAX).fetch_one(&mut *snapshot).await?)
}
