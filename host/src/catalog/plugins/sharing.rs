//! Who may use a team's plugin besides the team itself. It holds for the plugin with all its versions and aliases.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CatalogError, PLUGIN};
use crate::{
    db::{Db, WriteTx},
    domain::ids::TeamId,
};

/// Who may use a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The team that owns it.
    #[default]
    Private,
    /// Also the teams that it is shared with.
    Teams,
    /// Every team of the server.
    Public,
}

/// Who may use a plugin, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sharing {
    /// How far it is seen.
    pub visibility: Visibility,
    /// The teams that it is shared with, by id; empty unless `visibility` is `teams`.
    pub teams: Vec<TeamId>,
    /// Their names.
    pub names: Vec<String>,
}

/// What stands for every team.
const EVERYBODY: &str = "*";

const IS_THERE: &str = "SELECT 1 FROM plugins WHERE team_id = $1 AND name = $2";
const GRANTEES: &str = "
    SELECT grantee, teams.name FROM plugin_shares LEFT JOIN teams ON teams.id = grantee
    WHERE owner_id = $1 AND plugin_shares.name = $2 ORDER BY teams.name";

/// Who may use a plugin of the team.
///
/// # Errors
/// [`CatalogError::NotFound`] where the team has no plugin of this name, or [`CatalogError::Db`].
pub async fn sharing(db: &Db, owner: &TeamId, name: &str) -> Result<Sharing, CatalogError> {
    let is_there = sqlx::query(IS_THERE).bind(owner.as_str()).bind(name).fetch_optional(db.read()).await?;
    is_there.ok_or_else(|| not_found(name))?;
    let grantees: Vec<(String, Option<String>)> =
        sqlx::query_as(GRANTEES).bind(owner.as_str()).bind(name).fetch_all(db.read()).await?;
    let mut sharing = Sharing::default();
    for (grantee, name) in grantees {
        if grantee == EVERYBODY {
            return Ok(Sharing { visibility: Visibility::Public, ..Sharing::default() });
        }
        if let (Ok(team), Some(name)) = (grantee.parse(), name) {
            sharing.visibility = Visibility::Teams;
            sharing.teams.push(team);
            sharing.names.push(name);
        }
    }
    Ok(sharing)
}

const TAKE_BACK: &str = "DELETE FROM plugin_shares WHERE owner_id = $1 AND name = $2";
const GRANT: &str = "INSERT INTO plugin_shares (owner_id, name, grantee) VALUES ($1, $2, $3)";

/// Says who may use a plugin of the team from now on. Jobs that have pinned a version go on.
///
/// # Errors
/// As [`sharing`].
pub async fn share(db: &Db, owner: &TeamId, name: &str, with: &Sharing) -> Result<(), CatalogError> {
    let mut tx = db.write().await?;
    super::take_turns(&mut tx, Some(owner), name).await?;
    let is_there = sqlx::query(IS_THERE).bind(owner.as_str()).bind(name).fetch_optional(&mut *tx).await?;
    is_there.ok_or_else(|| not_found(name))?;
    sqlx::query(TAKE_BACK).bind(owner.as_str()).bind(name).execute(&mut *tx).await?;
    match with.visibility {
        Visibility::Private => {}
        Visibility::Public => grant(&mut tx, owner, name, EVERYBODY).await?,
        Visibility::Teams => {
            for team in &with.teams {
                grant(&mut tx, owner, name, team.as_str()).await?;
            }
        }
    }
    Ok(tx.commit().await?)
}

async fn grant(tx: &mut WriteTx, owner: &TeamId, name: &str, grantee: &str) -> Result<(), CatalogError> {
    sqlx::query(GRANT).bind(owner.as_str()).bind(name).bind(grantee).execute(&mut **tx).await?;
    Ok(())
}

fn not_found(name: &str) -> CatalogError {
    CatalogError::NotFound { what: PLUGIN, name: name.to_owned() }
}
