//! Plugins: upload a component, see what there is, take one out of use. Jobs run them; this resource never does.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    body::WasmBytes,
    caller::{Publisher, Reader},
    error::ApiError,
    page::{Page, PageQuery, page_items, read_cursor},
    params::Query,
    respond::{ProblemDocument, RequestId},
    state::ApiState,
    time::rfc3339,
};
use crate::{
    auth::{self, Action, AuditEntry, Principal},
    catalog::{self, NewPlugin, StoredPlugin},
    domain::plugin::PluginDescription,
    plugins::Admitted,
};

/// Routes of plugins that answer quickly.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(disable))
}

/// The route that takes as long as the compiler may take.
pub fn upload_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// A version of a plugin.
#[derive(Debug, Serialize, ToSchema)]
struct PluginView {
    /// What it says of itself.
    #[serde(flatten)]
    description: PluginDescription,
    /// SHA-256 of the component, hexadecimal.
    hash: String,
    /// Size of the component.
    size_bytes: u64,
    /// Whether it is shipped with the service and every team may use it.
    is_shared: bool,
    /// Whether it was taken out of use; jobs that name it are refused.
    is_disabled: bool,
    /// When it was uploaded.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<StoredPlugin> for PluginView {
    fn from(plugin: StoredPlugin) -> Self {
        Self {
            description: plugin.description,
            hash: plugin.hash,
            size_bytes: plugin.size_bytes,
            is_shared: plugin.is_shared,
            is_disabled: plugin.is_disabled,
            created_at: rfc3339(plugin.created_us),
        }
    }
}

/// Upload a plugin.
///
/// The body is a WebAssembly component of one of the contract's worlds. It is screened, compiled in a process of its own and asked
/// to describe itself before the answer. Uploading the same bytes again changes nothing; a version's bytes can never change.
#[utoipa::path(
    post, path = "/v1/plugins", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component."),
    responses(
        (status = 201, description = "The plugin can be used.", body = PluginView, headers(("Location" = String, description = "The plugin."))),
        (status = 200, description = "It was there already.", body = PluginView, headers(("Location" = String, description = "The plugin."))),
        (status = 409, description = "The version is there with other bytes.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn upload(
    State(state): State<ApiState>,
    Publisher(principal): Publisher,
    axum::Extension(request_id): axum::Extension<RequestId>,
    WasmBytes(wasm): WasmBytes,
) -> Result<Response, ApiError> {
    let admitted = admit(&state, wasm.clone()).await?;
    let size_bytes = wasm.len() as u64;
    state.artifacts().put(wasm).await?;
    let new = NewPlugin {
        team: Some(principal.team.clone()),
        hash: admitted.hash,
        description: admitted.description,
        size_bytes,
    };
    let (plugin, is_new) = catalog::insert_plugin(state.db(), &new).await?;
    audit(&state, &principal, Action::PluginUploaded, &plugin.label(), &request_id).await;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/plugins/{}/{}", plugin.description.name, plugin.description.version);
    let mut response = (status, Json(PluginView::from(plugin))).into_response();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Screening, compiling and describing block; none of it may hold up the async runtime.
async fn admit(state: &ApiState, wasm: Bytes) -> Result<Admitted, ApiError> {
    let plugins = state.plugins().clone();
    match tokio::task::spawn_blocking(move || plugins.admit(&wasm)).await {
        Ok(outcome) => outcome.map_err(ApiError::from),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

/// The plugins that the team can use: its own and those shipped with the service.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins", params(PageQuery),
    responses((status = 200, body = Page<PluginView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let listed = catalog::list_plugins(state.db(), &principal.team, after.as_ref(), limit).await?;
    Ok(Page::of(listed, PluginView::from).into_response_for(&uri))
}

/// A version of a plugin.
#[utoipa::path(
    get, path = "/v1/plugins/{name}/{version}", tag = "plugins",
    params(("name" = String, Path, example = "constraint-race-physics"), ("version" = String, Path, example = "0.1.0")),
    responses((status = 200, body = PluginView))
)]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<PluginView>, ApiError> {
    let plugin = catalog::find_plugin(state.db(), &principal.team, &name, Some(&version)).await?;
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
    let plugin = catalog::disable_plugin(state.db(), &principal.team, &name, &version).await?;
    audit(&state, &principal, Action::PluginDisabled, &plugin.label(), &request_id).await;
    Ok(Json(plugin.into()))
}

async fn audit(state: &ApiState, principal: &Principal, action: Action, label: &str, request_id: &RequestId) {
    let entry = AuditEntry { principal, action, subject: label, request_id: &request_id.0 };
    auth::record_or_log(state.db(), entry).await;
}
