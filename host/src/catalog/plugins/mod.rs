//! The registry of plugins: which versions there are, who may use them, and how they stand. The components are artifacts.
//!
//! A name and version of a team never changes its bytes once it is active; what can change is what is said of it.

mod aliases;
mod find;
mod quarantine;
mod shadows;
mod sharing;
mod stops;

#[cfg(test)]
mod tests;

use semver::Version;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use utoipa::ToSchema;

pub use self::{
    aliases::{
        AliasChanges, Move, PluginAlias, Promotion, alias, alias_history, change_alias, delete_alias, list_aliases,
        promote, roll_back,
    },
    find::{find_plugin, list_plugins, quarantine_among},
    quarantine::{Failure, Moved, Quarantined, note_failure, quarantine, release},
    shadows::{NewShadowRun, ShadowRun, insert_shadow_runs, list_shadow_runs},
    sharing::{Sharing, Visibility, share, sharing},
    stops::{Stops, note_stop, stops},
};
use super::{error::CatalogError, rows};
use crate::{
    db::{Db, Row, WriteTx},
    domain::{
        ids::{KeyId, PluginId, TeamId},
        plugin::PluginDescription,
        problem::Problem,
    },
};

const PLUGIN: &str = "plugin";

/// Longest text that people attach to a version, in characters.
pub const NOTE_CHARS_MAX: usize = 280;

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadState {
    /// It has been screened and compiled; its tests are under way, or the server ended during them: upload it again.
    Compiled,
    /// It has passed its tests and can be used. Never left.
    Active,
    /// It has failed its tests. Other bytes can take its version.
    Rejected,
}

impl UploadState {
    /// The name used in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compiled => "compiled",
            Self::Active => "active",
            Self::Rejected => "rejected",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Compiled, Self::Active, Self::Rejected].into_iter().find(|state| state.as_str() == name)
    }
}

/// How a version stands, as a team sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its tests are under way, or were interrupted; uploading the same bytes goes on with them.
    Compiled,
    /// It has failed its tests; the report says which. Other bytes can take its version.
    Rejected,
    /// It can be used.
    Active,
    /// It can be used, but its owner advises against it.
    Deprecated,
    /// It crashed or broke the contract too often, or somebody holds it back: jobs that name it are refused until it is released.
    Quarantined,
    /// Its owner took it out of use for good.
    Disabled,
}

/// A version of a plugin to be stored. Its component is an artifact already.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPlugin {
    /// Whose it is; `None` = shipped with the service.
    pub team: Option<TeamId>,
    /// The key that brings it; `None` where it is shipped.
    pub uploaded_by: Option<KeyId>,
    /// How far it has come.
    pub state: UploadState,
    /// Content hash of the component.
    pub hash: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// What it says of itself.
    pub description: PluginDescription,
}

/// Why a version is held back, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub reason: String,
    /// Since when, in microseconds since 1970-01-01 UTC.
    pub since_us: i64,
}

/// A version of a plugin, as one team sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPlugin {
    /// The row.
    pub id: PluginId,
    /// Whose it is; `None` = shipped with the service.
    pub owner: Option<TeamId>,
    /// The owner's name.
    pub owner_name: Option<String>,
    /// Whether the team owns it.
    pub is_own: bool,
    /// Content hash of the component.
    pub hash: String,
    /// Size of the component in bytes.
    pub size_bytes: u64,
    /// What it says of itself.
    pub description: PluginDescription,
    /// How far its upload has come.
    pub state: UploadState,
    /// The key that brought it.
    pub uploaded_by: Option<KeyId>,
    /// What its owner says against using it.
    pub deprecation: Option<String>,
    /// Why it is held back, for this team or for all.
    pub quarantine: Option<Held>,
    /// Whether it was taken out of use.
    pub is_disabled: bool,
    /// When it was stored, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
}

impl StoredPlugin {
    /// `name@version`, behind the owner's name where another team shares it.
    #[must_use]
    pub fn label(&self) -> String {
        let PluginDescription { name, version, .. } = &self.description;
        match self.owner_name.as_ref().filter(|_| !self.is_own) {
            Some(owner) => format!("{owner}/{name}@{version}"),
            None => format!("{name}@{version}"),
        }
    }

    /// Whether it is shipped with the service.
    #[must_use]
    pub const fn is_shipped(&self) -> bool {
        self.owner.is_none()
    }

    /// How it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self.state {
            UploadState::Compiled => Standing::Compiled,
            UploadState::Rejected => Standing::Rejected,
            UploadState::Active if self.is_disabled => Standing::Disabled,
            UploadState::Active if self.quarantine.is_some() => Standing::Quarantined,
            UploadState::Active if self.deprecation.is_some() => Standing::Deprecated,
            UploadState::Active => Standing::Active,
        }
    }

    /// Why no job may name it; `None` where one may.
    #[must_use]
    pub fn refusal(&self) -> Option<Problem> {
        let label = self.label();
        let (code, title, detail, action) = match self.standing() {
            Standing::Active | Standing::Deprecated => return None,
            Standing::Compiled => (
                "plugin-untested",
                "The plugin is being tested",
                format!("The tests of {label} are under way, or were interrupted."),
                "Wait for the answer to the upload, or upload the same bytes again.",
            ),
            Standing::Rejected => (
                "plugin-rejected",
                "The plugin has failed its tests",
                format!("{label} has failed its tests; its report says which."),
                "Correct it and upload it again; `paddock plugin check` runs the same tests.",
            ),
            Standing::Disabled => (
                "plugin-disabled",
                "The plugin is out of use",
                format!("{label} is disabled."),
                "Choose another version.",
            ),
            Standing::Quarantined => (
                "plugin-quarantined",
                "The plugin is in quarantine",
                format!("{label} is held back: {}", self.quarantine.as_ref().map_or("", |held| &held.reason)),
                "Name another version, or release it with a key of the scope `admin` once the cause is known.",
            ),
        };
        let mut problem = Problem::new(code, title, detail, action);
        problem.plugin = Some(label);
        Some(problem)
    }

    /// The version, for ordering; `describe` was checked to have one.
    fn version(&self) -> Version {
        Version::parse(&self.description.version).unwrap_or_else(|_| Version::new(0, 0, 0))
    }
}

/// A SELECT of plugins as the team `$1` sees them: a quarantine holds for the team that it names, the owner's for all.
macro_rules! plugins_seen {
    ($rest:literal) => {
        concat!(
            "
    SELECT plugins.id, plugins.team_id, plugins.hash, plugins.size_bytes, plugins.description, plugins.state,
        plugins.uploaded_by, plugins.deprecation, plugins.disabled_us, plugins.created_us, teams.name AS owner_name,
        held.reason AS held_reason, held.at_us AS held_us
    FROM plugins LEFT JOIN teams ON teams.id = plugins.team_id
    LEFT JOIN plugin_quarantines AS held ON held.sequence = (
        SELECT MIN(found.sequence) FROM plugin_quarantines AS found
        WHERE found.plugin_id = plugins.id AND found.lifted_us IS NULL AND found.team_id IN ($1, plugins.team_id))",
            $rest
        )
    };
}
use plugins_seen;

const OWN_VERSIONS: &str = plugins_seen!(
    " WHERE plugins.name = $2 AND ((CAST($1 AS TEXT) IS NULL AND plugins.team_id IS NULL) OR plugins.team_id = $1)"
);

/// All versions of a plugin of the team; of a shipped one where there is no team.
async fn own_versions(tx: &mut WriteTx, team: Option<&TeamId>, name: &str) -> Result<Vec<StoredPlugin>, CatalogError> {
    let found = sqlx::query(OWN_VERSIONS).bind(team.map(TeamId::as_str)).bind(name).fetch_all(&mut **tx).await?;
    found.iter().map(|row| read_plugin(row, team)).collect()
}

/// Whoever changes a plugin's versions or aliases takes turns with the others that do.
async fn take_turns(tx: &mut WriteTx, team: Option<&TeamId>, name: &str) -> Result<(), CatalogError> {
    let owner = team.map_or("", TeamId::as_str);
    Ok(tx.take_turns(&format!("plugin {owner} {name}")).await?)
}

const INSERT: &str = "
    INSERT INTO plugins (id, team_id, name, version, hash, size_bytes, description, state, uploaded_by, created_us)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, now_us FROM clock";

const REPLACE: &str = "
    UPDATE plugins SET team_id = $2, name = $3, version = $4, hash = $5, size_bytes = $6, description = $7, state = $8,
        uploaded_by = $9, report = NULL, deprecation = NULL, deprecated_us = NULL, disabled_us = NULL,
        created_us = (SELECT now_us FROM clock)
    WHERE id = $1";

/// Stores a version; the same bytes again change nothing. A version that no job can have used gives way to other bytes. Returns
/// the row and whether it is new.
///
/// # Errors
/// [`CatalogError::VersionTaken`], [`CatalogError::OtherWorld`], or [`CatalogError::Db`].
pub async fn insert_plugin(db: &Db, new: &NewPlugin) -> Result<(StoredPlugin, bool), CatalogError> {
    let mut tx = db.write().await?;
    let PluginDescription { name, version, world, .. } = &new.description;
    take_turns(&mut tx, new.team.as_ref(), name).await?;
    let mut gives_way = None;
    for known in own_versions(&mut tx, new.team.as_ref(), name).await? {
        if known.description.version == *version {
            if known.hash == new.hash {
                return Ok((known, false));
            }
            if known.state == UploadState::Active {
                return Err(CatalogError::VersionTaken { label: known.label(), existing: known.hash });
            }
            gives_way = Some(known.id);
        } else if known.description.world != *world && known.state == UploadState::Active {
            let existing = known.description.world;
            return Err(CatalogError::OtherWorld { name: name.clone(), existing, offered: *world });
        }
    }
    let statement = if gives_way.is_some() { REPLACE } else { INSERT };
    let id = gives_way.unwrap_or_else(PluginId::random);
    sqlx::query(statement)
        .bind(id.as_str())
        .bind(new.team.as_ref().map(TeamId::as_str))
        .bind(name)
        .bind(version)
        .bind(&new.hash)
        .bind(i64::try_from(new.size_bytes).unwrap_or(i64::MAX))
        .bind(rows::to_text(&new.description, "plugins.description")?)
        .bind(new.state.as_str())
        .bind(new.uploaded_by.as_ref().map(KeyId::as_str))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((by_id(db, new.team.as_ref(), &id).await?, true))
}

const BY_ID: &str = plugins_seen!(" WHERE plugins.id = $2");

async fn by_id(db: &Db, team: Option<&TeamId>, id: &PluginId) -> Result<StoredPlugin, CatalogError> {
    let row = sqlx::query(BY_ID).bind(team.map(TeamId::as_str)).bind(id.as_str()).fetch_one(db.read()).await?;
    read_plugin(&row, team)
}

/// As [`by_id`], within a transaction.
async fn by_id_in(tx: &mut WriteTx, team: &TeamId, id: &PluginId) -> Result<StoredPlugin, CatalogError> {
    let row = sqlx::query(BY_ID).bind(team.as_str()).bind(id.as_str()).fetch_one(&mut **tx).await?;
    read_plugin(&row, Some(team))
}

const SETTLE: &str = "UPDATE plugins SET state = $3, report = $4 WHERE id = $1 AND hash = $2 AND state <> 'active'";

/// Writes down how the tests of an uploaded version went.
///
/// # Errors
/// [`CatalogError::VersionTaken`] where other bytes took its place meanwhile, or [`CatalogError::Db`].
pub async fn settle_plugin(
    db: &Db,
    plugin: &StoredPlugin,
    state: UploadState,
    report: &Value,
) -> Result<StoredPlugin, CatalogError> {
    let mut tx = db.write().await?;
    let settled = sqlx::query(SETTLE)
        .bind(plugin.id.as_str())
        .bind(&plugin.hash)
        .bind(state.as_str())
        .bind(report.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let now = by_id(db, plugin.owner.as_ref(), &plugin.id).await?;
    // The same bytes, sent twice at the same time, are settled once; both are told the same.
    if settled.rows_affected() == 1 || now.hash == plugin.hash {
        Ok(now)
    } else {
        Err(CatalogError::VersionTaken { label: now.label(), existing: now.hash })
    }
}

const REPORT: &str = "SELECT report FROM plugins WHERE id = $1";

/// What was found when the version was uploaded; `None` for what is shipped or older than reports.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn plugin_report(db: &Db, id: &PluginId) -> Result<Option<Value>, CatalogError> {
    let text: Option<String> = sqlx::query_scalar(REPORT).bind(id.as_str()).fetch_one(db.read()).await?;
    let read = |text: String| serde_json::from_str(&text);
    text.map(read).transpose().map_err(|error| rows::unreadable("plugins.report", &error.to_string()))
}

const SHIPPED_HASH: &str = "SELECT 1 FROM plugins WHERE team_id IS NULL AND hash = $1";

/// Whether a plugin with these bytes is shipped.
///
/// # Errors
/// [`CatalogError::Db`].
pub async fn is_shipped_plugin(db: &Db, hash: &str) -> Result<bool, CatalogError> {
    Ok(sqlx::query(SHIPPED_HASH).bind(hash).fetch_optional(db.read()).await?.is_some())
}

const DISABLE: &str =
    "UPDATE plugins SET disabled_us = (SELECT now_us FROM clock) WHERE id = $1 AND disabled_us IS NULL";

/// Takes a version out of use: jobs that name it from now on are refused, jobs that pinned it go on. A second time changes nothing.
///
/// # Errors
/// [`CatalogError::NotYours`] for a plugin of somebody else, or [`CatalogError::Db`].
pub async fn disable_plugin(db: &Db, plugin: &StoredPlugin) -> Result<StoredPlugin, CatalogError> {
    plugin.must_be_own()?;
    let mut tx = db.write().await?;
    sqlx::query(DISABLE).bind(plugin.id.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    by_id(db, plugin.owner.as_ref(), &plugin.id).await
}

const DEPRECATE: &str = "
    UPDATE plugins SET deprecation = $2,
        deprecated_us = CASE WHEN CAST($2 AS TEXT) IS NULL THEN NULL ELSE (SELECT now_us FROM clock) END
    WHERE id = $1";

/// Advises against a version, which jobs that name it are warned of; `None` takes that back.
///
/// # Errors
/// As [`disable_plugin`].
pub async fn deprecate_plugin(
    db: &Db,
    plugin: &StoredPlugin,
    message: Option<&str>,
) -> Result<StoredPlugin, CatalogError> {
    plugin.must_be_own()?;
    let mut tx = db.write().await?;
    sqlx::query(DEPRECATE).bind(plugin.id.as_str()).bind(message).execute(&mut *tx).await?;
    tx.commit().await?;
    by_id(db, plugin.owner.as_ref(), &plugin.id).await
}

impl StoredPlugin {
    /// # Errors
    /// [`CatalogError::NotYours`] where somebody else owns it.
    fn must_be_own(&self) -> Result<(), CatalogError> {
        if self.is_own { Ok(()) } else { Err(CatalogError::NotYours { what: PLUGIN, name: self.label() }) }
    }
}

/// A row of [`plugins_seen`], as `team` sees it.
fn read_plugin(row: &Row, team: Option<&TeamId>) -> Result<StoredPlugin, CatalogError> {
    let state: String = row.try_get("state")?;
    let owner = optional::<TeamId>(row, "team_id", "plugins.team_id")?;
    let held: (Option<String>, Option<i64>) = (row.try_get("held_reason")?, row.try_get("held_us")?);
    Ok(StoredPlugin {
        id: rows::parsed(row, "id", "plugins.id")?,
        is_own: owner.is_some() && owner.as_ref() == team,
        owner,
        owner_name: row.try_get("owner_name")?,
        hash: row.try_get("hash")?,
        size_bytes: rows::number(row, "size_bytes", "plugins.size_bytes")?,
        description: rows::json(row, "description", "plugins.description")?,
        state: UploadState::from_name(&state).ok_or_else(|| rows::unreadable("plugins.state", &state))?,
        uploaded_by: optional(row, "uploaded_by", "plugins.uploaded_by")?,
        deprecation: row.try_get("deprecation")?,
        quarantine: held.0.zip(held.1).map(|(reason, since_us)| Held { reason, since_us }),
        is_disabled: row.try_get::<Option<i64>, _>("disabled_us")?.is_some(),
        created_us: row.try_get("created_us")?,
    })
}

/// A column's text, where there is one, as something that is parsed.
fn optional<T: std::str::FromStr>(
    row: &Row,
    column: &'static str,
    what: &'static str,
) -> Result<Option<T>, CatalogError>
where
    T::Err: std::fmt::Display,
{
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error: T::Err| rows::unreadable(what, &error.to_string()))).transpose()
}
