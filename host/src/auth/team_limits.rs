//! What an operator allows single teams, beside the defaults that the settings give to all.

use std::str::FromStr;

use sqlx::Row as _;

use super::AuthError;
use crate::db::{Db, DbError};

/// What a team may use of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamLimit {
    /// As much as the settings say.
    Default,
    /// So much, 1.., whatever the settings say.
    Most(u32),
}

impl TeamLimit {
    fn stored(self) -> Option<i64> {
        match self {
            Self::Default => None,
            Self::Most(most) => Some(i64::from(most)),
        }
    }

    fn read(stored: Option<i64>) -> Self {
        stored.map_or(Self::Default, |most| Self::Most(u32::try_from(most).unwrap_or(u32::MAX)))
    }
}

impl FromStr for TeamLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let most = text.parse().ok().filter(|most| *most > 0);
        most.map(Self::Most).ok_or_else(|| "expected `default` or a whole number of at least 1".to_owned())
    }
}

impl std::fmt::Display for TeamLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Most(most) => write!(formatter, "{most}"),
        }
    }
}

/// What a team may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TeamLimits {
    /// Tasks that run at the same time.
    pub running_tasks: TeamLimit,
    /// Jobs that have not ended.
    pub live_jobs: TeamLimit,
    /// CPU-seconds per day (UTC).
    pub cpu_s_per_day: TeamLimit,
}

const LIMITS: &str = "SELECT running_tasks_max, live_jobs_max, cpu_s_per_day_max FROM teams WHERE name = $1";

/// The limits of the team with this name.
///
/// # Errors
/// [`AuthError::Unknown`] where there is no such team.
pub async fn team_limits(db: &Db, name: &str) -> Result<TeamLimits, AuthError> {
    let row = sqlx::query(LIMITS).bind(name.trim()).fetch_optional(db.read()).await.map_err(DbError::from)?;
    let row = row.ok_or_else(|| AuthError::Unknown(format!("team `{name}`")))?;
    let limit = |column| row.try_get(column).map(TeamLimit::read).map_err(DbError::from);
    Ok(TeamLimits {
        running_tasks: limit("running_tasks_max")?,
        live_jobs: limit("live_jobs_max")?,
        cpu_s_per_day: limit("cpu_s_per_day_max")?,
    })
}

const SET_LIMITS: &str = "
    UPDATE teams SET running_tasks_max = $2, live_jobs_max = $3, cpu_s_per_day_max = $4 WHERE name = $1";

/// Sets the limits of the team with this name; they count from the next claim and the next submission on.
///
/// # Errors
/// [`AuthError::Unknown`] where there is no such team.
pub async fn set_team_limits(db: &Db, name: &str, limits: &TeamLimits) -> Result<(), AuthError> {
    let mut tx = db.write().await?;
    let set = sqlx::query(SET_LIMITS)
        .bind(name.trim())
        .bind(limits.running_tasks.stored())
        .bind(limits.live_jobs.stored())
        .bind(limits.cpu_s_per_day.stored())
        .execute(&mut *tx)
        .await
        .map_err(DbError::from)?;
    tx.commit().await?;
    if set.rows_affected() == 1 { Ok(()) } else { Err(AuthError::Unknown(format!("team `{name}`"))) }
}
