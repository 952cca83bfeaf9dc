//! What went wrong, as users read it: the body of an HTTP error and the reason of a failed job are the same thing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A failure with a stable type, a place and a next step. `api` adds the HTTP status; nothing else knows about HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// Stable, `[a-z-]+`; the last part of the problem's `type` URI, for example `infeasible-lineup`.
    #[serde(rename = "code")]
    pub code: String,
    /// One short sentence, the same for every problem of this code.
    pub title: String,
    /// What happened here, with names and numbers.
    pub detail: String,
    /// What the reader can do about it.
    pub action: String,
    /// The offending place in the input: a JSON pointer such as `/simulate/n_scenarios`, a header, or `row 12, column salary`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The limit that was crossed, with its unit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<String>,
    /// The plugin to blame, `name@version`, where one is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plugin: Option<String>,
    /// The plugin's function that was running.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<String>,
}

impl Problem {
    /// A problem without a place.
    #[must_use]
    pub fn new(code: &str, title: &str, detail: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            title: title.to_owned(),
            detail: detail.into(),
            action: action.into(),
            field: None,
            limit: None,
            plugin: None,
            function: None,
        }
    }

    /// The same problem at this place of the input.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same problem with the limit that was crossed.
    #[must_use]
    pub fn with_limit(mut self, limit: impl Into<String>) -> Self {
        self.limit = Some(limit.into());
        self
    }

    /// An input value that is not allowed.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new("invalid-input", "The input is not valid", detail, action).at(field)
    }

    /// Something the server should not have let happen; the cause is in its log.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(
            "internal-error",
            "The server failed",
            detail,
            "Retry later; if it stays, give the request id to the operator.",
        )
    }
}
