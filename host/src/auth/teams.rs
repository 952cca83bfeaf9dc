//! Teams: the tenants that own everything else.

use super::AuthError;
use crate::{
    db::{Db, DbError},
    domain::ids::TeamId,
};

/// Longest name of a team, in characters.
const NAME_CHARS_MAX: usize = 80;
/// Largest weight of a team.
pub const WEIGHT_MAX: u32 = 1_000;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Id.
    pub id: TeamId,
    /// Name, unique on the server.
    pub name: String,
}

const INSERT: &str = "INSERT INTO teams (id, name, created_us) VALUES ($1, $2, (SELECT now_us FROM clock))";

/// Makes a team.
///
/// # Errors
/// [`AuthError::InvalidName`] where the name is taken, empty or too long.
pub async fn create_team(db: &Db, name: &str) -> Result<Team, AuthError> {
    let name = valid_name(name)?;
    let team = Team { id: TeamId::random(), name };
    let mut tx = db.write().await?;
    let inserted =
        sqlx::query(INSERT).bind(team.id.as_str()).bind(&team.name).execute(&mut *tx).await.map_err(DbError::from);
    match inserted {
        Ok(_) => {
            tx.commit().await?;
            Ok(team)
        }
        Err(error) if error.is_duplicate() => {
            Err(AuthError::InvalidName(format!("there is a team named `{}` already", team.name)))
        }
        Err(error) => Err(error.into()),
    }
}

const FIND: &str = "SELECT id, name FROM teams WHERE name = $1";

/// The team with this name, if there is one.
///
/// # Errors
/// [`AuthError::Db`].
pub async fn find_team(db: &Db, name: &str) -> Result<Option<Team>, AuthError> {
    let row: Option<(String, String)> =
        sqlx::query_as(FIND).bind(name.trim()).fetch_optional(db.read()).await.map_err(DbError::from)?;
    row.map(|(id, name)| Ok(Team { id: parse_id(&id)?, name })).transpose()
}

/// The team with this name; made where there is none.
///
/// # Errors
/// [`AuthError::InvalidName`] where the name is empty or too long.
pub async fn find_or_create_team(db: &Db, name: &str) -> Result<Team, AuthError> {
    match find_team(db, name).await? {
        Some(team) => Ok(team),
        None => create_team(db, name).await,
    }
}

const SET_WEIGHT: &str = "UPDATE teams SET weight = $2 WHERE name = $1";

/// Sets the team's share of the workers beside the other teams' weights, in 1..=[`WEIGHT_MAX`]; a new team has 1.
///
/// # Errors
/// [`AuthError::InvalidWeight`] outside that range, [`AuthError::Unknown`] where there is no such team.
pub async fn set_weight(db: &Db, name: &str, weight: u32) -> Result<(), AuthError> {
    if !(1..=WEIGHT_MAX).contains(&weight) {
        return Err(AuthError::InvalidWeight(weight));
    }
    let mut tx = db.write().await?;
    let set = sqlx::query(SET_WEIGHT)
        .bind(name.trim())
        .bind(i64::from(weight))
        .execute(&mut *tx)
        .await
        .map_err(DbError::from)?;
    tx.commit().await?;
    if set.rows_affected() == 1 { Ok(()) } else { Err(AuthError::Unknown(format!("team `{name}`"))) }
}

const NAME: &str = "SELECT name FROM teams WHERE id = $1";

/// The name of a team.
///
/// # Errors
/// [`AuthError::Unknown`] where there is no such team.
pub async fn team_name(db: &Db, id: &TeamId) -> Result<String, AuthError> {
    let name: Option<String> =
        sqlx::query_scalar(NAME).bind(id.as_str()).fetch_optional(db.read()).await.map_err(DbError::from)?;
    name.ok_or_else(|| AuthError::Unknown(format!("team {id}")))
}

fn parse_id(text: &str) -> Result<TeamId, DbError> {
    text.parse().map_err(|error: crate::domain::ids::InvalidId| DbError::Unreadable {
        what: "teams.id",
        detail: error.to_string(),
    })
}

fn valid_name(name: &str) -> Result<String, AuthError> {
    let name = name.trim();
    let is_valid = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_valid {
        Ok(name.to_owned())
    } else {
        Err(AuthError::InvalidName(format!("a team's name has 1 to {NAME_CHARS_MAX} printable characters")))
    }
}
