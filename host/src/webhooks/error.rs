//! What can go wrong with webhooks, sorted by what the caller can do.

use crate::{db::DbError, domain::problem::Problem};

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// There is no such thing. Correct the id.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It belongs to another team. Nothing more is said about it.
    #[error("the webhook belongs to another team")]
    NotYours,
    /// The webhook is disabled: nothing can be sent to it. Enable it first.
    #[error("the webhook is disabled")]
    Disabled,
    /// The team has as many webhooks as it may. Delete one.
    #[error("the team has {limit} webhooks, which is the limit")]
    TooManyWebhooks {
        /// The limit.
        limit: u32,
    },
    /// As many secrets of the webhook are valid as may be. Wait for one to expire, or let them all expire at once.
    #[error("{limit} secrets of the webhook are valid, which is the limit")]
    TooManySecrets {
        /// The limit.
        limit: u32,
    },
    /// The operating system gave no randomness. Nothing was made; repair the machine.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The HTTP client cannot be set up. Nothing is sent; look at the cause.
    #[error("cannot set up the sender of webhooks: {0}")]
    Client(#[source] reqwest::Error),
    /// The database failed; see there whether a retry can help.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for WebhooksError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl WebhooksError {
    /// A stored text that should be readable and is not.
    pub(super) fn unreadable(what: &'static str, detail: impl ToString) -> Self {
        Self::Db(DbError::Unreadable { what, detail: detail.to_string() })
    }

    /// The failure as users read it.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self {
            Self::NotFound(what) => Problem::new(
                "not-found",
                "There is no such thing",
                format!("No {what} has this id."),
                "Check the id; lists show what there is.",
            ),
            Self::NotYours => Problem::new(
                "not-yours",
                "It belongs to another team",
                "The key's team does not own it.",
                "Use a key of the team that owns it.",
            ),
            Self::Disabled => Problem::new(
                "webhook-disabled",
                "The webhook is disabled",
                "Nothing is sent to a disabled webhook; its `disabled` says why it is.",
                "Repair the receiver, then POST to the webhook's `enable`.",
            ),
            Self::TooManyWebhooks { limit } => Problem::new(
                "too-many-webhooks",
                "The team has too many webhooks",
                format!("Your team has {limit} webhooks."),
                "Delete one that is not needed, or change one instead.",
            )
            .with_limit(format!("{limit} webhooks per team")),
            Self::TooManySecrets { limit } => Problem::new(
                "too-many-secrets",
                "The webhook was rotated too often",
                format!("{limit} secrets of the webhook are still valid."),
                "Wait until one has expired, or rotate with `overlap_s=0`, which ends the earlier ones at once.",
            )
            .with_limit(format!("{limit} valid secrets per webhook")),
            Self::Randomness | Self::Client(_) | Self::Db(_) => Problem::internal("The webhooks could not be used."),
        }
    }
}
