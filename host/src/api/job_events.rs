//! What happened to a job, in order: for clients that want more than its present state.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    caller::Reader,
    error::ApiError,
    jobs::find,
    page::page_items,
    params::{Id, Query},
    state::ApiState,
    time::rfc3339,
};
use crate::{
    domain::ids::JobId,
    jobs::events::{self, Event},
};

/// Routes of a job's events.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Only events after the one with this sequence.
    #[serde(default)]
    after: i64,
    /// Most events to answer with.
    limit: Option<u32>,
}

/// Events of a job.
#[derive(Debug, Serialize, ToSchema)]
struct EventList {
    /// The events, oldest first.
    items: Vec<EventView>,
    /// What to send as `after` for what comes next.
    after: i64,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    /// Grows with every event.
    sequence: i64,
    /// `state`, `progress`, `component` or `log`.
    kind: &'static str,
    /// The details.
    #[schema(value_type = Object)]
    data: Value,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self { sequence: event.sequence, kind: event.kind.as_str(), data: event.data, at: rfc3339(event.created_us) }
    }
}

/// What happened to a job, oldest first.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path), EventsQuery),
    responses((status = 200, body = EventList))
)]
async fn list(
    State(state): State<ApiState>,
    Reader(principal): Reader,
    Id(id): Id<JobId>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventList>, ApiError> {
    let limit = page_items(query.limit, state.config())?;
    find(&state, &principal, &id).await?;
    let items: Vec<_> =
        events::since(state.db(), &id, query.after, limit).await?.into_iter().map(EventView::from).collect();
    let after = items.last().map_or(query.after, |event| event.sequence);
    Ok(Json(EventList { items, after }))
}
