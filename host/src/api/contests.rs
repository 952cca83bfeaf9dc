//! Contests: roster, cap and scoring. They are data that the service ships, the same for every team.

use axum::{
    Json,
    extract::{Path, State},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{caller::Reader, error::ApiError, page::Page, state::ApiState};
use crate::domain::contest::Contest;

/// Routes of contests.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// The contests that slates can be for.
#[utoipa::path(get, path = "/v1/contests", tag = "contests", responses((status = 200, body = Page<Contest>)))]
async fn list(State(state): State<ApiState>, _: Reader) -> Json<Page<Contest>> {
    Json(Page { items: state.contests().list().cloned().collect(), next_cursor: None })
}

/// A contest.
#[utoipa::path(
    get, path = "/v1/contests/{key}", tag = "contests",
    params(("key" = String, Path, example = "draftkings-nascar-classic-2021")),
    responses((status = 200, body = Contest))
)]
async fn show(State(state): State<ApiState>, _: Reader, Path(key): Path<String>) -> Result<Json<Contest>, ApiError> {
    state.contests().get(&key).cloned().map(Json).ok_or_else(|| ApiError::not_found("contest"))
}
