//! Deleting a job on demand; old ones go by themselves.

use axum::{extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    audit::audit,
    caller::Submitter,
    error::ApiError,
    jobs::find,
    params::Id,
    respond::{ProblemDocument, RequestId},
    state::ApiState,
};
use crate::{
    auth::Action,
    domain::ids::JobId,
    jobs::retention::{self, Unless},
};

/// Routes that delete jobs.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(delete))
}

/// Delete a job.
///
/// Only one that has ended, with its tasks, attempts, events and result. A model that it fitted stays.
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = JobId, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "It has not ended.", body = ProblemDocument, content_type = "application/problem+json")
    )
)]
async fn delete(
    State(state): State<ApiState>,
    Submitter(principal): Submitter,
    axum::Extension(request_id): axum::Extension<RequestId>,
    Id(id): Id<JobId>,
) -> Result<StatusCode, ApiError> {
    find(&state, &principal, &id).await?;
    retention::delete_job(state.db(), &id, Unless::Never, state.artifacts().hold_us()).await?;
    audit(&state, &principal, Action::JobDeleted, &id, &request_id).await;
    Ok(StatusCode::NO_CONTENT)
}
