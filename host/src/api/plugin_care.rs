//! Who may use a plugin, and holding a version back.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{JsonBytes, decode, parse},
    caller::{Publisher, Reader},
    error::ApiError,
    plugin_views::{PluginView, find, note},
    respond::RequestId,
    state::ApiState,
};
use crate::{
    auth::{self, Action},
    catalog::plugins::{self, Sharing, Visibility},
    domain::problem::Problem,
};

/// Routes of sharing and quarantine.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(sharing, share)).routes(routes!(quarantine)).routes(routes!(release))
}

/// Who may use a plugin, all its versions and aliases.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "visibility": "teams", "teams": ["Red Racing"] })))]
struct SharingView {
    /// How far it is seen.
    visibility: Visibility,
    /// Names of the teams that it is shared with, where `visibility` is `teams`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
}

impl From<Sharing> for SharingView {
    fn from(sharing: Sharing) -> Self {
        Self { visibility: sharing.visibility, teams: sharing.names }
    }
}

/// Who may use a plugin of the team.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/sharing", tag = "plugins",
    params(("name" = String, Path, example = "my-rule")),
    responses((status = 200, body = SharingView))
)]
async fn sharing(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path(name): Path<String>,
) -> Result<Json<SharingView>, ApiError> {
    Ok(Json(plugins::sharing(state.db(), &principal.team, &name).await?.into()))
}

/// Say who may use a plugin of the team.
///
/// Other teams see the versions that have passed their tests, and name them `team/name`. Jobs that have pinned a version go on where
/// it is taken back.
#[utoipa::path(
    put, path = "/v1/plugins/{name}/sharing", tag = "plugins", request_body = SharingView,
    params(("name" = String, Path, example = "my-rule")),
    responses((status = 200, body = SharingView))
)]
async fn share(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path(name): Path<String>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<SharingView>, ApiError> {
    let wanted: SharingView = decode(parse(&bytes)?)?;
    let with = resolved(&state, &wanted).await?;
    plugins::share(state.db(), &principal.team, &name, &with).await?;
    let subject = match wanted.visibility {
        Visibility::Private => format!("{name}: private"),
        Visibility::Public => format!("{name}: public"),
        Visibility::Teams => format!("{name}: {} teams", with.teams.len()),
    };
    audit(&state, &principal, Action::PluginShared, &subject, &request_id).await;
    Ok(Json(plugins::sharing(state.db(), &principal.team, &name).await?.into()))
}

/// Finds the teams by their names.
async fn resolved(state: &ApiState, wanted: &SharingView) -> Result<Sharing, ApiError> {
    let teams_max = state.catalog().plugin_shares_max;
    let range = match wanted.visibility {
        Visibility::Teams => 1..=teams_max,
        Visibility::Private | Visibility::Public => 0..=0,
    };
    if !range.contains(&wanted.teams.len()) {
        let detail = format!("{} teams are named.", wanted.teams.len());
        let action = "Name teams where `visibility` is `teams`, and only there; past the limit, make it public.";
        let limit = format!("plugin_shares_max = {teams_max} teams");
        return Err(Problem::invalid("/teams", detail, action).with_limit(limit).into());
    }
    let mut with = Sharing { visibility: wanted.visibility, ..Sharing::default() };
    for (index, name) in wanted.teams.iter().enumerate() {
        let team = auth::find_team(state.db(), name).await?.ok_or_else(|| {
            let action = "Ask the other team what it is called here (GET /v1/me tells it).";
            Problem::invalid(format!("/teams/{index}"), "There is no team of this name.", action)
        })?;
        if !with.teams.contains(&team.id) {
            with.teams.push(team.id);
        }
    }
    Ok(with)
}

/// Why a version is to be held back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "reason": "Vetoes every scenario at Bristol." })))]
struct QuarantineRequest {
    /// Told to those whose jobs are refused.
    reason: String,
}

/// Hold a version back.
///
/// Jobs that name it are refused until it is released: all teams' jobs where the team owns it, else the team's own. Aliases that fall
/// back go to the version before. A version that crashes or breaks the contract in `plugins.quarantine_traps` of a team's jobs
/// within `plugins.quarantine_window_s` is held back for that team by itself.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/{version}/quarantine", tag = "plugins", request_body = QuarantineRequest,
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginView))
)]
async fn quarantine(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<PluginView>, ApiError> {
    let QuarantineRequest { reason } = decode(parse(&bytes)?)?;
    let reason = note("/reason", &reason)?;
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let done = plugins::quarantine(state.db(), &principal.team, &plugin, &reason, &principal.key).await?;
    if let Some(quarantined) = done {
        audit(&state, &principal, Action::PluginQuarantined, &quarantined.label, &request_id).await;
        for moved in quarantined.moved {
            let subject = format!("{name}@{} -> {}", moved.alias.as_str(), moved.version);
            audit(&state, &principal, Action::PluginRolledBack, &subject, &request_id).await;
        }
    }
    let version = &plugin.description.version;
    Ok(Json(find(&state, &principal.team, &name, version).await?.into()))
}

/// Release a version from quarantine.
///
/// Jobs may name it again, and failures count from 0. Aliases that fell back stay where they are.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/{version}/release", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginView))
)]
async fn release(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<PluginView>, ApiError> {
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let released = plugins::release(state.db(), &principal.team, &plugin, &principal.key).await?;
    audit(&state, &principal, Action::PluginReleased, &released.label(), &request_id).await;
    Ok(Json(released.into()))
}
