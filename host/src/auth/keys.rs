//! API keys as rows: making, checking and revoking them.

use super::{AuthError, Refusal, Scope, scope, secret::ApiKey, teams::Team};
use crate::{
    db::{Db, DbError},
    domain::ids::{KeyId, TeamId},
};

/// `last_used_us` is brought up to date when it is older than this.
const LAST_USED_RESOLUTION_US: i64 = 60_000_000;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is used for, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// How long it is valid, in seconds; `None` = until it is revoked.
    pub valid_s: Option<u64>,
}

/// A key that was just made. The only moment its text can be read.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id, which is no secret.
    pub id: KeyId,
    /// Its text.
    pub secret: ApiKey,
}

/// On whose behalf a request is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Team that owns the key.
    pub team: TeamId,
    /// The key.
    pub key: KeyId,
    /// What the key may do.
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// Whether the key has this scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

const INSERT: &str = "INSERT INTO api_keys (id, team_id, name, hash, hint, scopes, created_us, expires_us)
    SELECT $1, $2, $3, $4, $5, $6, now_us, now_us + $7 FROM clock";

/// Makes a key for `team`.
///
/// # Errors
/// [`AuthError::Randomness`], or [`AuthError::Db`]; no key exists then.
pub async fn create_key(db: &Db, team: &Team, new: &NewKey) -> Result<CreatedKey, AuthError> {
    let created = CreatedKey { id: KeyId::random(), secret: ApiKey::random()? };
    let valid_us =
        new.valid_s.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000).min(1 << 60));
    let mut tx = db.write().await?;
    sqlx::query(INSERT)
        .bind(created.id.as_str())
        .bind(team.id.as_str())
        .bind(&new.name)
        .bind(created.secret.hash())
        .bind(created.secret.hint())
        .bind(scope::to_text(&new.scopes))
        .bind(valid_us)
        .execute(&mut *tx)
        .await
        .map_err(DbError::from)?;
    tx.commit().await?;
    Ok(created)
}

/// Key, team, scopes, then whether it is expired, revoked, and last seen used some time ago.
type KeyRow = (String, String, String, i64, i64, i64);

const FIND: &str = "SELECT id, team_id, scopes,
        CASE WHEN expires_us <= now_us THEN 1 ELSE 0 END,
        CASE WHEN revoked_us IS NULL THEN 0 ELSE 1 END,
        CASE WHEN last_used_us >= now_us - $2 THEN 0 ELSE 1 END
    FROM api_keys, clock WHERE hash = $1";

/// Who holds this key.
///
/// # Errors
/// [`AuthError::Refused`] where the key opens nothing.
pub async fn authenticate(db: &Db, text: &str) -> Result<Principal, AuthError> {
    let key: ApiKey = text.parse().map_err(|_| AuthError::Refused(Refusal::Malformed))?;
    let row: Option<KeyRow> = sqlx::query_as(FIND)
        .bind(key.hash())
        .bind(LAST_USED_RESOLUTION_US)
        .fetch_optional(db.read())
        .await
        .map_err(DbError::from)?;
    let (key, team, scopes, is_expired, is_revoked, is_stale) = row.ok_or(AuthError::Refused(Refusal::Unknown))?;
    if is_revoked == 1 {
        return Err(AuthError::Refused(Refusal::Revoked));
    }
    if is_expired == 1 {
        return Err(AuthError::Refused(Refusal::Expired));
    }
    let principal = Principal { team: readable(&team)?, key: readable(&key)?, scopes: scope::from_text(&scopes) };
    if is_stale == 1 {
        touch(db, &principal.key).await;
    }
    Ok(principal)
}

/// Why a key opens nothing any more (1 = revoked, 2 = expired), 0 where it does.
const STANDING: &str = "
    SELECT CASE WHEN revoked_us IS NOT NULL THEN 1 WHEN expires_us <= now_us THEN 2 ELSE 0 END
    FROM api_keys, clock WHERE id = $1";

/// Why `key` opens nothing now, where it does not: for what is done on a key's behalf without its text.
///
/// # Errors
/// [`AuthError::Db`].
pub async fn refusal_of(db: &Db, key: &KeyId) -> Result<Option<Refusal>, AuthError> {
    let standing: Option<i64> =
        sqlx::query_scalar(STANDING).bind(key.as_str()).fetch_optional(db.read()).await.map_err(DbError::from)?;
    Ok(match standing {
        Some(0) => None,
        Some(1) => Some(Refusal::Revoked),
        Some(_) => Some(Refusal::Expired),
        None => Some(Refusal::Unknown),
    })
}

const TOUCH: &str = "UPDATE api_keys SET last_used_us = (SELECT now_us FROM clock) WHERE id = $1";

/// Notes that the key was used. A failure costs one entry in a coarse statistic and must not fail the request.
async fn touch(db: &Db, key: &KeyId) {
    let touched = async {
        let mut tx = db.write().await?;
        sqlx::query(TOUCH).bind(key.as_str()).execute(&mut *tx).await?;
        tx.commit().await
    };
    if let Err(error) = touched.await {
        tracing::warn!(key.id = %key, cause = %error, "the time of a key's last use was not noted");
    }
}

const REVOKE: &str = "UPDATE api_keys SET revoked_us = (SELECT now_us FROM clock) WHERE id = $1 AND revoked_us IS NULL";

/// Makes the key open nothing from now on. Revoking twice changes nothing.
///
/// # Errors
/// [`AuthError::Db`].
pub async fn revoke_key(db: &Db, key: &KeyId) -> Result<(), AuthError> {
    let mut tx = db.write().await?;
    sqlx::query(REVOKE).bind(key.as_str()).execute(&mut *tx).await.map_err(DbError::from)?;
    tx.commit().await?;
    Ok(())
}

fn readable<T: std::str::FromStr<Err = crate::domain::ids::InvalidId>>(text: &str) -> Result<T, DbError> {
    text.parse().map_err(|error: crate::domain::ids::InvalidId| DbError::Unreadable {
        what: "api_keys id",
        detail: error.to_string(),
    })
}
