//! What can go wrong with what the catalog keeps, sorted by what the caller can do.

use crate::{
    db::DbError,
    domain::{plugin::World, problem::Problem},
};

/// A failure of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// There is no such thing. Correct the id or the name.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its id or name as it was asked for.
        name: String,
    },
    /// It belongs to another team. Nothing more is said about it.
    #[error("the {what} `{name}` belongs to another team")]
    NotYours {
        /// Kind of thing.
        what: &'static str,
        /// Its id as it was asked for.
        name: String,
    },
    /// Another component has this name and version already. Raise the version.
    #[error("{label} exists already with other bytes ({existing})")]
    VersionTaken {
        /// `name@version`.
        label: String,
        /// Hash of the component that has it.
        existing: String,
    },
    /// A plugin's versions must all do the same thing. Choose another name.
    #[error("the plugin `{name}` is a {}, so no version of it can be a {}", existing.as_str(), offered.as_str())]
    OtherWorld {
        /// Name of the plugin.
        name: String,
        /// What its other versions do.
        existing: World,
        /// What the new one does.
        offered: World,
    },
    /// No job may name the version; the problem says why and what to do.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// The plugin has as many aliases as it may. Delete one.
    #[error("the plugin `{name}` has {limit} aliases already")]
    TooManyAliases {
        /// Name of the plugin.
        name: String,
        /// How many it may have.
        limit: usize,
    },
    /// There is no version to go back to. Promote one.
    #[error("`{name}@{alias}` has stood for no other version before that could be used")]
    NothingEarlier {
        /// Name of the plugin.
        name: String,
        /// The alias.
        alias: String,
    },
    /// The version is not held back, so there is nothing to release.
    #[error("{name} is not in quarantine")]
    NotQuarantined {
        /// `name@version`.
        name: String,
    },
    /// A driver of the slate is not in the race any more. Import the slate again.
    #[error("the driver `{driver}` of slate `{slate}` is no longer among the entries of race {race}")]
    SlateOutdated {
        /// The slate.
        slate: String,
        /// The driver.
        driver: String,
        /// Key of the race.
        race: String,
    },
    /// The selection of races cannot be made.
    #[error(transparent)]
    History(#[from] super::history::HistoryError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl CatalogError {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Db(error) if error.is_transient())
    }

    /// The failure as users read it.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let said =
            |code, title, action| Problem::new(code, title, format!("{}.", capitalized(&self.to_string())), action);
        match self {
            Self::NotFound { .. } => {
                said("not-found", "There is no such thing", "Check the id; lists show what there is.")
            }
            Self::NotYours { .. } => {
                said("not-yours", "It belongs to another team", "Use a key of the team that owns it.")
            }
            Self::VersionTaken { .. } => said(
                "already-exists",
                "A version's bytes never change",
                "Raise the version in `describe` and upload again.",
            ),
            Self::OtherWorld { .. } => said(
                "already-exists",
                "The name is taken by another kind of plugin",
                "Choose another name in `describe`.",
            ),
            Self::Refused(problem) => (**problem).clone(),
            Self::TooManyAliases { limit, .. } => {
                said("too-many-aliases", "The plugin has too many aliases", "Delete an alias that is not needed.")
                    .with_limit(format!("plugin_aliases_max = {limit}"))
            }
            Self::NothingEarlier { .. } => {
                said("conflict", "There is nothing to go back to", "Promote the version that it shall stand for.")
            }
            Self::NotQuarantined { .. } => {
                said("conflict", "The plugin is not in quarantine", "Nothing: jobs may name it.")
            }
            Self::SlateOutdated { .. } => said(
                "invalid-input",
                "The slate does not fit its race",
                "Import the slate again, and submit with its new id.",
            ),
            Self::History(error) => error.to_problem(),
            Self::Db(_) if self.is_transient() => Problem::new(
                "busy",
                "The storage is busy",
                "The database could not be used in time.",
                "Retry after a pause; if it stays, ask the operator to look at /readyz.",
            ),
            Self::Db(_) => Problem::internal("The catalog could not be read."),
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
