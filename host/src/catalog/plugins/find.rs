//! Which version a team means, and which versions it may use: its own, the shipped ones, and those that others share with it.
//!
//! A name alone is never another team's plugin, so that nobody can slip one in under a name that somebody else relies on.

use serde_json::json;

use super::{CatalogError, PLUGIN, StoredPlugin, UploadState, aliases, plugins_seen, read_plugin};
use crate::{
    catalog::rows::{self, ListCursor, Listed},
    db::Db,
    domain::{
        ids::{PluginId, TeamId},
        plugin_ref::{Alias, PluginRef, Which},
        problem::Problem,
    },
};

const OWN_OR_SHIPPED: &str =
    plugins_seen!(" WHERE plugins.name = $2 AND (plugins.team_id = $1 OR plugins.team_id IS NULL)");

/// Another team's plugin is seen where that team shares it and it has passed its tests.
const OF_TEAM: &str = plugins_seen!(
    " WHERE plugins.name = $2 AND teams.name = $3 AND (plugins.team_id = $1 OR (plugins.state = 'active' AND EXISTS (
        SELECT 1 FROM plugin_shares
        WHERE owner_id = plugins.team_id AND plugin_shares.name = plugins.name AND grantee IN ('*', $1))))"
);

/// The version that a team means. A team's own plugin hides a shipped one of the same name.
///
/// # Errors
/// [`CatalogError::NotFound`] or [`CatalogError::Db`].
pub async fn find_plugin(db: &Db, team: &TeamId, wanted: &PluginRef) -> Result<StoredPlugin, CatalogError> {
    let versions = versions(db, team, wanted).await?;
    let not_found = || CatalogError::NotFound { what: PLUGIN, name: wanted.to_string() };
    let found = match &wanted.which {
        Which::Version(version) => {
            let version = version.to_string();
            versions.into_iter().find(|plugin| plugin.description.version == version)
        }
        Which::Alias(alias) => by_alias(db, &versions, alias).await?,
        Which::Promoted => match by_alias(db, &versions, &Alias::stable()).await? {
            Some(promoted) => Some(promoted),
            // What cannot be used comes last, so that the newest usable one wins.
            None => versions.into_iter().max_by_key(|plugin| (plugin.refusal().is_none(), plugin.version())),
        },
    };
    found.ok_or_else(not_found)
}

/// All versions of the plugin that the name means.
async fn versions(db: &Db, team: &TeamId, wanted: &PluginRef) -> Result<Vec<StoredPlugin>, CatalogError> {
    let statement = if wanted.owner.is_some() { OF_TEAM } else { OWN_OR_SHIPPED };
    let query = sqlx::query(statement).bind(team.as_str()).bind(&wanted.name);
    let query = match &wanted.owner {
        Some(owner) => query.bind(owner.trim()),
        None => query,
    };
    let found = query.fetch_all(db.read()).await?;
    let mut versions = found.iter().map(|row| read_plugin(row, Some(team))).collect::<Result<Vec<_>, _>>()?;
    // An upload that failed its tests is there to be looked at by its version, and hides nothing.
    let counts = |plugin: &StoredPlugin| match &wanted.which {
        Which::Version(version) => plugin.description.version == version.to_string(),
        Which::Promoted | Which::Alias(_) => false,
    };
    let hides = |plugin: &StoredPlugin| plugin.is_own && (plugin.state != UploadState::Rejected || counts(plugin));
    if versions.iter().any(hides) {
        versions.retain(|plugin| plugin.is_own);
    }
    Ok(versions)
}

/// The version that the owner's alias stands for.
async fn by_alias(db: &Db, versions: &[StoredPlugin], alias: &Alias) -> Result<Option<StoredPlugin>, CatalogError> {
    let Some((owner, name)) =
        versions.iter().find_map(|plugin| Some((plugin.owner.as_ref()?, &plugin.description.name)))
    else {
        return Ok(None);
    };
    let promoted = aliases::promoted(db, owner, name, alias).await?;
    Ok(promoted.and_then(|id| versions.iter().find(|plugin| plugin.id == id).cloned()))
}

const QUARANTINED: &str = plugins_seen!(
    " WHERE held.sequence IS NOT NULL AND plugins.id IN (SELECT value ->> 'id' FROM json_each($2)) ORDER BY plugins.id LIMIT 1"
);

/// Why a job with these versions must not run, where one of them is held back.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn quarantine_among(db: &Db, team: &TeamId, ids: &[PluginId]) -> Result<Option<Problem>, CatalogError> {
    let ids: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    let found =
        sqlx::query(QUARANTINED).bind(team.as_str()).bind(json!(ids).to_string()).fetch_optional(db.read()).await?;
    let held = found.map(|row| read_plugin(&row, Some(team))).transpose()?;
    Ok(held.and_then(|plugin| plugin.refusal()))
}

const LIST: &str = plugins_seen!(
    " WHERE (plugins.team_id IS NULL OR plugins.team_id = $1 OR (plugins.state = 'active' AND EXISTS (
            SELECT 1 FROM plugin_shares
            WHERE owner_id = plugins.team_id AND plugin_shares.name = plugins.name AND grantee IN ('*', $1))))
        AND (CAST($2 AS TEXT) IS NULL OR plugins.name = $2)
        AND (CAST($3 AS BIGINT) IS NULL OR (plugins.created_us, plugins.id) < ($3, $4))
    ORDER BY plugins.created_us DESC, plugins.id DESC LIMIT $5"
);

/// A page of the plugins that a team may use, newest first; of one name where one is given.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn list_plugins(
    db: &Db,
    team: &TeamId,
    name: Option<&str>,
    after: Option<&ListCursor>,
    limit: u32,
) -> Result<Listed<StoredPlugin>, CatalogError> {
    let found = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(name)
        .bind(after.map(|cursor| cursor.order))
        .bind(after.map(|cursor| cursor.id.as_str()))
        .bind(rows::rows_asked(limit))
        .fetch_all(db.read())
        .await?;
    let items = found.iter().map(|row| read_plugin(row, Some(team))).collect::<Result<Vec<_>, _>>()?;
    Ok(rows::page(items, limit, |plugin| ListCursor { order: plugin.created_us, id: plugin.id.as_str().to_owned() }))
}
