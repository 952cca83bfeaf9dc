//! Plugins: upload a component, see what there is and how it stands, advise against one, take one out of use. Jobs run them; this
//! resource never does, but for the tests of an upload.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    body::{JsonBytes, WasmBytes, decode, parse},
    caller::{Publisher, Reader},
    error::ApiError,
    page::{Page, page_items, read_cursor},
    params::Query,
    plugin_upload::{self, UploadReport},
    plugin_views::{PluginView, find, note},
    respond::{ProblemDocument, RequestId, located},
    state::ApiState,
};
use crate::{
    auth::Action,
    catalog::{self, UploadState},
};

/// Routes of plugins that answer quickly.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(report))
        .routes(routes!(deprecate))
        .routes(routes!(disable))
}

/// The route that takes as long as the compiler may take.
pub fn upload_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Upload a plugin.
///
/// The body is a WebAssembly component of one of the contract's worlds. It is screened, compiled in a process of its own, asked to
/// describe itself and tested before the answer. Uploading the same bytes again changes nothing; the bytes of a version that has
/// passed can never change. One that fails its tests is kept as `rejected`, with a report of what to correct, and other bytes can take
/// its version.
#[utoipa::path(
    post, path = "/v1/plugins", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component."),
    responses(
        (status = 201, description = "The plugin can be used.", body = PluginView, headers(("Location" = String, description = "The plugin."))),
        (status = 200, description = "It was there already.", body = PluginView, headers(("Location" = String, description = "The plugin."))),
        (status = 409, description = "The version is there with other bytes.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "It is no plugin, or has failed its tests.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn upload(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    WasmBytes(wasm): WasmBytes,
) -> Result<Response, ApiError> {
    let (plugin, is_new) = plugin_upload::take_in(&state, &principal, wasm).await?;
    let action = if plugin.state == UploadState::Rejected { Action::PluginRejected } else { Action::PluginUploaded };
    audit(&state, &principal, action, &plugin.label(), &request_id).await;
    if let Some(refusal) = plugin.refusal().filter(|_| plugin.state != UploadState::Active) {
        return Err(plugin_upload::rejection(&state, &plugin, refusal).await?.into());
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/plugins/{}/{}", plugin.description.name, plugin.description.version);
    Ok(located(status, location, PluginView::from(plugin)))
}

/// Which plugins to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PluginsQuery {
    /// Only versions of this name.
    name: Option<String>,
    /// Items of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The plugins that the team can use.
///
/// Its own, those shipped with the service, and those that other teams share; jobs name the latter `team/name`.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins", params(PluginsQuery),
    responses((status = 200, body = Page<PluginView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PluginsQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let listed =
        catalog::list_plugins(state.db(), &principal.team, query.name.as_deref(), after.as_ref(), limit).await?;
    Ok(Page::of(listed, PluginView::from).into_response_for(&uri))
}

/// A version of a plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}", tag = "plugins",
    params(
        ("name" = String, Path, description = "`name`, or `team/name` (with %2F) of another team's.", example = "constraint-race-physics"),
        ("version" = String, Path, description = "A version or an alias.", example = "0.1.0")
    ),
    responses((status = 200, body = PluginView))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<PluginView>, ApiError> {
    Ok(Json(find(&state, &principal.team, &name, &version).await?.into()))
}

/// What was found when a version was uploaded.
///
/// Each step of its way in: screening, compiling, and every test with what to do about a failure.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}/report", tag = "plugins",
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = UploadReport))
)]
async fn report(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let report = catalog::plugin_report(state.db(), &plugin.id).await?;
    // What is shipped never was an upload.
    report.map(Json).ok_or_else(|| ApiError::not_found("report"))
}

/// What is said against a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "message": "Vetoes too much on road courses; use 2.x." })))]
struct Deprecation {
    /// What to tell jobs that name it, and what to use instead; null takes it back.
    message: Option<String>,
}

/// Advise against a version.
///
/// Jobs that name it are warned, in their preview and in the job; they run as before.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/{version}/deprecate", tag = "plugins", request_body = Deprecation,
    params(("name" = String, Path, example = "my-rule"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginView))
)]
async fn deprecate(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<PluginView>, ApiError> {
    let Deprecation { message } = decode(parse(&bytes)?)?;
    let message = message.map(|message| note("/message", &message)).transpose()?;
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let plugin = catalog::deprecate_plugin(state.db(), &plugin, message.as_deref()).await?;
    audit(&state, &principal, Action::PluginDeprecated, &plugin.label(), &request_id).await;
    Ok(Json(plugin.into()))
}

/// Take a version out of use.
///
/// Jobs that name it are refused from now on; jobs that have pinned it already go on. Doing it twice changes nothing.
#[utoipa::path(
    post, path = "/v1/plugins/{name}/{version}/disable", tag = "plugins",
    params(("name" = String, Path, example = "constraint-race-physics"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginView))
)]
async fn disable(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<PluginView>, ApiError> {
    let plugin = find(&state, &principal.team, &name, &version).await?;
    let plugin = catalog::disable_plugin(state.db(), &plugin).await?;
    audit(&state, &principal, Action::PluginDisabled, &plugin.label(), &request_id).await;
    Ok(Json(plugin.into()))
}
