//! What a team has asked for once under a key of its own choice, so that a repeated request makes nothing twice. Knows no HTTP.

use super::AuthError;
use crate::{
    db::{Connection, Db, DbError, WriteTx},
    domain::ids::TeamId,
};

/// A request that its client has given a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The client's key, unique within its team.
    pub key: String,
    /// SHA-256 over everything that makes the request what it is.
    pub fingerprint: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenBefore {
    /// Nothing: go on.
    No,
    /// The same request has made this: answer with it.
    Made(String),
    /// The key stands for another request: refuse.
    OtherRequest,
}

const FIND: &str = "SELECT fingerprint, subject FROM idempotency_keys
    WHERE team_id = $1 AND key = $2 AND created_us > (SELECT now_us FROM clock) - $3";

/// Whether the team has sent `request` within the last `valid_s` seconds.
///
/// # Errors
/// [`AuthError::Db`] where the database fails.
pub async fn find(db: &Db, team: &TeamId, request: &KeyedRequest, valid_s: u64) -> Result<SeenBefore, AuthError> {
    let mut connection = db.read().acquire().await.map_err(DbError::from)?;
    find_in(&mut connection, team, request, valid_s).await
}

async fn find_in(
    connection: &mut Connection,
    team: &TeamId,
    request: &KeyedRequest,
    valid_s: u64,
) -> Result<SeenBefore, AuthError> {
    let row: Option<(String, String)> = sqlx::query_as(FIND)
        .bind(team.as_str())
        .bind(&request.key)
        .bind(microseconds(valid_s))
        .fetch_optional(connection)
        .await
        .map_err(DbError::from)?;
    Ok(match row {
        None => SeenBefore::No,
        Some((fingerprint, subject)) if fingerprint == request.fingerprint => SeenBefore::Made(subject),
        Some(_) => SeenBefore::OtherRequest,
    })
}

const PRUNE: &str = "DELETE FROM idempotency_keys WHERE created_us <= (SELECT now_us FROM clock) - $1";
const INSERT: &str = "INSERT INTO idempotency_keys (team_id, key, fingerprint, subject, created_us)
    VALUES ($1, $2, $3, $4, (SELECT now_us FROM clock))";

/// Writes down that `request` makes `subject`, in the transaction that makes it. Keys that are too old go. Where the answer is
/// not [`SeenBefore::No`], another request came first: nothing was written, and the transaction must be rolled back.
///
/// # Errors
/// [`AuthError::Db`] where the database fails.
pub async fn record_in(
    tx: &mut WriteTx,
    team: &TeamId,
    request: &KeyedRequest,
    subject: &str,
    valid_s: u64,
) -> Result<SeenBefore, AuthError> {
    tx.take_turns(team.as_str()).await?;
    let seen = find_in(tx, team, request, valid_s).await?;
    if seen != SeenBefore::No {
        return Ok(seen);
    }
    sqlx::query(PRUNE).bind(microseconds(valid_s)).execute(&mut **tx).await.map_err(DbError::from)?;
    sqlx::query(INSERT)
        .bind(team.as_str())
        .bind(&request.key)
        .bind(&request.fingerprint)
        .bind(subject)
        .execute(&mut **tx)
        .await
        .map_err(DbError::from)?;
    Ok(SeenBefore::No)
}

const PRUNE_SLICE: &str = "
    DELETE FROM idempotency_keys WHERE (team_id, key) IN
        (SELECT team_id, key FROM idempotency_keys WHERE created_us <= $1 ORDER BY created_us LIMIT $2)";

/// Keys that one transaction deletes at most.
const KEYS_PER_SLICE: i64 = 1_000;

/// Deletes the keys that no longer stand for their request at `now_us`; gives their number.
///
/// # Errors
/// [`AuthError::Db`] where the database fails.
pub async fn prune(db: &Db, now_us: i64, valid_s: u64) -> Result<u64, AuthError> {
    let mut pruned = 0;
    loop {
        let mut tx = db.write().await?;
        let deleted = sqlx::query(PRUNE_SLICE)
            .bind(now_us.saturating_sub(microseconds(valid_s)))
            .bind(KEYS_PER_SLICE)
            .execute(&mut *tx)
            .await
            .map_err(DbError::from)?
            .rows_affected();
        tx.commit().await?;
        pruned += deleted;
        if deleted < KEYS_PER_SLICE as u64 {
            return Ok(pruned);
        }
    }
}

const COUNT_OLD: &str = "SELECT COUNT(*) FROM idempotency_keys WHERE created_us <= $1";

/// How many keys [`prune`] would delete.
///
/// # Errors
/// [`AuthError::Db`] where the database fails.
pub async fn count_old(db: &Db, now_us: i64, valid_s: u64) -> Result<u64, AuthError> {
    let before_us = now_us.saturating_sub(microseconds(valid_s));
    let count: i64 = sqlx::query_scalar(COUNT_OLD).bind(before_us).fetch_one(db.read()).await.map_err(DbError::from)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn microseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}
