//! What a team has asked for once under a key of its own choice, so that a repeated request makes nothing twice. Knows no HTTP.

use std::collections::HashMap;

use serde_json::json;

use super::AuthError;
use crate::{
    db::{Connection, Db, DbError, WriteTx},
    domain::ids::TeamId,
};

/// A request that its client has given a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The route and the client's key, unique within its team.
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

/// A request and what it makes.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'a> {
    /// Whose request it is.
    pub team: &'a TeamId,
    /// The request.
    pub request: &'a KeyedRequest,
    /// Id of what it makes.
    pub subject: &'a str,
}

/// Fingerprints and subjects by team and key.
pub type Remembered = HashMap<(TeamId, String), (String, String)>;

const FIND: &str = "
    SELECT kept.team_id, kept.key, kept.fingerprint, kept.subject
    FROM json_each($1) AS item CROSS JOIN idempotency_keys AS kept
    WHERE kept.team_id = item.value ->> 'team' AND kept.key = item.value ->> 'key'
        AND kept.created_us > (SELECT now_us FROM clock) - $2";

/// What is known of these keys of these teams; keys older than `valid_s` seconds count as unknown.
///
/// # Errors
/// [`DbError::Query`] where the database fails.
pub async fn find_all_in(
    connection: &mut Connection,
    keys: &[(&TeamId, &str)],
    valid_s: u64,
) -> Result<Remembered, DbError> {
    if keys.is_empty() {
        return Ok(Remembered::new());
    }
    let items: Vec<_> = keys.iter().map(|(team, key)| json!({ "team": team, "key": key })).collect();
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(FIND).bind(json!(items).to_string()).bind(microseconds(valid_s)).fetch_all(connection).await?;
    let read = |(team, key, fingerprint, subject): (String, _, _, _)| match team.parse() {
        Ok(team) => Ok(((team, key), (fingerprint, subject))),
        Err(error) => Err(DbError::Unreadable { what: "idempotency_keys.team_id", detail: format!("{error}") }),
    };
    rows.into_iter().map(read).collect()
}

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
    let found = find_all_in(connection, &[(team, &request.key)], valid_s).await?.into_values().next();
    Ok(match found {
        None => SeenBefore::No,
        Some((fingerprint, subject)) if fingerprint == request.fingerprint => SeenBefore::Made(subject),
        Some(_) => SeenBefore::OtherRequest,
    })
}

/// A key that is there already is too old to count: its row is taken over.
const INSERT: &str = "
    INSERT INTO idempotency_keys (team_id, key, fingerprint, subject, created_us)
    SELECT item.value ->> 'team', item.value ->> 'key', item.value ->> 'fingerprint', item.value ->> 'subject',
        (SELECT now_us FROM clock)
    FROM json_each($1) AS item WHERE true
    ON CONFLICT (team_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, subject = excluded.subject, created_us = excluded.created_us";

/// Writes down what these requests make, in the transaction that makes it and that has found none of their keys.
///
/// # Errors
/// [`DbError::Query`] where the database fails.
pub async fn insert_all_in(tx: &mut WriteTx, made: &[Keyed<'_>]) -> Result<(), DbError> {
    if made.is_empty() {
        return Ok(());
    }
    let item = |Keyed { team, request, subject }: &Keyed<'_>| json!({ "team": team, "key": request.key, "fingerprint": request.fingerprint, "subject": subject });
    let items: Vec<_> = made.iter().map(item).collect();
    sqlx::query(INSERT).bind(json!(items).to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// Writes down that `request` makes `subject`, in the transaction that makes it. Where the answer is not [`SeenBefore::No`],
/// another request came first: nothing was written, and the transaction must be rolled back.
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
    if seen == SeenBefore::No {
        insert_all_in(tx, &[Keyed { team, request, subject }]).await?;
    }
    Ok(seen)
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
