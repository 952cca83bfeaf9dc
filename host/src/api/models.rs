//! Models: what jobs have fitted, and the draws themselves.

use axum::{
    Json,
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    page::{Page, PageQuery, page_items, read_cursor},
    params::{Id, Query},
    respond::RequestId,
    state::ApiState,
    time::rfc3339,
};
use crate::{
    auth::{self, Action, AuditEntry},
    catalog::{self, StoredModel},
    db::artifacts::{ArtifactHash, InvalidHash},
    domain::ids::{JobId, ModelId},
    results::FitSummary,
};

/// Media type of an Arrow IPC file.
const ARROW_FILE: &str = "application/vnd.apache.arrow.file";

/// Routes of models.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(draws))
}

/// A fitted model.
#[derive(Debug, Serialize, ToSchema)]
struct ModelView {
    /// Id.
    id: ModelId,
    /// The job that fitted it.
    job: JobId,
    /// Calibrator, `name@version`.
    calibrator: String,
    /// SHA-256 of the calibrator's component.
    calibrator_hash: String,
    /// Posterior layout; generators that read it can draw from the model.
    #[schema(examples("attrition-plackett-luce/1"))]
    layout: String,
    /// Posterior draws, over all chains.
    draws: usize,
    /// SHA-256 of the draws as Arrow IPC.
    artifact: String,
    /// Races that it was fitted on.
    races: usize,
    /// Key of the oldest of them.
    first_race: String,
    /// Key of the latest of them.
    last_race: String,
    /// How the fit went.
    #[schema(value_type = FitSummary)]
    fit: Value,
    /// When it was fitted.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<StoredModel> for ModelView {
    fn from(model: StoredModel) -> Self {
        Self {
            id: model.id,
            job: model.job,
            calibrator: model.calibrator,
            calibrator_hash: model.calibrator_hash,
            layout: model.layout,
            draws: model.draws,
            artifact: model.artifact,
            races: model.races,
            first_race: model.first_race,
            last_race: model.last_race,
            fit: model.fit,
            created_at: rfc3339(model.created_us),
        }
    }
}

/// The team's models, newest first.
#[utoipa::path(
    get, path = "/v1/models", tag = "models", params(PageQuery),
    responses((status = 200, body = Page<ModelView>, headers(("Link" = String, description = "The next page, where there is one."))))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    let after = read_cursor(query.cursor.as_deref())?;
    let listed = catalog::list_models(state.db(), &principal.team, after.as_ref(), limit).await?;
    Ok(Page::of(listed, ModelView::from).into_response_for(&uri))
}

/// A model.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models", params(("id" = ModelId, Path)), responses((status = 200, body = ModelView)))]
async fn show(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<ModelId>,
) -> Result<Json<ModelView>, ApiError> {
    Ok(Json(catalog::model(state.db(), &principal.team, &id).await?.into()))
}

/// The draws of a model.
///
/// An Arrow IPC file with a row per draw and a column per scalar; pandas, polars and R read it with one call.
#[utoipa::path(
    get, path = "/v1/models/{id}/draws", tag = "models", params(("id" = ModelId, Path)),
    responses((status = 200, description = "The draws.", body = Vec<u8>, content_type = "application/vnd.apache.arrow.file"))
)]
async fn draws(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<ModelId>,
) -> Result<Response, ApiError> {
    let model = catalog::model(state.db(), &principal.team, &id).await?;
    let hash: ArtifactHash = model.artifact.parse().map_err(|error: InvalidHash| ApiError::internal(&error))?;
    let bytes = state.artifacts().get(&hash).await?;
    let entry = AuditEntry {
        principal: &principal,
        action: Action::DrawsRead,
        subject: id.as_str(),
        request_id: &request_id.0,
    };
    auth::record_or_log(state.db(), entry).await;
    Ok(([(header::CONTENT_TYPE, ARROW_FILE)], bytes).into_response())
}
