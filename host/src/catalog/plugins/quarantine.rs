//! Holding back versions that crash or break the contract: by themselves after so many jobs, or because somebody says so.
//!
//! What one team's inputs do to a plugin concerns that team: its count and its quarantine are its own. What the owner holds back is
//! held back for all.

use super::{
    CatalogError, PLUGIN, StoredPlugin,
    aliases::{self, Move},
    by_id_in, take_turns,
};
use crate::{
    db::{Db, WriteTx},
    domain::{
        ids::{JobId, KeyId, PluginId, TeamId},
        plugin_ref::Alias,
    },
};

/// A job in which a version crashed or broke the contract.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The version.
    pub plugin: &'a PluginId,
    /// Whose job.
    pub team: &'a TeamId,
    /// The job.
    pub job: &'a JobId,
    /// Code of the problem.
    pub code: &'a str,
}

/// An alias that went back to an earlier version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The alias.
    pub alias: Alias,
    /// The version that it stands for now.
    pub version: String,
}

/// A version that is held back from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// `name@version`.
    pub label: String,
    /// Why.
    pub reason: String,
    /// Aliases that went back.
    pub moved: Vec<Moved>,
}

const NOTE: &str = "
    INSERT INTO plugin_failures (plugin_id, team_id, job_id, code, at_us)
    SELECT $1, $2, $3, $4, now_us FROM clock WHERE true ON CONFLICT (plugin_id, team_id, job_id) DO NOTHING";
const FORGET: &str = "
    DELETE FROM plugin_failures
    WHERE plugin_id = $1 AND team_id = $2 AND at_us < (SELECT now_us FROM clock) - CAST($3 AS BIGINT)";
/// What happened before a release counts no more.
const COUNT: &str = "
    SELECT COUNT(*) FROM plugin_failures
    WHERE plugin_id = $1 AND team_id = $2 AND at_us > COALESCE((
        SELECT MAX(lifted_us) FROM plugin_quarantines WHERE plugin_id = $1 AND team_id = $2), 0)";

/// Writes down that a job met a crash or a breach of contract. The version is quarantined for the job's team where that makes
/// `failures_max` jobs within `window_s`; told once.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn note_failure(
    db: &Db,
    failure: Failure<'_>,
    failures_max: u32,
    window_s: u64,
) -> Result<Option<Quarantined>, CatalogError> {
    let mut tx = db.write().await?;
    let plugin = by_id_in(&mut tx, failure.team, failure.plugin).await?;
    take_turns(&mut tx, plugin.owner.as_ref(), &plugin.description.name).await?;
    let (plugin_id, team) = (failure.plugin.as_str(), failure.team.as_str());
    sqlx::query(NOTE)
        .bind(plugin_id)
        .bind(team)
        .bind(failure.job.as_str())
        .bind(failure.code)
        .execute(&mut *tx)
        .await?;
    let window_us = i64::try_from(window_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    sqlx::query(FORGET).bind(plugin_id).bind(team).bind(window_us).execute(&mut *tx).await?;
    let jobs: i64 = sqlx::query_scalar(COUNT).bind(plugin_id).bind(team).fetch_one(&mut *tx).await?;
    let quarantined = if jobs < i64::from(failures_max) {
        None
    } else {
        let reason = format!(
            "it crashed or broke the contract in {jobs} jobs within {} h, the last time with `{}`.",
            window_s.div_ceil(3_600),
            failure.code
        );
        hold(&mut tx, failure.team, &plugin, reason, None).await?
    };
    tx.commit().await?;
    Ok(quarantined)
}

/// Holds a version back for the team; for all teams where the team owns it. Aliases that fall back do so. `None` where it was held
/// back before.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn quarantine(
    db: &Db,
    team: &TeamId,
    plugin: &StoredPlugin,
    reason: &str,
    key: &KeyId,
) -> Result<Option<Quarantined>, CatalogError> {
    let mut tx = db.write().await?;
    take_turns(&mut tx, plugin.owner.as_ref(), &plugin.description.name).await?;
    let quarantined = hold(&mut tx, team, plugin, reason.to_owned(), Some(key)).await?;
    tx.commit().await?;
    Ok(quarantined)
}

const HOLD: &str = "
    INSERT INTO plugin_quarantines (plugin_id, team_id, reason, key_id, at_us)
    SELECT $1, $2, $3, $4, now_us FROM clock
    WHERE NOT EXISTS (SELECT 1 FROM plugin_quarantines WHERE plugin_id = $1 AND team_id = $2 AND lifted_us IS NULL)";

async fn hold(
    tx: &mut WriteTx,
    team: &TeamId,
    plugin: &StoredPlugin,
    reason: String,
    key: Option<&KeyId>,
) -> Result<Option<Quarantined>, CatalogError> {
    let held = sqlx::query(HOLD)
        .bind(plugin.id.as_str())
        .bind(team.as_str())
        .bind(&reason)
        .bind(key.map(KeyId::as_str))
        .execute(&mut **tx)
        .await?;
    if held.rows_affected() == 0 {
        return Ok(None);
    }
    let moved = if plugin.owner.as_ref() == Some(team) { fall_back(tx, team, plugin, key).await? } else { Vec::new() };
    Ok(Some(Quarantined { label: plugin.label(), reason, moved }))
}

/// The aliases that stand for a version and go back by themselves do so.
async fn fall_back(
    tx: &mut WriteTx,
    owner: &TeamId,
    plugin: &StoredPlugin,
    key: Option<&KeyId>,
) -> Result<Vec<Moved>, CatalogError> {
    let name = &plugin.description.name;
    let mut moved = Vec::new();
    for current in aliases::aliases_in(tx, owner, name).await? {
        if current.falls_back && current.promotion.plugin == plugin.id {
            let to = aliases::go_back(tx, owner, name, &current, Move::FellBack, key).await?;
            moved.extend(to.map(|to| Moved { alias: current.alias, version: to.version }));
        }
    }
    Ok(moved)
}

const LIFT: &str = "
    UPDATE plugin_quarantines SET lifted_us = (SELECT now_us FROM clock), lifted_by = $3
    WHERE plugin_id = $1 AND team_id = $2 AND lifted_us IS NULL";

/// Ends the team's quarantine of a version; failures count from 0 again. Aliases that went back stay where they are.
///
/// # Errors
/// [`CatalogError::NotYours`] where it is the owner who holds it back, [`CatalogError::NotQuarantined`], or [`CatalogError::Db`].
pub async fn release(db: &Db, team: &TeamId, plugin: &StoredPlugin, key: &KeyId) -> Result<StoredPlugin, CatalogError> {
    let mut tx = db.write().await?;
    take_turns(&mut tx, plugin.owner.as_ref(), &plugin.description.name).await?;
    let lifted =
        sqlx::query(LIFT).bind(plugin.id.as_str()).bind(team.as_str()).bind(key.as_str()).execute(&mut *tx).await?;
    let now = by_id_in(&mut tx, team, &plugin.id).await?;
    if lifted.rows_affected() == 0 {
        let name = plugin.label();
        return Err(match now.quarantine {
            Some(_) => CatalogError::NotYours { what: PLUGIN, name },
            None => CatalogError::NotQuarantined { name },
        });
    }
    tx.commit().await?;
    Ok(now)
}
