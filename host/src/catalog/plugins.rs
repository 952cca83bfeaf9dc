//! Which plugins a team may use: its own, and the ones that are shipped with the service. The component is an artifact.

use semver::Version;
use sqlx::Row as _;

use super::{
    error::CatalogError,
    rows::{self, ListCursor, Listed},
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{PluginId, TeamId},
        plugin::PluginDescription,
    },
};

const PLUGIN: &str = "plugin";

/// A version of a plugin to be stored. Its component is an artifact already.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPlugin {
    /// Whose it is; `None` = shared by all.
    pub team: Option<TeamId>,
    /// Content hash of the component.
    pub hash: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// What it says of itself.
    pub description: PluginDescription,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPlugin {
    /// The row.
    pub id: PluginId,
    /// Content hash of the component.
    pub hash: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// What it says of itself.
    pub description: PluginDescription,
    /// Whether it is shipped with the service and every team may use it.
    pub is_shared: bool,
    /// Whether it was taken out of use.
    pub is_disabled: bool,
    /// When it was stored, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
}

impl StoredPlugin {
    /// `name@version`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.description.name, self.description.version)
    }

    /// The version, for ordering; `describe` was checked to have one.
    fn version(&self) -> Version {
        Version::parse(&self.description.version).unwrap_or_else(|_| Version::new(0, 0, 0))
    }
}

const INSERT: &str = "
    INSERT INTO plugins (id, team_id, name, version, hash, size_bytes, description, created_us)
    SELECT $1, $2, $3, $4, $5, $6, $7, now_us FROM clock";

/// Stores a version; the same bytes again change nothing. Returns the row and whether it is new.
///
/// # Errors
/// [`CatalogError::VersionTaken`], [`CatalogError::OtherWorld`], or [`CatalogError::Db`].
pub async fn insert_plugin(db: &Db, new: &NewPlugin) -> Result<(StoredPlugin, bool), CatalogError> {
    let mut tx = db.write().await?;
    let PluginDescription { name, version, world, .. } = &new.description;
    for known in own_versions(&mut tx, new.team.as_ref(), name).await? {
        if known.description.version == *version && known.hash == new.hash {
            return Ok((known, false));
        }
        if known.description.version == *version {
            return Err(CatalogError::VersionTaken { label: known.label(), existing: known.hash });
        }
        if known.description.world != *world {
            let existing = known.description.world;
            return Err(CatalogError::OtherWorld { name: name.clone(), existing, offered: *world });
        }
    }
    let id = PluginId::random();
    sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(new.team.as_ref().map(TeamId::as_str))
        .bind(name)
        .bind(version)
        .bind(&new.hash)
        .bind(i64::try_from(new.size_bytes).unwrap_or(i64::MAX))
        .bind(rows::to_text(&new.description, "plugins.description")?)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let stored = sqlx::query(BY_ID).bind(id.as_str()).fetch_one(db.read()).await?;
    Ok((read_plugin(&stored)?, true))
}

const BY_ID: &str = "
    SELECT id, team_id, hash, size_bytes, description, disabled_us, created_us FROM plugins WHERE id = $1";

const OWN_VERSIONS: &str = "
    SELECT id, team_id, hash, size_bytes, description, disabled_us, created_us FROM plugins
    WHERE name = $1 AND ((CAST($2 AS TEXT) IS NULL AND team_id IS NULL) OR team_id = $2)";

async fn own_versions(tx: &mut WriteTx, team: Option<&TeamId>, name: &str) -> Result<Vec<StoredPlugin>, CatalogError> {
    let found = sqlx::query(OWN_VERSIONS).bind(name).bind(team.map(TeamId::as_str)).fetch_all(&mut **tx).await?;
    found.iter().map(read_plugin).collect()
}

const SHARED_HASH: &str = "SELECT 1 FROM plugins WHERE team_id IS NULL AND hash = $1";

/// Whether every team has a plugin with these bytes.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn is_shared_plugin(db: &Db, hash: &str) -> Result<bool, CatalogError> {
    Ok(sqlx::query(SHARED_HASH).bind(hash).fetch_optional(db.read()).await?.is_some())
}

const VISIBLE_VERSIONS: &str = "
    SELECT id, team_id, hash, size_bytes, description, disabled_us, created_us FROM plugins
    WHERE name = $1 AND (team_id IS NULL OR team_id = $2)";

/// The version of a plugin that a team means by a name: the exact one, or the newest that is not disabled. A team's own plugin
/// hides a shared one of the same name.
///
/// # Errors
/// [`CatalogError::NotFound`] or [`CatalogError::Db`].
pub async fn find_plugin(
    db: &Db,
    team: &TeamId,
    name: &str,
    version: Option<&str>,
) -> Result<StoredPlugin, CatalogError> {
    let found = sqlx::query(VISIBLE_VERSIONS).bind(name).bind(team.as_str()).fetch_all(db.read()).await?;
    let mut versions = found.iter().map(read_plugin).collect::<Result<Vec<_>, _>>()?;
    if versions.iter().any(|plugin| !plugin.is_shared) {
        versions.retain(|plugin| !plugin.is_shared);
    }
    let wanted = match version {
        Some(version) => versions.into_iter().find(|plugin| plugin.description.version == version),
        None => {
            // Disabled versions come last, so that the newest usable one wins.
            versions.into_iter().max_by_key(|plugin| (!plugin.is_disabled, plugin.version()))
        }
    };
    wanted.ok_or_else(|| {
        let name = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        CatalogError::NotFound { what: PLUGIN, name }
    })
}

const LIST: &str = "
    SELECT id, team_id, hash, size_bytes, description, disabled_us, created_us FROM plugins
    WHERE (team_id IS NULL OR team_id = $1) AND (CAST($2 AS BIGINT) IS NULL OR (created_us, id) < ($2, $3))
    ORDER BY created_us DESC, id DESC LIMIT $4";

/// A page of the plugins that a team may use, newest first.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_plugins(
    db: &Db,
    team: &TeamId,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<StoredPlugin>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|cursor| cursor.order))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(read_plugin).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |plugin| ListCursor { order: plugin.created_us, id: plugin.id.as_str().to_owned() }))
}

const DISABLE: &str = "
    UPDATE plugins SET disabled_us = (SELECT now_us FROM clock)
    WHERE id = $1 AND team_id = $2 AND disabled_us IS NULL";

/// Takes a version out of use: jobs that name it from now on are refused, jobs that pinned it go on. A second time changes nothing.
///
/// # Errors
/// [`CatalogError::NotFound`], [`CatalogError::NotYours`] for a shared plugin, or [`CatalogError::Db`].
pub async fn disable_plugin(db: &Db, team: &TeamId, name: &str, version: &str) -> Result<StoredPlugin, CatalogError> {
    let plugin = find_plugin(db, team, name, Some(version)).await?;
    if plugin.is_shared {
        return Err(CatalogError::NotYours { what: PLUGIN, name: plugin.label() });
    }
    let mut tx = db.write().await?;
    sqlx::query(DISABLE).bind(plugin.id.as_str()).bind(team.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(StoredPlugin { is_disabled: true, ..plugin })
}

fn read_plugin(row: &Row) -> Result<StoredPlugin, CatalogError> {
    Ok(StoredPlugin {
        id: rows::parsed(row, "id", "plugins.id")?,
        hash: row.try_get("hash")?,
        size_bytes: rows::number(row, "size_bytes", "plugins.size_bytes")?,
        description: rows::json(row, "description", "plugins.description")?,
        is_shared: row.try_get::<Option<String>, _>("team_id")?.is_none(),
        is_disabled: row.try_get::<Option<i64>, _>("disabled_us")?.is_some(),
        created_us: row.try_get("created_us")?,
    })
}
