//! Scopes: what a key may do for its team.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One right of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See everything of the team.
    Read,
    /// Upload races and slates, submit and cancel jobs.
    Submit,
    /// Bring code and send data elsewhere: upload plugins that the team's jobs will run, set up webhooks.
    Admin,
    /// Run the server itself, which concerns all teams: for keys of the operator.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Admin, Self::Operate];

    /// Every scope that concerns the key's own team only.
    pub const OF_A_TEAM: [Self; 3] = [Self::Read, Self::Submit, Self::Admin];

    /// The name used in the database, in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope; there are `read`, `submit`, `admin` and `operate`")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

/// The scopes of a key as they are stored: names with a space between.
#[must_use]
pub(super) fn to_text(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// The scopes named in `text`; a name that this version does not know grants nothing.
#[must_use]
pub(super) fn from_text(text: &str) -> Vec<Scope> {
    Scope::ALL.into_iter().filter(|scope| text.split(' ').any(|name| name == scope.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_storage_and_an_unknown_name_grants_nothing() {
        assert_eq!(from_text(&to_text(&Scope::ALL)), Scope::ALL);
        assert_eq!(from_text("read root"), [Scope::Read]);
        assert_eq!(from_text(""), []);
    }
}
