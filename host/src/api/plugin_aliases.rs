//! Aliases of a plugin: which version `stable`, `canary` or a name of the team's own stands for, and moving them.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{JsonBytes, decode, parse},
    caller::{Publisher, Reader},
    error::ApiError,
    plugin_views::{find, named},
    respond::RequestId,
    state::ApiState,
    time::rfc3339,
};
use crate::{
    auth::{Action, Principal},
    catalog::{
        self,
        plugins::{self, AliasChanges, Move, PluginAlias, Promotion},
    },
    domain::{
        ids::{KeyId, TeamId},
        plugin_ref::{Alias, Which},
        problem::Problem,
    },
};

/// Routes of aliases.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, change, remove))
        .routes(routes!(promote))
        .routes(routes!(roll_back))
}

/// An alias.
#[derive(Debug, Serialize, ToSchema)]
struct AliasView {
    /// The alias.
    #[schema(examples("stable"))]
    alias: String,
    /// The version that it stands for.
    version: String,
    /// Whether it goes back to the version before where its own is quarantined.
    falls_back: bool,
    /// The version or alias that runs beside it in the owner's jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("canary"))]
    shadow: Option<String>,
    /// How it came to stand for this version.
    how: Move,
    /// The key that moved it; absent where the server did, or another team's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<KeyId>,
    /// When it was moved last.
    #[schema(format = DateTime)]
    since: String,
}

/// An alias and where it has been.
#[derive(Debug, Serialize, ToSchema)]
struct AliasWithHistory {
    /// The alias.
    #[serde(flatten)]
    alias: AliasView,
    /// Its moves, newest first; the last hundred.
    history: Vec<MoveView>,
}

/// One move of an alias.
#[derive(Debug, Serialize, ToSchema)]
struct MoveView {
    /// The version that it stood for from then on.
    version: String,
    /// How.
    how: Move,
    /// The key that did it; absent where the server did, or another team's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<KeyId>,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// All aliases of a plugin.
#[derive(Debug, Serialize, ToSchema)]
struct Aliases {
    /// By name.
    items: Vec<AliasView>,
}

impl AliasView {
    fn of(alias: PluginAlias, is_own: bool) -> Self {
        Self {
            alias: alias.alias.as_str().to_owned(),
            version: alias.promotion.version,
            falls_back: alias.falls_back,
            shadow: alias.shadow.filter(|_| is_own).map(|which| which.to_string()),
            how: alias.promotion.how,
            by: alias.promotion.key.filter(|_| is_own),
            since: rfc3339(alias.promotion.at_us),
        }
    }
}

impl MoveView {
    fn of(moved: Promotion, is_own: bool) -> Self {
        let by = moved.key.filter(|_| is_own);
        Self { version: moved.version, how: moved.how, by, at: rfc3339(moved.at_us) }
    }
}

/// The aliases of a plugin.
///
/// A plugin's name alone means what `stable` stands for, and its newest usable version where nothing was promoted to `stable`.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/aliases", tag = "plugins",
    params(("name" = String, Path, example = "my-rule")),
    responses((status = 200, body = Aliases))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path(name): Path<String>,
) -> Result<Json<Aliases>, ApiError> {
    let Some((owner, name)) = owner_of(&state, &principal, &name).await? else {
        return Ok(Json(Aliases { items: Vec::new() }));
    };
    let is_own = owner == principal.team;
    let found = plugins::list_aliases(state.db(), &owner, &name).await?;
    Ok(Json(Aliases { items: found.into_iter().map(|alias| AliasView::of(alias, is_own)).collect() }))
}

/// An alias and where it has been.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/aliases/{alias}", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("alias" = String, Path, example = "stable")),
    responses((status = 200, body = AliasWithHistory))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, alias)): Path<(String, String)>,
) -> Result<Json<AliasWithHistory>, ApiError> {
    let alias = parsed(&alias)?;
    let owned = owner_of(&state, &principal, &name).await?;
    let (owner, name) = owned.ok_or_else(|| ApiError::not_found("alias"))?;
    let is_own = owner == principal.team;
    let found = plugins::alias(state.db(), &owner, &name, &alias).await?;
    let history = plugins::alias_history(state.db(), &owner, &name, &alias).await?;
    Ok(Json(AliasWithHistory {
        alias: AliasView::of(found, is_own),
        history: history.into_iter().map(|moved| MoveView::of(moved, is_own)).collect(),
    }))
}

/// What an alias is to stand for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "version": "1.2.0" })))]
struct PromotionRequest {
    /// A version, or another alias: what that stands for now.
    version: String,
}

/// Let an alias stand for a version.
///
/// The alias is made where it is not there. Jobs that name it from now on get the version; jobs that have been planned keep theirs.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/aliases/{alias}/promote", tag = "plugins", request_body = PromotionRequest,
    params(("name" = String, Path, example = "my-rule"), ("alias" = String, Path, example = "stable")),
    responses((status = 200, body = AliasView))
)]
async fn promote(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, alias)): Path<(String, String)>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<AliasView>, ApiError> {
    let PromotionRequest { version } = decode(parse(&bytes)?)?;
    let alias = writable(&alias)?;
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let aliases_max = state.catalog().plugin_aliases_max;
    let promoted = plugins::promote(state.db(), &plugin, &alias, &principal.key, aliases_max).await?;
    told(&state, &principal, Action::PluginPromoted, &name, &promoted, &request_id).await;
    Ok(Json(AliasView::of(promoted, true)))
}

/// Let an alias stand for the version before again.
///
/// Once more goes further back. Versions that cannot be used now are passed over.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/aliases/{alias}/rollback", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("alias" = String, Path, example = "stable")),
    responses((status = 200, body = AliasView))
)]
async fn roll_back(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, alias)): Path<(String, String)>,
) -> Result<Json<AliasView>, ApiError> {
    let alias = parsed(&alias)?;
    let (owner, name) = own(&state, &principal, &name).await?;
    let moved = plugins::roll_back(state.db(), &owner, &name, &alias, &principal.key).await?;
    told(&state, &principal, Action::PluginRolledBack, &name, &moved, &request_id).await;
    Ok(Json(AliasView::of(moved, true)))
}

/// How an alias is to behave; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "falls_back": true, "shadow": "canary" })))]
struct AliasPatch {
    /// Whether it goes back to the version before where its own is quarantined. False for a new alias: its jobs are refused then.
    falls_back: Option<bool>,
    /// A version or another alias of the plugin to run beside it in the team's jobs, which changes nothing about their results; null
    /// takes it away. Each job's result has what came of it under `shadow`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    shadow: Option<Option<String>>,
}

/// Tells null from absence.
fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Change how an alias behaves.
#[utoipa::path(
    patch, path = "/v1/plugins/{name}/aliases/{alias}", tag = "plugins", request_body = AliasPatch,
    params(("name" = String, Path, example = "my-rule"), ("alias" = String, Path, example = "stable")),
    responses((status = 200, body = AliasView))
)]
async fn change(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, alias)): Path<(String, String)>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<AliasView>, ApiError> {
    let AliasPatch { falls_back, shadow } = decode(parse(&bytes)?)?;
    let alias = parsed(&alias)?;
    let (owner, name) = own(&state, &principal, &name).await?;
    let shadow = shadow.map(|text| text.map(|text| candidate(&text, &alias)).transpose()).transpose()?;
    if let Some(Some(which)) = &shadow {
        // It has to be there now; later it is looked for with each job.
        find(&state, &principal.team, &name, &which.to_string()).await?;
    }
    let changes = AliasChanges { falls_back, shadow };
    let changed = plugins::change_alias(state.db(), &owner, &name, &alias, &changes).await?;
    told(&state, &principal, Action::PluginAliasChanged, &name, &changed, &request_id).await;
    Ok(Json(AliasView::of(changed, true)))
}

/// Delete an alias.
///
/// Jobs that name it from now on are refused; where it was `stable`, the plugin's name means the newest usable version again.
#[utoipa::path(
    delete, path = "/v1/plugins/{name}/aliases/{alias}", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("alias" = String, Path, example = "canary")),
    responses((status = 204, description = "It is gone."))
)]
async fn remove(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, alias)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let alias = parsed(&alias)?;
    let (owner, name) = own(&state, &principal, &name).await?;
    plugins::delete_alias(state.db(), &owner, &name, &alias).await?;
    let subject = format!("{name}@{} deleted", alias.as_str());
    audit(&state, &principal, Action::PluginAliasChanged, &subject, &request_id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose the plugin of this name is, and its name without the team; `None` where it is shipped, which has no aliases.
async fn owner_of(state: &ApiState, principal: &Principal, name: &str) -> Result<Option<(TeamId, String)>, ApiError> {
    let plugin = catalog::find_plugin(state.db(), &principal.team, &named(name, Which::Promoted)?).await?;
    Ok(plugin.owner.map(|owner| (owner, plugin.description.name)))
}

/// As [`owner_of`], where it is the caller's team.
async fn own(state: &ApiState, principal: &Principal, name: &str) -> Result<(TeamId, String), ApiError> {
    let owned = owner_of(state, principal, name).await?;
    owned.filter(|(owner, _)| *owner == principal.team).ok_or_else(ApiError::foreign)
}

/// What is to run beside an alias.
fn candidate(text: &str, alias: &Alias) -> Result<Which, ApiError> {
    match text.parse::<Which>() {
        Ok(Which::Alias(same)) if same == *alias => {
            Err(Problem::invalid("/shadow", "An alias cannot run beside itself.", "Name a version or another alias.")
                .into())
        }
        Ok(which) => Ok(which),
        Err(_) => {
            let detail = format!("`{text}` is no version and no alias.");
            Err(Problem::invalid(
                "/shadow",
                detail,
                "Name a version or an alias of the plugin, without the plugin's name.",
            )
            .into())
        }
    }
}

/// Text that is no alias names none.
fn parsed(alias: &str) -> Result<Alias, ApiError> {
    alias.parse().map_err(|_| ApiError::not_found("alias"))
}

/// An alias that may not be there yet.
fn writable(alias: &str) -> Result<Alias, ApiError> {
    alias.parse().map_err(|_| {
        let limit = "a letter, then at most 31 letters, digits or `-`, all lower case";
        Problem::invalid("alias", "This cannot be an alias.", format!("Name it with {limit}.")).with_limit(limit).into()
    })
}

async fn told(
    state: &ApiState,
    principal: &Principal,
    action: Action,
    name: &str,
    alias: &PluginAlias,
    request_id: &RequestId,
) {
    let subject = format!("{name}@{} -> {}", alias.alias.as_str(), alias.promotion.version);
    audit(state, principal, action, &subject, request_id).await;
}
