//! Plugins as clients see them, and how a path names one.

use serde::Serialize;
use utoipa::ToSchema;

use super::{error::ApiError, state::ApiState, time::rfc3339};
use crate::{
    catalog::{
        self, StoredPlugin,
        plugins::{NOTE_CHARS_MAX, Standing},
    },
    domain::{
        ids::{KeyId, TeamId},
        plugin::PluginDescription,
        plugin_ref::{PluginRef, Which},
        problem::Problem,
    },
};

/// A version of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginView {
    /// What it says of itself.
    #[serde(flatten)]
    description: PluginDescription,
    /// How it stands; jobs may name what is `active` or `deprecated`.
    state: Standing,
    /// SHA-256 of the component, hexadecimal.
    hash: String,
    /// Size of the component.
    size_bytes: u64,
    /// Name of the team that owns it; absent where it is shipped with the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Whether it is shipped with the service and every team may use it.
    is_shared: bool,
    /// Whether it was taken out of use; jobs that name it are refused.
    is_disabled: bool,
    /// What its owner says against using it; jobs that name it are warned.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecation: Option<String>,
    /// Why it is held back; jobs that name it are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineView>,
    /// The key that brought it; shown to the team that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded_by: Option<KeyId>,
    /// When it was uploaded.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Why a version is held back.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineView {
    /// Why.
    reason: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

impl From<StoredPlugin> for PluginView {
    fn from(plugin: StoredPlugin) -> Self {
        let quarantine = plugin.quarantine.as_ref();
        Self {
            state: plugin.standing(),
            is_shared: plugin.is_shipped(),
            quarantine: quarantine
                .map(|held| QuarantineView { reason: held.reason.clone(), since: rfc3339(held.since_us) }),
            uploaded_by: plugin.uploaded_by.filter(|_| plugin.is_own),
            description: plugin.description,
            hash: plugin.hash,
            size_bytes: plugin.size_bytes,
            owner: plugin.owner_name,
            is_disabled: plugin.is_disabled,
            deprecation: plugin.deprecation,
            created_at: rfc3339(plugin.created_us),
        }
    }
}

/// The plugin that `{name}` of a path means: `name`, or `team/name` (with the slash as %2F) where another team shares it.
///
/// # Errors
/// 404 where the text names nothing.
pub fn named(name: &str, which: Which) -> Result<PluginRef, ApiError> {
    let found = name.parse::<PluginRef>().ok().filter(|found| found.which == Which::Promoted);
    Ok(found.ok_or_else(|| ApiError::not_found("plugin"))?.at(which))
}

/// The version that `{name}` and `{version}` of a path mean; the latter may be an alias.
///
/// # Errors
/// 404 where there is none that the team may use.
pub async fn find(state: &ApiState, team: &TeamId, name: &str, version: &str) -> Result<StoredPlugin, ApiError> {
    let which = version.parse().map_err(|_| ApiError::not_found("plugin"))?;
    Ok(catalog::find_plugin(state.db(), team, &named(name, which)?).await?)
}

/// Text that people attach to a version, for people.
///
/// # Errors
/// `invalid-input` where it is empty or too long.
pub fn note(field: &str, text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    let is_note = (1..=NOTE_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_note {
        return Ok(text.to_owned());
    }
    let limit = format!("1..={NOTE_CHARS_MAX} printable characters");
    let detail = "The text is empty, too long or not printable.";
    Err(Problem::invalid(field, detail, format!("Send {limit}.")).with_limit(limit).into())
}
