//! Aliases of a team's plugin (`stable`, `canary`, free names): which version each stands for, moving them, and where they were.

use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use super::{CatalogError, StoredPlugin, by_id_in, optional, own_versions, take_turns};
use crate::{
    catalog::rows,
    db::{Db, Row, WriteTx},
    domain::{
        ids::{KeyId, PluginId, TeamId},
        plugin_ref::{Alias, Which},
    },
};

const ALIAS: &str = "alias";

/// Moves of an alias that are shown, newest first.
const MOVES_SHOWN: i64 = 100;

/// How an alias came to stand for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Somebody promoted the version.
    Promoted,
    /// Somebody took the version after it back.
    RolledBack,
    /// The version after it went into quarantine, and the alias falls back.
    FellBack,
}

impl Move {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::FellBack => "fell_back",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Promoted, Self::RolledBack, Self::FellBack].into_iter().find(|how| how.as_str() == name)
    }
}

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Orders the moves.
    pub sequence: i64,
    /// What the alias stood for from then on.
    pub plugin: PluginId,
    /// Its version.
    pub version: String,
    /// How.
    pub how: Move,
    /// The move that going back from here leads to.
    earlier: Option<i64>,
    /// The key that did it; `None` where the server did.
    pub key: Option<KeyId>,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at_us: i64,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginAlias {
    /// The alias.
    pub alias: Alias,
    /// What it stands for.
    pub promotion: Promotion,
    /// Whether it goes back by itself where its version is quarantined.
    pub falls_back: bool,
    /// The version or alias of the same plugin that runs beside it in the owner's jobs.
    pub shadow: Option<Which>,
}

/// What to change of an alias; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasChanges {
    /// Whether it goes back by itself where its version is quarantined.
    pub falls_back: Option<bool>,
    /// What runs beside it; the inner `None` takes that away.
    pub shadow: Option<Option<Which>>,
}

macro_rules! aliases_of {
    ($rest:literal) => {
        concat!(
            "
    SELECT plugin_aliases.alias, plugin_aliases.falls_back, plugin_aliases.shadow, moves.sequence, moves.plugin_id, plugins.version, moves.how,
        moves.earlier, moves.key_id, moves.at_us
    FROM plugin_aliases JOIN plugin_promotions AS moves ON moves.sequence = plugin_aliases.promotion
    JOIN plugins ON plugins.id = moves.plugin_id
    WHERE plugin_aliases.team_id = $1 AND plugin_aliases.name = $2",
            $rest
        )
    };
}

const LIST: &str = aliases_of!(" ORDER BY plugin_aliases.alias");

/// The aliases of a team's plugin, by name.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_aliases(db: &Db, owner: &TeamId, name: &str) -> Result<Vec<PluginAlias>, CatalogError> {
    let found = sqlx::query(LIST).bind(owner.as_str()).bind(name).fetch_all(db.read()).await?;
    found.iter().map(read_alias).collect()
}

const FIND: &str = aliases_of!(" AND plugin_aliases.alias = $3");

/// An alias of a team's plugin.
///
/// # Errors
/// [`CatalogError::NotFound`] or [`CatalogError::Db`].
pub async fn alias(db: &Db, owner: &TeamId, name: &str, alias: &Alias) -> Result<PluginAlias, CatalogError> {
    let row = sqlx::query(FIND).bind(owner.as_str()).bind(name).bind(alias.as_str()).fetch_optional(db.read()).await?;
    read_alias(&row.ok_or_else(|| no_alias(name, alias))?)
}

/// What the alias stands for, if it is there.
pub(super) async fn promoted(
    db: &Db,
    owner: &TeamId,
    name: &str,
    alias: &Alias,
) -> Result<Option<PluginId>, CatalogError> {
    match self::alias(db, owner, name, alias).await {
        Ok(found) => Ok(Some(found.promotion.plugin)),
        Err(CatalogError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

const HISTORY: &str = "
    SELECT moves.sequence, moves.plugin_id, plugins.version, moves.how, moves.earlier, moves.key_id, moves.at_us
    FROM plugin_promotions AS moves JOIN plugins ON plugins.id = moves.plugin_id
    WHERE moves.team_id = $1 AND moves.name = $2 AND moves.alias = $3
    ORDER BY moves.sequence DESC LIMIT $4";

/// Where an alias has been, newest first; the last hundred moves.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn alias_history(db: &Db, owner: &TeamId, name: &str, alias: &Alias) -> Result<Vec<Promotion>, CatalogError> {
    let found = sqlx::query(HISTORY)
        .bind(owner.as_str())
        .bind(name)
        .bind(alias.as_str())
        .bind(MOVES_SHOWN)
        .fetch_all(db.read())
        .await?;
    found.iter().map(read_promotion).collect()
}

/// Lets an alias stand for this version; made where it is not there. A version that it stands for already changes nothing.
///
/// # Errors
/// [`CatalogError::NotYours`], [`CatalogError::Refused`] where no job may name the version, [`CatalogError::TooManyAliases`], or
/// [`CatalogError::Db`].
pub async fn promote(
    db: &Db,
    plugin: &StoredPlugin,
    alias: &Alias,
    key: &KeyId,
    aliases_max: usize,
) -> Result<PluginAlias, CatalogError> {
    plugin.must_be_own()?;
    let (Some(owner), name) = (&plugin.owner, &plugin.description.name) else {
        return Err(no_alias(&plugin.description.name, alias));
    };
    let mut tx = db.write().await?;
    take_turns(&mut tx, Some(owner), name).await?;
    // Looked at again in turn: it may have been quarantined since.
    if let Some(refusal) = by_id_in(&mut tx, owner, &plugin.id).await?.refusal() {
        return Err(CatalogError::Refused(Box::new(refusal)));
    }
    let known = aliases_in(&mut tx, owner, name).await?;
    let current = known.iter().find(|known| known.alias == *alias);
    if current.is_none() && known.len() >= aliases_max {
        return Err(CatalogError::TooManyAliases { name: name.clone(), limit: aliases_max });
    }
    if current.is_none_or(|current| current.promotion.plugin != plugin.id) {
        let earlier = current.map(|current| current.promotion.sequence);
        let to = To { plugin: &plugin.id, how: Move::Promoted, earlier, key: Some(key) };
        move_alias(&mut tx, owner, name, alias, &to).await?;
    }
    tx.commit().await?;
    self::alias(db, owner, name, alias).await
}

/// Lets an alias stand for the version before again; once more goes further back. Versions that no job may name are passed over.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NothingEarlier`], or [`CatalogError::Db`].
pub async fn roll_back(
    db: &Db,
    owner: &TeamId,
    name: &str,
    alias: &Alias,
    key: &KeyId,
) -> Result<PluginAlias, CatalogError> {
    let mut tx = db.write().await?;
    take_turns(&mut tx, Some(owner), name).await?;
    let known = aliases_in(&mut tx, owner, name).await?;
    let current = known.into_iter().find(|known| known.alias == *alias).ok_or_else(|| no_alias(name, alias))?;
    if go_back(&mut tx, owner, name, &current, Move::RolledBack, Some(key)).await?.is_none() {
        return Err(CatalogError::NothingEarlier { name: name.to_owned(), alias: alias.as_str().to_owned() });
    }
    tx.commit().await?;
    self::alias(db, owner, name, alias).await
}

const MOVE_BEFORE: &str = "
    SELECT moves.sequence, moves.plugin_id, plugins.version, moves.how, moves.earlier, moves.key_id, moves.at_us
    FROM plugin_promotions AS moves JOIN plugins ON plugins.id = moves.plugin_id WHERE moves.sequence = $1";

/// Moves an alias to the last version before the current one that jobs may name; gives it, or `None` where there is none.
pub(super) async fn go_back(
    tx: &mut WriteTx,
    owner: &TeamId,
    name: &str,
    current: &PluginAlias,
    how: Move,
    key: Option<&KeyId>,
) -> Result<Option<Promotion>, CatalogError> {
    let versions = own_versions(tx, Some(owner), name).await?;
    let is_usable = |id: &PluginId| versions.iter().any(|plugin| plugin.id == *id && plugin.refusal().is_none());
    let mut earlier = current.promotion.earlier;
    while let Some(sequence) = earlier {
        let Some(row) = sqlx::query(MOVE_BEFORE).bind(sequence).fetch_optional(&mut **tx).await? else { break };
        let found = read_promotion(&row)?;
        if is_usable(&found.plugin) {
            let to = To { plugin: &found.plugin, how, earlier: found.earlier, key };
            move_alias(tx, owner, name, &current.alias, &to).await?;
            return Ok(Some(found));
        }
        earlier = found.earlier;
    }
    Ok(None)
}

/// The aliases, within a transaction.
pub(super) async fn aliases_in(tx: &mut WriteTx, owner: &TeamId, name: &str) -> Result<Vec<PluginAlias>, CatalogError> {
    let found = sqlx::query(LIST).bind(owner.as_str()).bind(name).fetch_all(&mut **tx).await?;
    found.iter().map(read_alias).collect()
}

/// Where an alias goes, and how.
struct To<'a> {
    plugin: &'a PluginId,
    how: Move,
    earlier: Option<i64>,
    key: Option<&'a KeyId>,
}

const RECORD: &str = "
    INSERT INTO plugin_promotions (team_id, name, alias, plugin_id, how, earlier, key_id, at_us)
    SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), $7, now_us FROM clock RETURNING sequence";
const POINT: &str = "
    INSERT INTO plugin_aliases (team_id, name, alias, promotion) VALUES ($1, $2, $3, $4)
    ON CONFLICT (team_id, name, alias) DO UPDATE SET promotion = excluded.promotion";

async fn move_alias(
    tx: &mut WriteTx,
    owner: &TeamId,
    name: &str,
    alias: &Alias,
    to: &To<'_>,
) -> Result<(), CatalogError> {
    let sequence: i64 = sqlx::query_scalar(RECORD)
        .bind(owner.as_str())
        .bind(name)
        .bind(alias.as_str())
        .bind(to.plugin.as_str())
        .bind(to.how.as_str())
        .bind(to.earlier)
        .bind(to.key.map(KeyId::as_str))
        .fetch_one(&mut **tx)
        .await?;
    let query = sqlx::query(POINT).bind(owner.as_str()).bind(name).bind(alias.as_str()).bind(sequence);
    query.execute(&mut **tx).await?;
    Ok(())
}

const CHANGE: &str = "
    UPDATE plugin_aliases SET falls_back = COALESCE(CAST($4 AS BIGINT), falls_back),
        shadow = CASE WHEN CAST($5 AS BIGINT) = 1 THEN $6 ELSE shadow END
    WHERE team_id = $1 AND name = $2 AND alias = $3";

/// Changes how an alias behaves.
///
/// # Errors
/// [`CatalogError::NotFound`] or [`CatalogError::Db`].
pub async fn change_alias(
    db: &Db,
    owner: &TeamId,
    name: &str,
    alias: &Alias,
    changes: &AliasChanges,
) -> Result<PluginAlias, CatalogError> {
    let mut tx = db.write().await?;
    sqlx::query(CHANGE)
        .bind(owner.as_str())
        .bind(name)
        .bind(alias.as_str())
        .bind(changes.falls_back.map(i64::from))
        .bind(i64::from(changes.shadow.is_some()))
        .bind(changes.shadow.clone().flatten().map(|which| which.to_string()))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    self::alias(db, owner, name, alias).await
}

const DELETE: &str = "DELETE FROM plugin_aliases WHERE team_id = $1 AND name = $2 AND alias = $3";

/// Takes an alias away: jobs that name it from now on are refused. Its history stays and goes on where it is made again.
///
/// # Errors
/// [`CatalogError::NotFound`] or [`CatalogError::Db`].
pub async fn delete_alias(db: &Db, owner: &TeamId, name: &str, alias: &Alias) -> Result<(), CatalogError> {
    let mut tx = db.write().await?;
    let query = sqlx::query(DELETE).bind(owner.as_str()).bind(name).bind(alias.as_str());
    let deleted = query.execute(&mut *tx).await?;
    tx.commit().await?;
    if deleted.rows_affected() == 1 { Ok(()) } else { Err(no_alias(name, alias)) }
}

fn no_alias(name: &str, alias: &Alias) -> CatalogError {
    CatalogError::NotFound { what: ALIAS, name: format!("{name}@{}", alias.as_str()) }
}

fn read_alias(row: &Row) -> Result<PluginAlias, CatalogError> {
    Ok(PluginAlias {
        alias: rows::parsed(row, "alias", "plugin_aliases.alias")?,
        promotion: read_promotion(row)?,
        falls_back: row.try_get::<i64, _>("falls_back")? == 1,
        shadow: optional(row, "shadow", "plugin_aliases.shadow")?,
    })
}

fn read_promotion(row: &Row) -> Result<Promotion, CatalogError> {
    let how: String = row.try_get("how")?;
    Ok(Promotion {
        sequence: row.try_get("sequence")?,
        plugin: rows::parsed(row, "plugin_id", "plugin_promotions.plugin_id")?,
        version: row.try_get("version")?,
        how: Move::from_name(&how).ok_or_else(|| rows::unreadable("plugin_promotions.how", &how))?,
        earlier: row.try_get("earlier")?,
        key: optional(row, "key_id", "plugin_promotions.key_id")?,
        at_us: row.try_get("at_us")?,
    })
}
