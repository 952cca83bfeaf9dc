//! Who may do what: teams, API keys, scopes, and the audit trail. Knows nothing of HTTP.

mod audit;
pub mod idempotency;
mod keys;
mod scope;
mod secret;
pub mod signing;
mod team_limits;
mod teams;

#[cfg(test)]
mod tests;

pub use self::{
    audit::{Action, AuditEntry, record, record_of_server, record_or_log},
    keys::{CreatedKey, NewKey, Principal, authenticate, create_key, refusal_of, revoke_key},
    scope::{Scope, UnknownScope},
    secret::{ApiKey, MalformedKey},
    team_limits::{TeamLimit, TeamLimits, set_team_limits, team_limits},
    teams::{Team, WEIGHT_MAX, create_team, find_or_create_team, find_team, set_weight, team_name},
};
use crate::db::DbError;

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The key opens nothing. Ask for another one.
    #[error("the key was refused: {}", .0.as_str())]
    Refused(Refusal),
    /// The name is taken, empty or too long. Choose another one.
    #[error("{0}")]
    InvalidName(String),
    /// A team's weight out of its range. Choose one within it.
    #[error("a team's weight is in 1..={WEIGHT_MAX}, not {0}")]
    InvalidWeight(u32),
    /// A team or key that does not exist. Check its name or id.
    #[error("there is no {0}")]
    Unknown(String),
    /// The operating system gave no randomness. Nothing was made; repair the machine.
    #[error(transparent)]
    Randomness(#[from] secret::NoRandomness),
    /// The database failed. Retry where it says so.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no key at all, or has a typing error; the database was not asked.
    Malformed,
    /// It has the shape of a key, but was never given out.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Refusal {
    /// For the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// For the client. Only who holds the real key text can learn that it has expired or was revoked.
    #[must_use]
    pub const fn public(self) -> &'static str {
        match self {
            Self::Malformed => "This is not a key: it has a typing error, or a part is missing.",
            Self::Unknown => "This key is not known here.",
            Self::Expired => "This key has expired.",
            Self::Revoked => "This key was revoked.",
        }
    }
}
